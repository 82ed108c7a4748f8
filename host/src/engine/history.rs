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
