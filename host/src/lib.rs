//! Upgrades a running Tessallite installation, and can always bring it back.
//!
//! `ARCHITECTURE.md` beside this crate says what is where and why.

pub mod capability;
pub mod cli;
pub mod confine;
pub mod contract;
pub mod engine;
pub mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod plugin;
pub mod policy;
pub mod report;
pub mod settings;
pub mod signature;
pub mod text;
