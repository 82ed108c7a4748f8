//! A Google Cloud that behaves like the real one, as far as an upgrade meets it: a state
//! machine behind HTTP, not a list of canned answers. `README.md` says what it does.

pub mod clock;
pub mod control;
pub mod credentials;
pub mod discovery;
pub mod dispatch;
pub mod environment;
pub mod event;
pub mod exchange;
pub mod fault;
pub mod glob;
pub mod install;
pub mod knative;
pub mod metadata;
pub mod permission;
pub mod proto;
pub mod record;
pub mod refusal;
pub mod registry;
pub mod release;
pub mod run;
pub mod server;
pub mod serving;
pub mod setup;
pub mod sql;
pub mod state;
pub mod world;

mod fake;

pub use event::Event;
pub use fake::Fake;
pub use fault::{Fault, Kind};
pub use record::Recorded;
pub use release::Release;
pub use run::traffic::Target;
pub use setup::{ServiceSetup, Setup};
