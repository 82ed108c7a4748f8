//! Whole runs against the fake Google Cloud: neither an engine nor the internet is needed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "whatever is not as expected ends the test"
)]

mod broken_releases;
mod crashes;
mod credentials;
mod database;
mod faults;
mod others;
mod preflight;
mod readme;
mod upgraded;
