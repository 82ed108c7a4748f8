//! The docker capability: the Engine and the Compose project of one installation.

pub mod client;
mod convert;
mod former;
mod host;
mod pin;
mod reference;
pub(crate) mod rewrite;
pub mod types;

pub use former::FormerFiles;
pub use pin::files_of;
