//! The fake as a client meets it, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod credentials;
mod database;
mod etags;
mod faults;
mod images;
mod operator;
mod revisions;
mod serving;
mod traffic;
