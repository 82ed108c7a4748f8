//! Tests that need no engine.

// What `guide` uses, and it is to stand in the library.
use tessallite_up_tests::{place, process};

mod announce;
mod cache;
mod denials;
mod gates;
#[path = "../src/guide.rs"]
mod guide;
mod layers;
mod limits;
mod plugin;
mod source;
mod tidy;
mod vendor_guide;
