//! The project's files as they were before a run wrote into them: kept in the run's
//! record, byte for byte.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rewrite::{self, Edit};
use crate::capability::error::{Error, Result};
use crate::files::write_whole;
use crate::text::hex;

const INDEX: &str = "index.json";

/// Where runs are recorded: `RUNS/RUN/files/`.
#[derive(Clone)]
pub struct FormerFiles {
    runs: PathBuf,
}

/// The index is written last: what it names is whole.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    files: Vec<Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    /// The name of the copy, beside the index.
    copy: String,
    sha256: String,
}

impl FormerFiles {
    pub fn new(runs: PathBuf) -> Self {
        Self { runs }
    }

    /// Keeps what these edits are about to replace. Of a file that is kept already, the
    /// first content is the former one.
    ///
    /// Errors: `Failed` when it cannot be kept: then nothing may be written.
    pub(super) async fn keep(&self, run: &str, edits: &[Edit]) -> Result<()> {
        let directory = self.directory(run)?;
        let files: Vec<_> =
            edits.iter().map(|edit| (edit.path.clone(), edit.before.clone())).collect();
        blocking(move || {
            keep(&directory, &files).map_err(|error| {
                Error::failed(format!(
                    "keeping the project's files as they are in {}",
                    directory.display()
                ))
                .because(error)
                .hint("free space in the state directory, or name another one with --state")
            })
        })
        .await
    }

    /// Puts the files back. What stands in them now is kept beside the copies, where it is
    /// something else. A run that wrote no file has none to put back.
    ///
    /// Errors: `Failed` when a copy is damaged, or a file cannot be written.
    pub async fn restore(&self, run: &str) -> Result<()> {
        let directory = self.directory(run)?;
        blocking(move || restore(&directory)).await
    }

    /// The files that are kept for a run, and where their copies are.
    ///
    /// Errors: `Failed` when the index cannot be read.
    pub fn list(&self, run: &str) -> Result<Vec<(PathBuf, PathBuf)>> {
        let directory = self.directory(run)?;
        let index = read_index(&directory).map_err(|error| unreadable(&directory, error))?;
        Ok(index.files.into_iter().map(|kept| (kept.path, directory.join(kept.copy))).collect())
    }

    fn directory(&self, run: &str) -> Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if run.is_empty() || !run.chars().all(plain) {
            return Err(Error::invalid(format!("{run:?} is not the name of a run")));
        }
        Ok(self.runs.join(run).join("files"))
    }
}

fn keep(directory: &Path, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut index = read_index(directory)?;
    for (path, content) in files {
        if index.files.iter().any(|kept| kept.path == *path) {
            continue;
        }
        let copy = index.files.len().to_string();
        write_whole(&directory.join(&copy), content)?;
        let sha256 = hex(&Sha256::digest(content));
        index.files.push(Kept { path: path.clone(), copy, sha256 });
    }
    write_whole(&directory.join(INDEX), &serde_json::to_vec_pretty(&index)?)
}

fn restore(directory: &Path) -> Result<()> {
    let index = read_index(directory).map_err(|error| unreadable(directory, error))?;
    let mut edits = Vec::new();
    for kept in index.files {
        let doing = || format!("putting {} back", kept.path.display());
        let copy = directory.join(&kept.copy);
        let former = fs::read(&copy).map_err(|error| {
            Error::failed(format!("{}: reading {}", doing(), copy.display())).because(error)
        })?;
        if hex(&Sha256::digest(&former)) != kept.sha256 {
            return Err(Error::failed(format!(
                "{}: the copy {} is not what was kept",
                doing(),
                copy.display()
            )));
        }
        let present =
            fs::read(&kept.path).map_err(|error| Error::failed(doing()).because(error))?;
        if present == former {
            continue;
        }
        keep_replaced(directory, &kept.copy, &present).map_err(|error| {
            Error::failed(format!("{}: keeping what stands in it now", doing())).because(error)
        })?;
        edits.push(Edit {
            path: kept.path,
            before: present,
            after: former,
            description: Vec::new(),
        });
    }
    rewrite::apply(&edits)
}

/// Under a name of its own, unless the same is there already.
fn keep_replaced(directory: &Path, copy: &str, content: &[u8]) -> io::Result<()> {
    for number in 0.. {
        let path = directory.join(format!("{copy}.replaced-{number}"));
        match fs::read(&path) {
            Ok(there) if there == content => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return write_whole(&path, content);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_index(directory: &Path) -> io::Result<Index> {
    match fs::read(directory.join(INDEX)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
        Err(error) => Err(error),
    }
}

fn unreadable(directory: &Path, error: io::Error) -> Error {
    Error::failed(format!("reading what is kept of the project's files in {}", directory.display()))
        .because(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| {
        Err(Error::failed("working on the project's files broke down").because(broken))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &Path, before: &str, after: &str) -> Edit {
        let (path, description) = (path.to_owned(), Vec::new());
        Edit { path, before: before.into(), after: after.into(), description }
    }

    #[tokio::test]
    async fn files_come_back_byte_for_byte_and_what_replaced_them_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let env = dir.path().join(".env");
        fs::write(&env, "A=1\r\n").unwrap();
        let former = FormerFiles::new(dir.path().join("runs"));
        former.keep("r-1", &[edit(&env, "A=1\r\n", "A=2\r\n")]).await.unwrap();
        // A second time, as after a crash: the first content counts.
        former.keep("r-1", &[edit(&env, "A=2\r\n", "A=3\r\n")]).await.unwrap();
        fs::write(&env, "A=2\r\nB=mine\r\n").unwrap();
        former.restore("r-1").await.unwrap();
        assert_eq!(fs::read_to_string(&env).unwrap(), "A=1\r\n");
        let replaced = dir.path().join("runs/r-1/files/0.replaced-0");
        assert_eq!(fs::read_to_string(replaced).unwrap(), "A=2\r\nB=mine\r\n");
        former.restore("r-1").await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_that_is_damaged_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let env = dir.path().join(".env");
        fs::write(&env, "A=1").unwrap();
        let former = FormerFiles::new(dir.path().join("runs"));
        former.keep("r-1", &[edit(&env, "A=1", "A=2")]).await.unwrap();
        fs::write(&env, "A=2").unwrap();
        fs::write(dir.path().join("runs/r-1/files/0"), "A=0").unwrap();
        assert!(former.restore("r-1").await.unwrap_err().message.contains("not what was kept"));
        assert_eq!(fs::read_to_string(&env).unwrap(), "A=2");
    }

    #[tokio::test]
    async fn a_run_without_files_has_none_to_put_back_and_no_run_leads_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let former = FormerFiles::new(dir.path().to_owned());
        former.restore("r-1").await.unwrap();
        assert!(former.restore("../r-1").await.is_err());
        assert!(former.restore("").await.is_err());
    }
}
