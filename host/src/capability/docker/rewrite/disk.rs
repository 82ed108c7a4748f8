//! The edits on disk: each file replaced atomically, all of them or none.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, StatxAttributes, StatxFlags, Uid};
use rustix::io::Errno;

use crate::capability::error::{Error, Kind, Result};
use crate::confine;

use super::Edit;

/// Names that are tried for a temporary file.
const MOST_NAMES: u32 = 64;

/// Writes the edits. Each file must still be what it was when they were planned; one
/// that has its new content already is left alone. When a file cannot be written,
/// those before it are put back.
///
/// A symbolic link is followed: the file that it names is replaced. Permissions are kept,
/// the owner where that is allowed.
pub fn apply(edits: &[Edit]) -> Result<()> {
    let targets = edits.iter().map(Target::of).collect::<Result<Vec<_>>>()?;
    for target in &targets {
        target.check()?;
    }
    for (index, target) in targets.iter().enumerate() {
        if let Err(error) = target.write() {
            return Err(put_back(targets.get(..=index).unwrap_or_default(), error));
        }
    }
    Ok(())
}

/// Takes back what [`apply`] did. A file that has changed since is a `conflict`.
pub fn undo(edits: &[Edit]) -> Result<()> {
    let reversed: Vec<Edit> = edits
        .iter()
        .map(|edit| Edit { before: edit.after.clone(), after: edit.before.clone(), ..edit.clone() })
        .collect();
    apply(&reversed)
}

/// Checks that these files can be replaced, without changing anything.
pub fn writable(paths: &[PathBuf]) -> Result<()> {
    paths.iter().try_for_each(|path| {
        let (directory, name) = locate(path)?;
        may_write(&directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
            cannot("replacing", path, &errno.into()).because(io::Error::from(errno))
        })?;
        is_permitted(confine::status(), path, &directory)?;
        let file = directory.join(name);
        may_write(&file, Access::WRITE_OK).map_err(|errno| {
            cannot("writing", path, &errno.into()).because(io::Error::from(errno))
        })?;
        if is_mount_point(&file) {
            return Err(cannot("replacing", path, &Errno::BUSY.into()));
        }
        Ok(())
    })
}

/// The system's own check does not know how this process is confined.
pub(super) fn is_permitted(
    status: Option<&confine::Status>,
    path: &Path,
    directory: &Path,
) -> Result<()> {
    match status.filter(|status| !status.permits(directory)) {
        None => Ok(()),
        Some(status) => {
            let why = "this program has confined itself, and may not write there";
            let error = Error::failed(format!("replacing {} failed: {why}", path.display()));
            Err(error.hint(status.hint().unwrap_or_default()))
        }
    }
}

fn may_write(path: &Path, access: Access) -> Result<(), Errno> {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS)
}

/// Kernels before 5.8 do not tell: there, the write itself finds out.
fn is_mount_point(path: &Path) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
        .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The directory and the name of the file that the path leads to.
fn locate(path: &Path) -> Result<(PathBuf, OsString)> {
    let real = std::fs::canonicalize(path).map_err(|error| {
        let kind =
            if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Failed };
        Error::new(kind, format!("finding {} failed", path.display())).because(error)
    })?;
    match (real.parent(), real.file_name()) {
        (Some(parent), Some(name)) if real.is_file() => Ok((parent.to_owned(), name.to_owned())),
        _ => Err(Error::invalid(format!("{} is not a file", path.display()))),
    }
}

struct Target<'a> {
    edit: &'a Edit,
    directory: Dir,
    name: OsString,
}

impl<'a> Target<'a> {
    fn of(edit: &'a Edit) -> Result<Self> {
        let (parent, name) = locate(&edit.path)?;
        let directory = Dir::open_ambient_dir(&parent, ambient_authority()).map_err(|error| {
            Error::failed(format!("opening the directory {} failed", parent.display()))
                .because(error)
        })?;
        Ok(Self { edit, directory, name })
    }

    fn present(&self) -> Result<Vec<u8>> {
        self.directory.read(&self.name).map_err(|error| {
            Error::failed(format!("reading {} failed", self.edit.path.display())).because(error)
        })
    }

    /// Whether there is something to write.
    fn check(&self) -> Result<bool> {
        let present = self.present()?;
        if present == self.edit.after {
            return Ok(false);
        }
        if present != self.edit.before {
            return Err(Error::conflict(format!(
                "{} has changed since the edit was planned",
                self.edit.path.display()
            ))
            .hint("see who else changes it, and make a new plan"));
        }
        Ok(true)
    }

    fn write(&self) -> Result<()> {
        if !self.check()? {
            return Ok(());
        }
        self.replace(&self.edit.after)
    }

    fn replace(&self, bytes: &[u8]) -> Result<()> {
        let failed = |error: io::Error| cannot("replacing", &self.edit.path, &error).because(error);
        let (temporary, file) = self.temporary().map_err(failed)?;
        let written = self
            .fill(file, bytes)
            .and_then(|()| self.directory.rename(&temporary, &self.directory, &self.name));
        if let Err(error) = written {
            // What remains is an odd name beside the file; the first failure tells more.
            let _ = self.directory.remove_file(&temporary);
            return Err(failed(error));
        }
        self.flush_directory().map_err(failed)
    }

    fn temporary(&self) -> io::Result<(String, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut number = 0;
        loop {
            let name = format!(".tessallite-up.{}.{number}.tmp", std::process::id());
            match self.directory.open_with(&name, &options) {
                Ok(file) => return Ok((name, file)),
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_NAMES =>
                {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&self, mut file: File, bytes: &[u8]) -> io::Result<()> {
        let old = self.directory.metadata(&self.name)?;
        file.write_all(bytes)?;
        keep_owner(&file, &old);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(old.mode() & 0o7777))?;
        file.sync_all()
    }

    fn flush_directory(&self) -> io::Result<()> {
        self.directory.open(".")?.sync_all()
    }
}

/// Only root may give files away; for others the group alone is tried.
fn keep_owner(file: &File, old: &Metadata) {
    let (owner, group) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    if rustix::fs::fchown(file, Some(owner), Some(group)).is_err() {
        let _ = rustix::fs::fchown(file, None, Some(group));
    }
}

/// Gives the files their old content again, and says so in the error.
fn put_back(targets: &[Target<'_>], mut error: Error) -> Error {
    for target in targets {
        let path = target.edit.path.display();
        let is_written = target.present().is_ok_and(|bytes| bytes == target.edit.after);
        if !is_written || target.edit.before == target.edit.after {
            continue;
        }
        match target.replace(&target.edit.before) {
            Ok(()) => error.message.to_mut().push_str(&format!("; {path} was put back as it was")),
            Err(second) => error.message.to_mut().push_str(&format!(
                "; {path} could NOT be put back and has its new content: {}",
                second.full_text()
            )),
        }
    }
    error
}

/// What a failure to write means, and what to do about it.
fn cannot(doing: &str, path: &Path, error: &io::Error) -> Error {
    let (why, hint) = match Errno::from_io_error(error) {
        Some(Errno::ROFS) => ("it is on a read-only file system", "mount it read-write"),
        Some(Errno::ACCESS | Errno::PERM) => (
            "permission denied on the file or its directory",
            "run this as a user who may write both; look for `chattr +i` as well",
        ),
        Some(Errno::BUSY) => (
            "the file itself is a mount point, so it cannot be replaced atomically",
            "mount its directory instead of the file",
        ),
        Some(Errno::NOSPC | Errno::DQUOT) => ("no space is left", "free some space"),
        _ => return Error::failed(format!("{doing} {} failed", path.display())),
    };
    Error::failed(format!("{doing} {} failed: {why}", path.display())).hint(hint)
}
