//! The recorded runs of an installation.

use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, Record};
use super::{Error, Result};
use crate::report::event::Ending;

/// A run that was begun.
pub struct Recorded {
    pub name: String,
    pub directory: PathBuf,
    /// `None`: it has not ended, or was cut off.
    pub ending: journal::Result<Option<Ending>>,
}

/// Newest first: the names of runs begin with their time.
///
/// # Errors
/// `State` where there are records that cannot be listed: nobody knows what they say.
pub fn runs(state_dir: &Path) -> Result<Vec<Recorded>> {
    let path = state_dir.join("runs");
    let mut directories = match directories(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|source| {
            let doing = "listing the recorded runs in";
            Error::State { doing, path, source }
        })?,
    };
    directories.sort_unstable_by(|a, b| b.cmp(a));
    Ok(directories.into_iter().filter_map(recorded).collect())
}

fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
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
