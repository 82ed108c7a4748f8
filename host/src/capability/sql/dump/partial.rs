//! The files of a dump, from half to whole.

use std::fs::File;
use std::io::{self, Write};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use crate::capability::sql::manifest::{self, Manifest};

/// The dump while it is made.
pub(super) struct Partial {
    directory: Dir,
    label: String,
    is_encrypted: bool,
}

impl Partial {
    pub(super) fn new(directory: Dir, label: &str, is_encrypted: bool) -> Self {
        Self { directory, label: label.to_owned(), is_encrypted }
    }

    fn name(&self) -> String {
        format!("{}.partial", manifest::dump_name(&self.label, self.is_encrypted))
    }

    /// In place of one that an earlier run left.
    pub(super) fn create(&self) -> io::Result<File> {
        make_free(&self.directory, &self.name())?;
        Ok(self.directory.open_with(self.name(), &private())?.into_std())
    }

    pub(super) fn open(&self) -> io::Result<File> {
        Ok(self.directory.open(self.name())?.into_std())
    }

    /// Its room is needed; that it cannot be removed is no worse than that it is there.
    pub(super) fn remove(&self) {
        let _ = self.directory.remove_file(self.name());
    }

    /// The file first, then what declares it whole.
    pub(super) fn publish(self, manifest: &Manifest) -> io::Result<()> {
        let described = manifest::file_name(&self.label);
        make_free(&self.directory, &described)?;
        let name = manifest::dump_name(&self.label, self.is_encrypted);
        self.directory.rename(self.name(), &self.directory, name)?;
        sync(&self.directory)?;
        record(&self.directory, manifest)?;
        // A run that was killed just before this may have been told otherwise.
        make_free(&self.directory, &manifest::dump_name(&self.label, !self.is_encrypted))
    }
}

/// The manifest is complete on disk under its name, or it is as it was.
pub(super) fn record(directory: &Dir, manifest: &Manifest) -> io::Result<()> {
    let described = manifest::file_name(&manifest.label);
    let draft = format!("{described}.partial");
    make_free(directory, &draft)?;
    let mut file = directory.open_with(&draft, &private())?.into_std();
    serde_json::to_writer_pretty(&mut file, manifest)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    directory.rename(&draft, directory, &described)?;
    sync(directory)
}

fn make_free(directory: &Dir, name: &str) -> io::Result<()> {
    match directory.remove_file(name) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn sync(directory: &Dir) -> io::Result<()> {
    directory.open(".")?.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}
