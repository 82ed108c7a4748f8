//! The run of an upgrade: plan, approval, steps, gates, journal.
//!
//! [`prepare`] makes the plan and changes nothing; [`Prepared::run`] carries it out.

mod chain;
mod diagnosis;
mod downtime;
mod error;
pub mod history;
mod installation;
pub mod journal;
mod lock;
mod permit;
pub mod plan;
mod prepare;
mod run;
mod summary;
pub mod support;
mod watch;

pub use chain::Link;
pub use error::{Error, Result};
pub use installation::{Installation, Target};
pub use lock::{Holder, Lock, Unlocked};
pub use permit::Nothing;
pub use plan::Plan;
pub use prepare::{Prepared, prepare};
pub(crate) use run::write_whole;
