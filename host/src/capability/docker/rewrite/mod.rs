//! Rewriting of image references in the project's own files.
//!
//! [`plan`] is pure: from the bytes of the files to the bytes of the files, every
//! byte outside of a reference kept. [`apply`] replaces the files atomically.
//!
//! The images are found by following Compose's own rules: interpolation
//! ([`template`]), env files ([`dotenv`]), anchors, merge keys, `extends` and overriding
//! files ([`model`]). Each byte of an interpolated image remembers where it is
//! written ([`text`]), so that a change goes to the literal, the default or the
//! variable that carries it ([`patch`]). What cannot be changed soundly is refused.

mod disk;
mod dotenv;
mod files;
mod model;
mod patch;
mod plan;
mod template;
mod text;
mod uses;
mod yaml;

use std::path::PathBuf;

pub use disk::{apply, undo, writable};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use files::SourceFile;
pub use files::Sources;
pub use plan::plan;

/// A service whose image is to become another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    pub service: String,
    /// What the files say now, interpolated.
    pub before: String,
    pub after: String,
}

/// A file's content before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub path: PathBuf,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// What is changed, in lines for the operator. Lines that begin with spaces belong
    /// to the one above them.
    pub description: Vec<String>,
}

#[cfg(test)]
mod dialect_tables;
#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod refusal_tests;
