//! Plugins: found, compiled, checked, and called, each call in a fresh instance.

mod bundled;
mod cache;
mod compiler;
mod error;
mod identity;
mod instance;
mod limits;
mod lock;
mod runtime;
mod source;

pub use bundled::BUNDLED;
pub use compiler::{Bounds, Compiler, compile_standard_input};
pub use error::{Error, Result};
pub use identity::{Demand, Pinned, Signed, Trust};
pub use instance::Caller;
pub use limits::Limits;
pub use lock::{Lock, Pin};
pub use runtime::{Component, Runtime};
pub use source::{Binary, Source};
