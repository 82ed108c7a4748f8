//! What stands before every call of a plugin, whatever the call is in: its policy, and the
//! audit log.

use std::sync::Arc;
use std::time::Instant;

use super::audit::{self, Audit, Durability, Outcome};
use super::progress::Direction;
use crate::capability::conduct::{Arguments, Call, Closed, Open};
use crate::capability::{Error, Result};
use crate::contract::Effect;
use crate::policy::{Ask, Denial, Policy, Reach};
use crate::text::hex;

/// Of one plugin in one phase.
#[derive(Clone)]
pub(super) struct Guard {
    policy: Arc<Policy>,
    reach: Arc<Reach>,
    audit: Arc<Audit>,
    phase: String,
    /// What cannot be recorded is done all the same.
    is_lenient: bool,
}

impl Guard {
    pub(super) fn new(policy: &Policy, audit: Arc<Audit>, phase: &str) -> Self {
        let reach = Arc::new(policy.grants.reach().clone());
        Self {
            policy: Arc::new(policy.clone()),
            reach,
            audit,
            phase: phase.to_owned(),
            is_lenient: false,
        }
    }

    /// Nothing happens unrecorded, but for the way back: that one has to come to its end on a
    /// disk that is full, too. Its end then says that the log is not whole.
    #[must_use]
    pub(super) fn on_the_way_back(mut self, direction: Direction) -> Self {
        self.is_lenient = direction == Direction::Rollback;
        self
    }

    pub(super) fn plugin(&self) -> &str {
        &self.policy.plugin
    }

    pub(super) fn requests(&self, function: &str) -> bool {
        self.policy.requested.contains(function)
    }

    pub(super) fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    pub(super) fn read(&self, call: &Call<'_>) -> Result<Option<Box<Open>>> {
        let open = self.open(call)?;
        if let Err(denial) = self.policy.check(&call.ask) {
            self.line(&open, Outcome::Denied, Durability::Kernel)?;
            return Err(denied(denial));
        }
        Ok(Some(open))
    }

    /// The call has been made: that it cannot be recorded keeps the next from being made.
    pub(super) fn closed(&self, open: &Open, how: Closed) {
        let outcome = match how {
            Closed::Done => Outcome::Done,
            Closed::Failed(crate::capability::Kind::Denied) => Outcome::Denied,
            Closed::Failed(_) => Outcome::Failed,
            Closed::Abandoned => Outcome::Abandoned,
        };
        let _ = self.line(open, outcome, Durability::Buffer);
    }

    /// As [`Guard::read`], of a call that is allowed by the command itself.
    pub(super) fn open(&self, call: &Call<'_>) -> Result<Box<Open>> {
        self.recorded(self.audit.check())?;
        let arguments = call.arguments.digest();
        Ok(Box::new(Open { function: call.ask.function, arguments, began: Instant::now() }))
    }

    pub(super) fn granted(&self, effect: &Effect) -> Result<()> {
        self.policy.check(&Ask::from(effect)).map_err(denied)
    }

    /// A line about a change.
    pub(super) fn change(&self, effect: &Effect, began: Instant, outcome: Outcome) -> Result<()> {
        let open = Open { function: effect.function(), arguments: effect.digest(), began };
        // That it is on disk before it begins is what the journal is for.
        self.line(&open, outcome, Durability::Kernel)
    }

    fn line(&self, open: &Open, outcome: Outcome, durability: Durability) -> Result<()> {
        let call = audit::Call {
            record: "call",
            plugin: &self.policy.plugin,
            phase: &self.phase,
            call: open.function,
            arguments: &hex(&open.arguments),
            outcome,
            us: u64::try_from(open.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        self.recorded(self.audit.put(&call, durability))
    }

    fn recorded(&self, written: super::Result<()>) -> Result<()> {
        match written {
            Err(_) if self.is_lenient => Ok(()),
            written => written.map_err(unrecorded),
        }
    }
}

pub(super) fn denied(Denial { text, hint }: Denial) -> Error {
    Error::denied(text).hint(hint)
}

fn unrecorded(error: super::Error) -> Error {
    Error::failed("recording a call in the audit log")
        .because(error)
        .hint("free space in the state directory, or name another one with --state")
}
