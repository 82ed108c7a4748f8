//! What a plugin may do now: the approved plan decides, call by call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::audit::Outcome;
use super::crash::{self, Moment};
use super::guard::Guard;
use super::journal::Record;
use super::orders::Operator;
use crate::capability::conduct::{Begun, Call, Closed, Conduct, Loss, Notice, Open, Ticket};
use crate::capability::{Error, Result};
use crate::contract::{Effect, Step};
use crate::policy::{Policy, Reach};
use crate::report::{Event, Reporter};
use crate::text::{one_line, shortened};

/// While a plugin describes itself: nothing at all.
pub struct Nothing;

fn describing<T>(function: &str) -> Result<T> {
    Err(Error::denied(format!("{function} is not allowed while a plugin describes itself")))
}

impl Conduct for Nothing {
    fn read(&self, call: &Call<'_>) -> Result<Option<Box<Open>>> {
        // What stays within the host is harmless.
        if call.ask.interface() == "host" { Ok(None) } else { describing(call.ask.function) }
    }

    fn begin(&self, effect: &Effect) -> Result<Begun> {
        describing(effect.function())
    }

    fn finish(&self, _: Ticket, _: Result<&serde_json::Value, &Error>) -> Result<()> {
        Ok(())
    }

    fn notify(&self, _: Notice) {}
}

/// While a plan is made: the reads that are granted, no change.
pub(super) struct Planning {
    pub reporter: Arc<dyn Reporter>,
    pub guard: Guard,
}

impl Conduct for Planning {
    fn read(&self, call: &Call<'_>) -> Result<Option<Box<Open>>> {
        self.guard.read(call)
    }

    fn closed(&self, open: &Open, how: Closed) {
        self.guard.closed(open, how);
    }

    fn reach(&self) -> Arc<Reach> {
        self.guard.reach()
    }

    fn begin(&self, effect: &Effect) -> Result<Begun> {
        self.guard.change(effect, Instant::now(), Outcome::Denied)?;
        Err(Error::denied(format!(
            "{} is a change, and a plan is only being made",
            effect.function()
        ))
        .hint("a change belongs into the effects of a step, which is carried out once approved"))
    }

    fn finish(&self, _: Ticket, _: Result<&serde_json::Value, &Error>) -> Result<()> {
        Ok(())
    }

    fn notify(&self, notice: Notice) {
        if let Notice::Log { level, message } = notice {
            let plugin = self.guard.plugin().to_owned();
            self.reporter.report(&Event::Log { plugin, level, message });
        }
    }
}

/// The conduct of a plugin that makes its plan.
pub fn planning(
    policy: &Policy,
    audit: Arc<super::Audit>,
    reporter: Arc<dyn Reporter>,
) -> Arc<dyn Conduct> {
    Arc::new(Planning { reporter, guard: Guard::new(policy, audit, "make-plan") })
}

/// While a step is applied: the reads that are granted, and each effect that the step
/// declares, once.
pub(super) struct Applying {
    ledger: Arc<Ledger>,
    guard: Guard,
    step: String,
    declared: Vec<Effect>,
    begun: Mutex<Vec<bool>>,
    /// Those that have failed, by their numbers in the run and their places in the step.
    failed: Mutex<Vec<(usize, usize)>>,
    under_way: watch::Sender<usize>,
    operator: Arc<dyn Operator>,
}

impl Applying {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        guard: Guard,
        step: &Step,
        operator: Arc<dyn Operator>,
    ) -> Self {
        Self {
            operator,
            ledger,
            guard,
            step: step.id.clone(),
            declared: step.effects.clone(),
            begun: Mutex::new(vec![false; step.effects.len()]),
            failed: Mutex::default(),
            under_way: watch::Sender::new(0),
        }
    }

    /// Returns once no effect is under way.
    pub(super) async fn settle(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// The declared effects that have not come to a good end: from now on, those that failed
    /// may begin again, where that does no harm.
    pub(super) fn left(&self) -> Vec<Effect> {
        let mut begun = unpoisoned(&self.begun);
        for (_, declared) in unpoisoned(&self.failed).drain(..) {
            if self.declared.get(declared).is_some_and(Effect::can_be_repeated)
                && let Some(begun) = begun.get_mut(declared)
            {
                *begun = false;
            }
        }
        let left = self.declared.iter().zip(begun.iter()).filter(|(_, begun)| !**begun);
        left.map(|(effect, _)| effect.clone()).collect()
    }

    /// What is known of it from an earlier attempt at this step.
    fn known_before(&self, effect: &Effect, declared: usize) -> Result<Option<serde_json::Value>> {
        let journal = unpoisoned(&self.ledger.journal);
        let progress = journal.progress();
        if let Some(result) = progress.answer(&self.step, declared) {
            return Ok(Some(result.clone()));
        }
        if progress.is_unsettled(&self.step, declared) && !effect.can_be_repeated() {
            return Err(Error::conflict(format!(
                "{} was under way when the run was cut off, and whether it happened cannot be \
                 told: {}",
                effect.function(),
                shortened(&one_line(&effect.summary()), 500)
            ))
            .hint("look whether it has; tessallite-up rollback goes back from here"));
        }
        Ok(None)
    }

    fn denied(&self, effect: &Effect) -> Error {
        let text = shortened(&one_line(&effect.summary()), 500);
        Error::denied(format!(
            "{} is not what the approved step {:?} of {} declares: {text}",
            effect.function(),
            self.step,
            self.guard.plugin()
        ))
        .hint("a step may make only the changes that its effects in the plan declare, each once")
    }

    /// The declared effect that this is, if it is one and has not begun yet.
    fn claim(&self, effect: &Effect) -> Result<usize> {
        let mut begun = unpoisoned(&self.begun);
        let free = (0..self.declared.len()).find(|n| !begun[*n] && self.declared[*n] == *effect);
        let declared = free.ok_or_else(|| self.denied(effect))?;
        begun[declared] = true;
        Ok(declared)
    }

    /// It has not begun after all.
    fn unclaim(&self, declared: usize) {
        if let Some(begun) = unpoisoned(&self.begun).get_mut(declared) {
            *begun = false;
        }
    }
}

impl Conduct for Applying {
    fn read(&self, call: &Call<'_>) -> Result<Option<Box<Open>>> {
        self.guard.read(call)
    }

    fn closed(&self, open: &Open, how: Closed) {
        self.guard.closed(open, how);
    }

    fn reach(&self) -> Arc<Reach> {
        self.guard.reach()
    }

    fn begin(&self, effect: &Effect) -> Result<Begun> {
        let now = Instant::now();
        let declared = match self.guard.granted(effect).and_then(|()| self.claim(effect)) {
            Ok(declared) => declared,
            Err(error) => {
                self.guard.change(effect, now, Outcome::Denied)?;
                return Err(error);
            }
        };
        let known = match self.known_before(effect, declared) {
            Ok(known) => known,
            Err(error) => {
                // It has not begun: whoever carries out what is left has to meet it again.
                self.unclaim(declared);
                self.guard.change(effect, now, Outcome::Failed)?;
                return Err(error);
            }
        };
        if let Some(result) = known {
            self.guard.change(effect, now, Outcome::Answered)?;
            let (step, summary) = (self.step.clone(), one_line(&effect.summary()));
            self.ledger.reporter.report(&Event::EffectAnswered { step, summary });
            return Ok(Begun::Answered(result));
        }
        self.guard.change(effect, now, Outcome::Began).inspect_err(|_| self.unclaim(declared))?;
        let mut effects = unpoisoned(&self.ledger.effects);
        let number = effects.begun.len();
        crash::at(Moment::Before, number);
        let record = Record::EffectStarted { step: self.step.clone(), effect: number, declared };
        self.ledger.write(&record).map_err(unrecorded).inspect_err(|_| self.unclaim(declared))?;
        effects.begun.push((effect.clone(), Instant::now()));
        drop(effects);
        // It has failed until it is known to have gone well.
        unpoisoned(&self.failed).push((number, declared));
        self.ledger.expect_stops(effect);
        self.under_way.send_modify(|count| *count += 1);
        self.ledger.reporter.report(&Event::EffectStarted {
            step: self.step.clone(),
            effect: number,
            function: effect.function().to_owned(),
            summary: one_line(&effect.summary()),
        });
        crash::at(Moment::Begun, number);
        Ok(Begun::Go(Ticket(number)))
    }

    fn noted(&self, ticket: Ticket, operation: &str) {
        let operation = shortened(&one_line(operation), 1_000);
        // A journal that cannot be written says so when the effect ends.
        let _ = self.ledger.write(&Record::EffectNoted { effect: ticket.0, operation });
        crash::at(Moment::Noted, ticket.0);
    }

    fn finish(&self, ticket: Ticket, outcome: Result<&serde_json::Value, &Error>) -> Result<()> {
        let effect = ticket.0;
        crash::at(Moment::Done, effect);
        let record = match outcome {
            Ok(result) => Record::EffectFinished { effect, result: result.clone() },
            Err(error) => Record::EffectFailed { effect, error: error.full_text() },
        };
        let written = self.ledger.write(&record).map_err(unrecorded);
        crash::at(Moment::After, effect);
        if outcome.is_ok() {
            unpoisoned(&self.failed).retain(|(number, _)| *number != effect);
        }
        let mut effects = unpoisoned(&self.ledger.effects);
        let begun = effects.begun.get(effect).cloned();
        let ms = begun.as_ref().map_or(0, |(_, since)| milliseconds(*since));
        if let (Some((begun, _)), Ok(result)) = (&begun, outcome) {
            effects.finished.push((begun.clone(), result.clone()));
        }
        drop(effects);
        let audited = begun.map_or(Ok(()), |(effect, since)| {
            let how = if outcome.is_ok() { Outcome::Done } else { Outcome::Failed };
            self.guard.change(&effect, since, how)
        });
        let step = self.step.clone();
        self.ledger.reporter.report(&match outcome {
            Ok(_) => Event::EffectFinished { step, effect, ms },
            Err(error) => Event::EffectFailed { step, effect, ms, error: error.full_text() },
        });
        self.under_way.send_modify(|count| *count = count.saturating_sub(1));
        written.and(audited)
    }

    fn notify(&self, notice: Notice) {
        let event = match &notice {
            Notice::Log { level, message } => Some(Event::Log {
                plugin: self.guard.plugin().to_owned(),
                level: *level,
                message: message.clone(),
            }),
            Notice::Gate { service, state } => {
                Some(Event::Gate { service: service.clone(), state: state.clone() })
            }
            Notice::Progress { what, done, total } => {
                Some(Event::Progress { what: what.clone(), done: *done, total: *total })
            }
            Notice::Deployed { .. } => None,
        };
        if let Some(event) = event {
            self.ledger.reporter.report(&event);
        }
        // The run may be over: then nobody needs to know.
        let _ = self.ledger.notices.send(notice);
    }

    fn agree_to_loss(&self, lost: Loss) -> BoxFuture<'static, bool> {
        let (tables, since) = match lost {
            Loss::Tables(tables) => (tables, None),
            Loss::Since(since) => (Vec::new(), Some(one_line(&since))),
        };
        self.ledger.reporter.report(&Event::WritesWouldBeLost { tables, since });
        let operator = Arc::clone(&self.operator);
        // A person answers, or does not.
        let asked = tokio::task::spawn_blocking(move || operator.agrees_to_loss());
        async move { asked.await.unwrap_or(false) }.boxed()
    }
}

fn unrecorded(error: super::journal::Error) -> Error {
    Error::failed("recording an effect in the journal")
        .because(error)
        .hint("free space in the state directory, or name another one with --state")
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What a lock guards here stays whole when a thread panics while it holds it.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

mod ledger;

pub(super) use ledger::Ledger;

#[cfg(test)]
mod tests;
