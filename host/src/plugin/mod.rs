//! Plugins: found, compiled, checked, and called, each call in a fresh instance.

mod bundled;
mod cache;
mod error;
mod instance;
mod limits;
mod runtime;
mod source;

pub use bundled::BUNDLED;
pub use error::{Error, Result};
pub use instance::Caller;
pub use limits::Limits;
pub use runtime::{Component, Runtime};
pub use source::Source;
