//! What the tests of whole runs have in common: installations on the real engine, the
//! program as an operator starts it, and the faults that the world outside can have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "used by tests only: whatever is not as expected ends the test"
)]

pub mod cloud;
pub mod engine_proxy;
pub mod events;
pub mod fake_engine;
pub mod fake_registry;
pub mod fingerprint;
pub mod guide;
mod http;
pub mod installation;
pub mod own_engine;
pub mod place;
pub mod process;
pub mod program;
pub mod project;
pub mod template;
pub mod terminal;

pub use cloud::Cloud;
pub use fingerprint::Fingerprint;
pub use installation::Installation;
pub use program::{Outcome, Program};
pub use project::Project;
pub use template::Template;
