//! What a run tells, and how it is shown.
//!
//! The engine emits [`Event`]s; a [`Reporter`] consumes them. A broken display never
//! stops an upgrade: reporters return nothing.

mod background;
pub mod event;
pub(crate) mod format;
mod json;
mod line;
mod live;
mod outlet;
mod paint;
#[cfg(test)]
mod sample;
pub mod table;

pub use background::Background;
pub use event::{Event, Reporter};
pub use json::Json;
pub use line::Lines;
pub use live::Live;
pub use paint::allowed as colour_is_allowed;
