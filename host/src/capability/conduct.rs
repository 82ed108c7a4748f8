//! What stands between a plugin's call and the outside world.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::docker::types::DeployedContainer;
use super::sql::types::TableChange;
use super::{Error, Result};
use crate::contract::Effect;

/// Asked before every call that a plugin makes. The engine implements it: it knows what
/// the approved plan allows, and it keeps the journal.
pub trait Conduct: Send + Sync {
    /// Before a read. `function` is the contract's name: "docker.resolve".
    ///
    /// # Errors
    /// `Denied`, with what would allow it.
    fn read(&self, function: &'static str) -> Result<()>;

    /// Before a change. When it answers `Go`, the effect is durably recorded as begun,
    /// and [`Conduct::finish`] must follow.
    ///
    /// # Errors
    /// `Denied`: the approved plan does not have it here. `Failed`: it could not be recorded.
    fn begin(&self, effect: &Effect) -> Result<Begun>;

    /// After a change: its outcome is durably recorded.
    ///
    /// # Errors
    /// `Failed`: it could not be recorded.
    fn finish(&self, ticket: Ticket, outcome: Result<&serde_json::Value, &Error>) -> Result<()>;

    fn notify(&self, notice: Notice);

    /// Whether the operator agrees that these writes are lost from the database, which
    /// stays under another name. Where nobody is there to be asked, the approval of the plan
    /// is the answer.
    fn agree_to_loss(&self, lost: Vec<TableChange>) -> BoxFuture<'static, bool> {
        let _ = lost;
        std::future::ready(false).boxed()
    }
}

/// Names an effect that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ticket(pub usize);

#[derive(Debug)]
pub enum Begun {
    Go(Ticket),
    /// It has finished before, with this result.
    Answered(serde_json::Value),
}

/// How far the gate of a service has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "gate")]
pub enum GateState {
    Waiting { why: String },
    Answering { answers: u32 },
    Passed,
    Failed { why: String },
}

/// What happens inside a call, for whoever watches.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    Log {
        level: Level,
        message: String,
    },
    Gate {
        service: String,
        state: GateState,
    },
    /// Of the effect under way; `total` where it is known.
    Progress {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    /// These containers run now, and have to stay well.
    Deployed {
        containers: Vec<DeployedContainer>,
    },
}

/// The levels of the contract's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}
