//! Tests that need no engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "whatever is not as expected ends the test"
)]

use tessallite_up_tests::guide;

mod announce;
mod approval;
mod cache;
mod compile;
mod confine;
mod crafted;
mod denials;
mod gates;
mod grants;
mod identity;
mod layers;
mod limits;
mod plugin;
mod readme;
mod source;
mod tidy;
mod vendor_guide;
