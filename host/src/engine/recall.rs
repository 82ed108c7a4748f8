//! Taking up a run that was recorded: to go on with it, or to go back from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::progress::Direction;
use super::record::Recalled;
use super::{Audit, Error, Installation, Link, Prepared, Result};
use crate::contract::Effect;
use crate::report::event::Ending;

/// What is to become of a recorded run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It goes on in its direction.
    Resume,
    Rollback,
}

/// Makes sure that the run is one that this can be done with.
///
/// # Errors
/// `NotNow`, with what it is instead.
pub fn check(recalled: &Recalled, wanted: Wanted) -> Result<()> {
    let Recalled { plan, progress } = recalled;
    let not_now = |how: &str| Err(Error::NotNow { run: plan.run.clone(), how: how.to_owned() });
    match (wanted, progress.ending) {
        (_, Some(Ending::RolledBack)) => not_now("has been rolled back already"),
        (Wanted::Resume, Some(Ending::Done | Ending::NothingToDo)) => {
            not_now("has ended well: there is nothing to go on with")
        }
        (Wanted::Resume, Some(Ending::Denied | Ending::FailedUntouched)) => {
            not_now("ended before it changed the installation: start a new one")
        }
        (Wanted::Rollback, _) if !plan.has_touched(progress) => {
            not_now("has not changed the installation: there is nothing to go back from")
        }
        (Wanted::Rollback, _) if plan.rollback.is_empty() => {
            not_now("was planned without a rollback")
        }
        _ => Ok(()),
    }
}

/// Connects a recorded run with the installation and with the plugins of its plan, in their
/// order. A rollback does without those that are not there, or are other ones now.
///
/// # Errors
/// `NotNow` for a run of another project, `OtherPlugin`.
pub async fn take_up(
    recalled: Recalled,
    wanted: Wanted,
    links: Vec<Option<Link>>,
    installation: Installation,
    state_dir: PathBuf,
    audit: Arc<Audit>,
) -> Result<Prepared> {
    check(&recalled, wanted)?;
    let Recalled { plan, progress } = recalled;
    let doing = |source| Error::Capability { doing: "reading the installation", source };
    let project = installation.project().await.map_err(doing)?;
    if project != plan.project {
        let how = format!("is one of the project {}, and this is {project}", plan.project);
        return Err(Error::NotNow { run: plan.run, how });
    }
    let goes_back = wanted == Wanted::Rollback || progress.direction == Direction::Rollback;
    let same = |(link, plugin): (Option<Link>, &super::plan::PluginPlan)| {
        let link = link.filter(|link| link.component.digest == plugin.digest);
        match link {
            None if !goes_back => {
                let (plugin, run) = (plugin.name.clone(), plan.run.clone());
                Err(Error::OtherPlugin { plugin, run })
            }
            link => Ok(link),
        }
    };
    let links = links.into_iter().zip(&plan.plugins).map(same).collect::<Result<_>>()?;
    Ok(Prepared { plan, installation, links, state_dir, audit })
}

/// The newest run of these that something can be done with.
///
/// # Errors
/// `Journal` where a record before it is damaged; `NoRun` where there is none.
pub fn newest(state_dir: &Path, wanted: Wanted) -> Result<String> {
    for run in super::history::runs(state_dir)? {
        let recalled = super::record::recall(state_dir, &run.name)?;
        if check(&recalled, wanted).is_ok() {
            return Ok(run.name);
        }
        // What is before a run that changed something is history.
        if recalled.plan.has_touched(&recalled.progress) {
            break;
        }
    }
    Err(Error::NoRun { state: state_dir.to_owned() })
}

/// Makes sure that no earlier run has left the installation in between.
///
/// # Errors
/// `Unfinished`; `Journal` where the newest record is damaged, and nobody can tell.
pub fn check_finished(state_dir: &Path) -> Result<()> {
    for run in super::history::runs(state_dir)? {
        let Recalled { plan, progress } = super::record::recall(state_dir, &run.name)?;
        if !plan.has_touched(&progress) {
            continue;
        }
        let how = match progress.ending {
            None => "was cut off in the middle",
            Some(Ending::Failed) => "failed after it had changed the installation",
            Some(Ending::Interrupted) => "was interrupted after it had changed the installation",
            Some(_) => return Ok(()),
        };
        return Err(Error::Unfinished { run: run.name, how: how.to_owned() });
    }
    Ok(())
}

/// The labels of the backups that a rollback may still need: those of the newest run that
/// has changed the installation, and of all that came later.
///
/// # Errors
/// As [`newest`]: where a record is damaged, nobody can tell.
pub fn needed_backups(state_dir: &Path) -> Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    for run in super::history::runs(state_dir)? {
        let Recalled { plan, progress } = super::record::recall(state_dir, &run.name)?;
        let steps = plan.steps.iter().chain(&plan.rollback);
        needed.extend(steps.flat_map(|planned| &planned.step.effects).filter_map(|effect| {
            match effect {
                Effect::SqlDump(dump) => Some(dump.label.clone()),
                _ => None,
            }
        }));
        if plan.has_touched(&progress) {
            break;
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        Step,
        docker::StopChange,
        sql::{DumpChange, DumpProof},
    };
    use crate::engine::journal::Record;
    use crate::engine::plan::Plan;
    use crate::engine::{history, record};

    /// A run that has begun to stop a service, and what its journal says then.
    fn record(state: &Path, run: &str, touched: bool, more: &[Record]) {
        let stop = Effect::DockerStop(StopChange { services: vec![], unless_on: vec![] });
        let step = Step { id: "s".into(), title: String::new(), effects: vec![stop], timeout_s: 1 };
        let mut plan = Plan::of_one_step(step);
        plan.run = run.to_owned();
        let mut journal = record::open(&record::directory(state, run), &plan).unwrap();
        if touched {
            journal.write(&Record::StepStarted { step: "s".into() }).unwrap();
            let effect = Record::EffectStarted { step: "s".into(), effect: 0, declared: 0 };
            journal.write(&effect).unwrap();
        }
        more.iter().for_each(|record| journal.write(record).unwrap());
    }

    fn failed(ending: Ending) -> [Record; 2] {
        let failed = Record::StepFailed { step: "s".into(), error: "x".into() };
        [failed, Record::RunFinished { ending }]
    }

    #[test]
    fn a_run_that_changed_something_has_to_be_finished_before_the_next() {
        let state = tempfile::tempdir().unwrap();
        assert!(check_finished(state.path()).is_ok());
        record(state.path(), "1", true, &failed(Ending::RolledBack));
        assert!(check_finished(state.path()).is_ok());
        record(state.path(), "2", true, &failed(Ending::Failed));
        record(state.path(), "3", false, &[]);
        let error = check_finished(state.path()).unwrap_err().to_string();
        assert!(error.contains("the run 2 failed after"), "{error}");
        record(state.path(), "4", true, &[]);
        let error = check_finished(state.path()).unwrap_err().to_string();
        assert!(error.contains("the run 4 was cut off"), "{error}");
        assert_eq!(newest(state.path(), Wanted::Resume).unwrap(), "4");
        assert_eq!(history::runs(state.path()).unwrap().len(), 4);
    }

    #[test]
    fn the_backups_of_the_last_run_that_changed_something_are_needed() {
        let state = tempfile::tempdir().unwrap();
        let stop = Effect::DockerStop(StopChange { services: vec![], unless_on: vec![] });
        for (run, begun) in [("1", 1), ("2", 1), ("3", 0)] {
            let label = run.to_owned();
            let proof = DumpProof::ReadBack;
            let dump = DumpChange { connection: "internal".into(), label, proof };
            let dump = Effect::SqlDump(dump);
            let effects = vec![dump, stop.clone()];
            let step = Step { id: "s".into(), title: String::new(), effects, timeout_s: 1 };
            let mut plan = Plan::of_one_step(step);
            plan.run = run.to_owned();
            let mut journal = record::open(&record::directory(state.path(), run), &plan).unwrap();
            journal.write(&Record::StepStarted { step: "s".into() }).unwrap();
            let effect = Record::EffectStarted { step: "s".into(), effect: 0, declared: begun };
            journal.write(&effect).unwrap();
        }
        let needed: Vec<String> = needed_backups(state.path()).unwrap().into_iter().collect();
        assert_eq!(needed, ["2", "3"]);
    }

    #[test]
    fn records_that_cannot_be_listed_are_not_taken_for_none() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("runs"), "").unwrap();
        assert!(matches!(needed_backups(state.path()), Err(Error::State { .. })));
        assert!(matches!(check_finished(state.path()), Err(Error::State { .. })));
    }

    #[test]
    fn a_record_that_is_damaged_is_not_passed_over() {
        let state = tempfile::tempdir().unwrap();
        record(state.path(), "1", true, &failed(Ending::RolledBack));
        record(state.path(), "2", true, &[]);
        let path = record::directory(state.path(), "2").join("journal.jsonl");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"seq\":1", "\"seq\":7");
        std::fs::write(&path, text).unwrap();
        let error = check_finished(state.path()).unwrap_err();
        assert!(error.to_string().contains("damaged at line 2"), "{error}");
    }

    #[test]
    fn what_has_ended_is_not_resumed_and_what_touched_nothing_not_rolled_back() {
        let state = tempfile::tempdir().unwrap();
        record(state.path(), "1", false, &[]);
        let recalled = record::recall(state.path(), "1").unwrap();
        assert!(check(&recalled, Wanted::Resume).is_ok());
        assert!(matches!(check(&recalled, Wanted::Rollback), Err(Error::NotNow { .. })));
        record(state.path(), "2", true, &failed(Ending::RolledBack));
        let recalled = record::recall(state.path(), "2").unwrap();
        assert!(check(&recalled, Wanted::Resume).is_err());
        assert!(check(&recalled, Wanted::Rollback).is_err());
        assert!(matches!(newest(state.path(), Wanted::Rollback), Err(Error::NoRun { .. })));
    }
}
