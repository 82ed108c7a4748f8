//! The recorded runs of an installation.

use std::path::{Path, PathBuf};

use super::journal::{self, Record};
use crate::report::event::Ending;

/// A run that was begun.
pub struct Recorded {
    pub name: String,
    pub directory: PathBuf,
    /// `None`: it has not ended, or was cut off.
    pub ending: journal::Result<Option<Ending>>,
}

/// Newest first: the names of runs begin with their time.
pub fn runs(state_dir: &Path) -> Vec<Recorded> {
    let entries = std::fs::read_dir(state_dir.join("runs")).into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    directories.sort_unstable_by(|a, b| b.cmp(a));
    directories.into_iter().filter_map(recorded).collect()
}

fn recorded(directory: PathBuf) -> Option<Recorded> {
    let name = directory.file_name()?.to_string_lossy().into_owned();
    let ending =
        journal::read(&directory.join("journal.jsonl")).map(|records| match records.last() {
            Some(Record::RunFinished { ending }) => Some(*ending),
            _ => None,
        });
    Some(Recorded { name, directory, ending })
}

/// The first of the runs just before this one that may have left the installation in
/// between two versions: its plan knows what was there before them all.
pub(super) fn first_of_unfinished(state_dir: &Path, before: &str) -> Option<PathBuf> {
    let earlier = runs(state_dir).into_iter().filter(|run| run.name.as_str() < before);
    let unfinished = earlier
        .filter(|run| !matches!(run.ending, Ok(Some(Ending::Denied | Ending::FailedUntouched))))
        .take_while(|run| !matches!(run.ending, Ok(Some(Ending::Done | Ending::NothingToDo))));
    unfinished.last().map(|run| run.directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::journal::Journal;

    fn record(state: &Path, name: &str, ending: Option<Ending>) {
        let directory = state.join("runs").join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut journal = Journal::create(&directory.join("journal.jsonl")).unwrap();
        journal.write(&Record::StepStarted { step: "backup".into() }).unwrap();
        if let Some(ending) = ending {
            journal.write(&Record::RunFinished { ending }).unwrap();
        }
    }

    #[test]
    fn what_was_before_is_known_to_the_first_run_since_all_was_well() {
        let state = tempfile::tempdir().unwrap();
        let first = || first_of_unfinished(state.path(), "9");
        assert_eq!(first(), None);
        record(state.path(), "1", Some(Ending::Failed));
        record(state.path(), "2", Some(Ending::Done));
        assert_eq!(first(), None);
        record(state.path(), "3", Some(Ending::Interrupted));
        record(state.path(), "4", Some(Ending::FailedUntouched));
        record(state.path(), "5", None);
        assert_eq!(first(), Some(state.path().join("runs/3")));
        assert_eq!(first_of_unfinished(state.path(), "3"), None);
    }
}
