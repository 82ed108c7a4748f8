//! The record of a run on disk: its plan and its journal, in a directory of its own.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::journal::{self, Journal, Record};
use super::plan::{FORMAT, Plan};
use super::progress::Progress;
use super::{Error, Result};
use crate::capability::docker::FormerFiles;
use crate::files::write_whole;
use crate::text::hex;

pub const PLAN: &str = "plan.json";
pub const JOURNAL: &str = "journal.jsonl";

/// Where a run is recorded.
pub fn directory(state_dir: &Path, run: &str) -> PathBuf {
    state_dir.join("runs").join(run)
}

/// The project's files that a run has replaced; what is wrong with their record is not told
/// here.
pub fn replaced_files(state_dir: &Path, run: &str) -> Vec<PathBuf> {
    let kept = FormerFiles::new(state_dir.join("runs")).list(run).unwrap_or_default();
    kept.into_iter().map(|(path, _)| path).collect()
}

/// Writes the plan and begins the journal.
pub(super) fn open(directory: &Path, plan: &Plan) -> Result<Journal> {
    let failed = |source| Error::State {
        doing: "creating the record of the run in",
        path: directory.to_owned(),
        source,
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let text = serde_json::to_vec_pretty(plan).map_err(|e| failed(e.into()))?;
    write_whole(&directory.join(PLAN), &text).map_err(failed)?;
    let mut journal = Journal::create(&directory.join(JOURNAL))?;
    journal.write(&Record::RunStarted {
        run: plan.run.clone(),
        plan_sha256: hex(&Sha256::digest(&text)),
    })?;
    Ok(journal)
}

/// Goes on with the journal of a run.
pub(super) fn reopen(directory: &Path) -> Result<Journal> {
    Ok(Journal::reopen(&directory.join(JOURNAL))?)
}

/// A run as it is recorded.
pub struct Recalled {
    pub plan: Plan,
    pub progress: Progress,
}

/// Reads a run's plan and journal.
///
/// # Errors
/// `NoSuchRun`; `Journal` where it is damaged; `State` where the plan is not the one that
/// the journal names.
pub fn recall(state_dir: &Path, run: &str) -> Result<Recalled> {
    let directory = directory(state_dir, run);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if run.is_empty() || !run.chars().all(plain) || !directory.is_dir() {
        return Err(Error::NoSuchRun { run: run.to_owned(), state: state_dir.to_owned() });
    }
    let progress = journal::progress(&directory.join(JOURNAL))?;
    let path = directory.join(PLAN);
    let failed =
        |source| Error::State { doing: "reading the plan of the run", path: path.clone(), source };
    let text = fs::read(&path).map_err(failed)?;
    if hex(&Sha256::digest(&text)) != progress.plan_sha256 {
        return Err(failed(std::io::Error::other("it is not the plan that was approved")));
    }
    let plan: Plan = serde_json::from_slice(&text).map_err(|e| failed(e.into()))?;
    if plan.format != FORMAT {
        let why = format!("its format {} is not known to this version", plan.format);
        return Err(failed(std::io::Error::other(why)));
    }
    Ok(Recalled { plan, progress })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Step;

    fn recorded() -> (tempfile::TempDir, Plan) {
        let state = tempfile::tempdir().unwrap();
        let step = Step { id: "s".into(), title: String::new(), effects: vec![], timeout_s: 1 };
        let plan = Plan::of_one_step(step);
        open(&directory(state.path(), "r"), &plan).unwrap();
        (state, plan)
    }

    #[test]
    fn a_run_is_recalled_as_it_was_recorded() {
        let (state, plan) = recorded();
        let recalled = recall(state.path(), "r").unwrap();
        assert_eq!(recalled.plan, plan);
        assert_eq!(recalled.progress.run, "r");
        assert!(reopen(&directory(state.path(), "r")).is_ok());
    }

    #[test]
    fn a_plan_that_was_changed_afterwards_is_not_believed() {
        let (state, _) = recorded();
        let path = directory(state.path(), "r").join(PLAN);
        let text =
            fs::read_to_string(&path).unwrap().replace("\"timeout_s\": 1", "\"timeout_s\": 2");
        fs::write(&path, text).unwrap();
        assert!(matches!(recall(state.path(), "r"), Err(Error::State { .. })));
    }

    #[test]
    fn a_run_that_is_not_there_is_named_and_no_name_leads_elsewhere() {
        let (state, _) = recorded();
        for run in ["x", "", "..", "../runs/r", "r/"] {
            assert!(matches!(recall(state.path(), run), Err(Error::NoSuchRun { .. })), "{run:?}");
        }
    }
}
