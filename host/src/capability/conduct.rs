//! What stands between a plugin's call and the outside world.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::docker::types::DeployedContainer;
use super::sql::types::TableChange;
use super::{Error, Kind, Result};
use crate::contract::Effect;
use crate::policy::{Ask, Reach};

/// Asked before every call that a plugin makes. The engine implements it: it knows what
/// the approved plan allows, and it keeps the journal.
pub trait Conduct: Send + Sync {
    /// Before a call that changes nothing. Where something is to be known of its end,
    /// [`Conduct::closed`] follows.
    ///
    /// # Errors
    /// `Denied`, with what would allow it. `Failed`: it could not be recorded.
    fn read(&self, call: &Call<'_>) -> Result<Option<Box<Open>>>;

    /// After a call that [`Conduct::read`] allowed, however it ended.
    fn closed(&self, open: &Open, how: Closed) {
        let _ = (open, how);
    }

    /// What of the world outside the installation may be reached.
    fn reach(&self) -> Arc<Reach> {
        Arc::default()
    }

    /// Before a change. When it answers `Go`, the effect is durably recorded as begun,
    /// and [`Conduct::finish`] must follow.
    ///
    /// # Errors
    /// `Denied`: the approved plan does not have it here. `Failed`: it could not be recorded.
    fn begin(&self, effect: &Effect) -> Result<Begun>;

    /// During a change: by this name the outside world knows it, and may be asked about it by
    /// somebody who takes the run up.
    fn noted(&self, ticket: Ticket, operation: &str) {
        let _ = (ticket, operation);
    }

    /// After a change: its outcome is durably recorded.
    ///
    /// # Errors
    /// `Failed`: it could not be recorded.
    fn finish(&self, ticket: Ticket, outcome: Result<&serde_json::Value, &Error>) -> Result<()>;

    fn notify(&self, notice: Notice);

    /// Whether the operator agrees that these writes are lost from the database, of which
    /// there is another copy. Where nobody is there to be asked, the approval of the plan
    /// is the answer.
    fn agree_to_loss(&self, lost: Loss) -> BoxFuture<'static, bool> {
        let _ = lost;
        std::future::ready(false).boxed()
    }
}

/// Writes that are not in the database which comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// These, which were counted.
    Tables(Vec<TableChange>),
    /// All since then, in RFC 3339: what they are is not known.
    Since(String),
}

/// A call that changes nothing, before it is carried out.
pub struct Call<'a> {
    pub ask: Ask<'a>,
    pub arguments: &'a dyn Arguments,
}

/// What a call is given.
pub trait Arguments: Sync {
    /// SHA-256 of the arguments as JSON.
    fn digest(&self) -> Digest;
}

pub type Digest = [u8; 32];

impl<T: Serialize + Sync> Arguments for T {
    fn digest(&self) -> Digest {
        let mut digest = Hashing(Sha256::new());
        // Types of the contract are always JSON; one that were not has the digest of its beginning.
        let _ = serde_json::to_writer(&mut digest, self);
        digest.0.finalize().into()
    }
}

struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A call under way that changes nothing.
#[derive(Debug)]
pub struct Open {
    pub function: &'static str,
    pub arguments: Digest,
    pub began: Instant,
}

/// How such a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Done,
    Failed(Kind),
    /// Nobody waited for its end: a time limit, an interrupt, an incident.
    Abandoned,
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
