//! What the host can do to the outside world, one module a capability.

pub mod error;
