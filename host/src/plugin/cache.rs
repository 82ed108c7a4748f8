//! Compiled components, kept between runs.
//!
//! A compiled component is machine code: loading a foreign one is arbitrary execution.
//! Only what this user's own runs have put there is taken: the directory and its files are
//! this user's alone, and each file is sealed with a key that nobody else can read.

mod directory;
mod key;

use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;

use directory::{Directory, Existing};
use key::{Key, SEAL_BYTES, Subject};

/// Of the files in the cache; those of another are not found.
const FORMAT: u32 = 3;

pub(super) struct Cache {
    /// Absent: nothing is kept.
    store: Option<Store>,
}

struct Store {
    directory: Directory,
    key: Key,
}

impl Cache {
    /// A directory that is not this user's alone is not used: a cache is a convenience.
    pub(super) fn open(directory: Option<PathBuf>) -> Self {
        Self { store: directory.and_then(|directory| Store::open(&directory).ok()) }
    }

    /// The compiled form of a component, if it is kept, whole, and of our own making. What
    /// is there and is not is removed.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Vec<u8>> {
        let store = self.store.as_ref()?;
        let subject = subject(engine, digest);
        let read = store.read(&subject);
        if read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            // The next one to be written takes its place in any case.
            let _ = store.directory.remove(&name(&subject));
        }
        read.ok()
    }

    /// # Errors
    /// The cache could not be written; nothing depends on it.
    pub(super) fn put(&self, engine: &Engine, digest: &str, code: &[u8]) -> io::Result<()> {
        let Some(Store { directory, key }) = &self.store else { return Ok(()) };
        let subject = subject(engine, digest);
        let seal = key.seal(&subject, code);
        directory.write(&name(&subject), &[seal.as_bytes(), code], Existing::Replaced)
    }
}

impl Store {
    fn open(directory: &Path) -> io::Result<Self> {
        let directory = Directory::open(directory)?;
        let key = Key::of(&directory)?;
        Ok(Self { directory, key })
    }

    fn read(&self, subject: &Subject<'_>) -> io::Result<Vec<u8>> {
        let mut file = self.directory.read(&name(subject))?;
        let mut seal = [0; SEAL_BYTES];
        file.read_exact(&mut seal)?;
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        if self.key.seal(subject, &code) == seal {
            Ok(code)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what was written"))
        }
    }
}

fn subject<'a>(engine: &Engine, digest: &'a str) -> Subject<'a> {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    FORMAT.hash(&mut hasher);
    Subject { engine: hasher.finish(), digest }
}

fn name(subject: &Subject<'_>) -> String {
    let Subject { engine, digest } = subject;
    format!("{digest}-{engine:016x}.cwasm")
}

#[cfg(test)]
mod tests;
