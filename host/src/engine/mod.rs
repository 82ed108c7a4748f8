//! The run of an upgrade: plan, approval, steps, gates, journal.
//!
//! [`prepare`] makes the plan and changes nothing; [`Prepared::run`] carries it out.

pub mod approved;
pub mod audit;
mod by_hand;
mod chain;
mod crash;
mod diagnosis;
mod downtime;
mod ending;
mod error;
mod guard;
pub mod history;
mod installation;
pub mod journal;
mod lock;
mod orders;
mod permit;
pub mod plan;
mod prepare;
pub mod progress;
mod recall;
pub mod record;
mod run;
mod suggest;
mod summary;
pub mod support;
mod watch;
mod way_back;

pub use crate::capability::docker::files_of;
pub use crate::capability::sql::dump_path;
pub use audit::Audit;
pub use chain::Link;
pub use error::{Error, Result};
pub use installation::{Installation, Kind, Target};
pub use lock::{Fate, Holder, Lock, Unlocked};
pub use orders::{Absent, Keeps, OnFailure, Operator, Orders};
pub use permit::{Nothing, planning};
pub use plan::Plan;
pub use prepare::{Prepared, prepare};
pub use recall::{Wanted, check, check_finished, needed_backups, newest, take_up};
pub use suggest::suggest;
