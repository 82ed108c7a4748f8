//! How far a run has come, as its journal tells it: a table of what may follow what.

use super::journal::Record;
use crate::contract::Fact;
use crate::report::event::Ending;

/// Which of the plan's two lists of steps is being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    Upgrade,
    Rollback,
}

/// The state of a run after its records so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    pub run: String,
    pub plan_sha256: String,
    pub direction: Direction,
    /// In the order in which they finished, of both directions.
    pub finished: Vec<(String, Vec<Fact>)>,
    /// By their numbers.
    pub effects: Vec<EffectRecord>,
    pub step: Option<String>,
    pub ending: Option<Ending>,
    /// Why it was turned round, if it was.
    pub turned: Option<String>,
}

/// One time that an effect was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectRecord {
    pub step: String,
    /// Its place in the step.
    pub declared: usize,
    pub state: EffectState,
}

#[derive(Debug, Clone, PartialEq)]
pub enum EffectState {
    /// Under way; or whoever began it died, and only the world knows.
    Started,
    Finished(serde_json::Value),
    Failed,
}

impl Progress {
    /// # Errors
    /// The number of the first record that cannot follow the ones before it, and why.
    pub fn of(records: &[Record]) -> Result<Self, (usize, &'static str)> {
        let mut progress = Self::default();
        for (number, record) in records.iter().enumerate() {
            progress.check(record).map_err(|why| (number, why))?;
            progress.take(record);
        }
        Ok(progress)
    }

    pub fn has_finished(&self, step: &str) -> bool {
        self.finished.iter().any(|(finished, _)| finished == step)
    }

    /// What the effect returned, where it has finished in this step.
    pub fn answer(&self, step: &str, declared: usize) -> Option<&serde_json::Value> {
        self.tries(step, declared).find_map(|effect| match &effect.state {
            EffectState::Finished(result) => Some(result),
            _ => None,
        })
    }

    /// It was begun, and nothing tells how it ended.
    pub fn is_unsettled(&self, step: &str, declared: usize) -> bool {
        let last = self.tries(step, declared).next();
        last.is_some_and(|effect| effect.state == EffectState::Started)
    }

    /// The last one first.
    fn tries(&self, step: &str, declared: usize) -> impl Iterator<Item = &EffectRecord> {
        let tried = self.effects.iter().rev();
        tried.filter(move |effect| effect.step == step && effect.declared == declared)
    }

    /// Whether the record may be next.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, record: &Record) -> Result<(), &'static str> {
        let rule = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        if let Record::RunStarted { .. } = record {
            return rule(self.run.is_empty(), "the run has started before");
        }
        rule(!self.run.is_empty(), "the run has not started")?;
        match record {
            Record::RunStarted { .. } => Ok(()),
            Record::RunResumed => {
                rule(self.ending.is_none_or(Ending::can_go_on), "the run has ended for good")
            }
            Record::RollbackStarted { .. } => {
                rule(self.step.is_none(), "a step is under way")?;
                rule(self.direction == Direction::Upgrade, "the rollback has started before")
            }
            _ if self.ending.is_some() => Err("the run has ended"),
            Record::StepStarted { step } => {
                rule(self.step.is_none(), "another step is under way")?;
                rule(!self.has_finished(step), "the step has finished before")
            }
            Record::EffectStarted { step, effect, .. } => {
                rule(self.step.as_ref() == Some(step), "its step is not under way")?;
                rule(*effect == self.effects.len(), "its number is not the next one")
            }
            Record::EffectNoted { effect, .. }
            | Record::EffectFinished { effect, .. }
            | Record::EffectFailed { effect, .. } => {
                let state = self.effects.get(*effect).map(|effect| &effect.state);
                rule(state == Some(&EffectState::Started), "the effect is not under way")
            }
            Record::StepFinished { step, .. } | Record::StepFailed { step, .. } => {
                rule(self.step.as_ref() == Some(step), "the step is not under way")
            }
            Record::RunFinished { .. } => rule(self.step.is_none(), "a step is under way"),
        }
    }

    fn take(&mut self, record: &Record) {
        match record.clone() {
            Record::RunStarted { run, plan_sha256 } => {
                (self.run, self.plan_sha256) = (run, plan_sha256);
            }
            Record::RunResumed => (self.step, self.ending) = (None, None),
            Record::RollbackStarted { why } => {
                (self.direction, self.ending) = (Direction::Rollback, None);
                self.turned = Some(why);
            }
            Record::StepStarted { step } => self.step = Some(step),
            Record::EffectStarted { step, declared, .. } => {
                let state = EffectState::Started;
                self.effects.push(EffectRecord { step, declared, state });
            }
            // For whoever reads the journal: effects are known again by their handles.
            Record::EffectNoted { .. } => {}
            Record::EffectFinished { effect, result } => {
                self.settle(effect, EffectState::Finished(result));
            }
            Record::EffectFailed { effect, .. } => self.settle(effect, EffectState::Failed),
            Record::StepFinished { step, facts } => {
                self.step = None;
                self.finished.push((step, facts));
            }
            Record::StepFailed { .. } => self.step = None,
            Record::RunFinished { ending } => self.ending = Some(ending),
        }
    }

    fn settle(&mut self, effect: usize, state: EffectState) {
        if let Some(effect) = self.effects.get_mut(effect) {
            effect.state = state;
        }
    }

    /// Checks a record and takes it in.
    ///
    /// # Errors
    /// Why it cannot be next.
    pub fn advance(&mut self, record: &Record) -> Result<(), &'static str> {
        self.check(record)?;
        self.take(record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn started() -> Progress {
        let start = Record::RunStarted { run: "r".into(), plan_sha256: "00".into() };
        Progress::of(&[start]).unwrap()
    }

    fn step(name: &str) -> Record {
        Record::StepStarted { step: name.into() }
    }

    fn effect(number: usize) -> Record {
        Record::EffectStarted { step: "a".into(), effect: number, declared: 0 }
    }

    fn done(name: &str) -> Record {
        Record::StepFinished { step: name.into(), facts: vec![] }
    }

    fn after(records: &[Record]) -> Progress {
        let mut progress = started();
        for record in records {
            progress.advance(record).unwrap_or_else(|why| panic!("{record:?}: {why}"));
        }
        progress
    }

    #[test]
    fn only_what_may_follow_follows() {
        let ended = Record::RunFinished { ending: Ending::Done };
        let finished = Record::EffectFinished { effect: 0, result: serde_json::json!(null) };
        let table: [(&[Record], Record, bool); 14] = [
            (&[], step("a"), true),
            (&[], effect(0), false),
            (&[], done("a"), false),
            (&[], Record::RunStarted { run: "r".into(), plan_sha256: "00".into() }, false),
            (&[step("a")], step("b"), false),
            (&[step("a")], effect(0), true),
            (&[step("a")], effect(1), false),
            (&[step("a")], finished.clone(), false),
            (&[step("a"), effect(0), finished.clone()], finished.clone(), false),
            (&[step("a")], ended.clone(), false),
            (&[step("a"), done("a")], step("a"), false),
            (from_ref(&ended), step("a"), false),
            (from_ref(&ended), Record::RunResumed, false),
            (from_ref(&ended), Record::RollbackStarted { why: String::new() }, true),
        ];
        for (before, next, may) in table {
            assert_eq!(after(before).check(&next).is_ok(), may, "{before:?} then {next:?}");
        }
    }

    #[test]
    fn nothing_comes_before_the_start() {
        assert_eq!(Progress::of(&[step("a")]), Err((0, "the run has not started")));
    }

    #[test]
    fn a_run_that_was_cut_off_goes_on_with_its_step_and_the_effect_is_unsettled() {
        let progress = after(&[step("a"), effect(0), Record::RunResumed]);
        assert!(progress.is_unsettled("a", 0));
        assert_eq!(progress.step, None);
        let result = serde_json::json!({"bytes": 1});
        let finish = Record::EffectFinished { effect: 1, result: result.clone() };
        let progress =
            after(&[step("a"), effect(0), Record::RunResumed, step("a"), effect(1), finish]);
        assert!(!progress.is_unsettled("a", 0));
        assert_eq!(progress.answer("a", 0), Some(&result));
        assert_eq!(progress.answer("a", 1), None);
    }

    #[test]
    fn a_rollback_begins_once() {
        let back = Record::RollbackStarted { why: "x".into() };
        let mut progress = after(&[step("a"), done("a"), back.clone()]);
        assert_eq!(progress.direction, Direction::Rollback);
        assert!(progress.advance(&back).is_err());
    }
}
