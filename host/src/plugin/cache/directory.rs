//! A directory that is this user's alone, and the files in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

/// What others must not be able to do with it.
const FOREIGN_WRITE: u32 = 0o022;
const FOREIGN_ALL: u32 = 0o077;

/// It was looked at once and is held open: nobody can put another one in its place.
pub(super) struct Directory(OwnedFd);

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replaced,
    /// The new one is given up, with `AlreadyExists`.
    Kept,
}

impl Directory {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        check_ours(&directory, FOREIGN_WRITE)?;
        Ok(Self(directory.into()))
    }

    /// A file that nobody else can have written.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.open_file(name, FOREIGN_WRITE)
    }

    /// A file that nobody else can read either.
    pub(super) fn read_secret(&self, name: &str) -> io::Result<File> {
        self.open_file(name, FOREIGN_ALL)
    }

    fn open_file(&self, name: &str, foreign: u32) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
        }
        check_ours(&file, foreign)?;
        Ok(file)
    }

    /// The file is complete on disk under its name, or it is not there.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]], existing: Existing) -> io::Result<()> {
        let mut noise = [0; 8];
        fill_randomly(&mut noise)?;
        let draft = format!("{name}.{:016x}", u64::from_le_bytes(noise));
        let outcome =
            self.write_draft(&draft, parts).and_then(|()| self.publish(&draft, name, existing));
        if outcome.is_err() || existing == Existing::Kept {
            let _ = self.remove(&draft);
        }
        outcome
    }

    fn write_draft(&self, draft: &str, parts: &[&[u8]]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.0, draft, flags, mode)?);
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()
    }

    /// A link is not made where there is something, and a file that is renamed replaces it.
    fn publish(&self, draft: &str, name: &str, existing: Existing) -> io::Result<()> {
        let at = &self.0;
        match existing {
            Existing::Replaced => rustix::fs::renameat(at, draft, at, name)?,
            Existing::Kept => rustix::fs::linkat(at, draft, at, name, AtFlags::empty())?,
        }
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }
}

fn check_ours(file: &File, foreign: u32) -> io::Result<()> {
    let meta = file.metadata()?;
    if meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & foreign == 0 {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not this user's alone"))
    }
}

/// From the system.
pub(super) fn fill_randomly(bytes: &mut [u8]) -> io::Result<()> {
    use rustix::rand::{GetRandomFlags, getrandom};
    let wanted = bytes.len();
    match getrandom(bytes, GetRandomFlags::empty())? {
        given if given == wanted => Ok(()),
        _ => Err(io::Error::other("the system has given too little randomness")),
    }
}
