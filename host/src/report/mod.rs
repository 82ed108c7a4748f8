//! What a run tells, and how it is shown.
//!
//! The engine emits [`Event`]s; a [`Reporter`] consumes them. A broken display never
//! stops an upgrade: reporters return nothing.

pub mod event;

pub use event::{Event, Reporter};
