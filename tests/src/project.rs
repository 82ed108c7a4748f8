//! A project whose services do not run: for what goes wrong before anybody asks them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::installation::{STATE, files_below};
use crate::program::{Outcome, Program};
use crate::{Template, place};

/// A copy of the files of a project, in a directory that everybody may read.
pub struct Project {
    dir: TempDir,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Project {
    pub fn copy(template: Template) -> Self {
        let files = files_below(&place::command("projects").join(template.name()));
        Self::of(files.iter().map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read(path).expect("it can be read"))
        }))
    }

    /// Of these files.
    pub fn of<C: AsRef<[u8]>>(files: impl IntoIterator<Item = (String, C)>) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        for (name, content) in files {
            fs::write(dir.path().join(name), content).expect("it can be written");
        }
        let before = contents(dir.path());
        Self { dir, before }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn program<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Program {
        Program::new(self.dir.path()).args(args)
    }

    /// Runs the program with `--yes` and these arguments.
    pub fn upgrade(&self, args: &[&str]) -> Outcome {
        self.program(["--yes"]).args(args).run()
    }

    /// The directory is as it was, but for the record of the calls that plugins made.
    ///
    /// # Panics
    /// A file has changed, come or gone.
    pub fn assert_untouched(&self) {
        assert_eq!(contents(self.dir.path()), self.before);
    }
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let state = dir.join(STATE);
    let is_record = |path: &PathBuf| *path == state || path.starts_with(state.join("audit"));
    // A directory has no content, and is none of the files.
    files_below(dir)
        .into_iter()
        .filter(|path| !is_record(path))
        .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
        .collect()
}
