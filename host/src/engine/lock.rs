//! One run at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{Error, Result};

/// Held by a run from before its plan until its end. It is on the project's directory
/// itself, so that taking it leaves no trace.
#[derive(Debug)]
pub struct Lock {
    _directory: File,
}

impl Lock {
    /// # Errors
    /// `Locked`, or `State` where the directory cannot be opened.
    pub fn take(project_dir: &Path) -> Result<Self> {
        let failed = |source| Error::State {
            doing: "locking the project directory",
            path: project_dir.to_owned(),
            source,
        };
        let directory = File::open(project_dir).map_err(failed)?;
        match directory.try_lock() {
            Ok(()) => Ok(Self { _directory: directory }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: project_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(Error::Locked { .. })));
        drop(first);
        assert!(Lock::take(dir.path()).is_ok());
    }
}
