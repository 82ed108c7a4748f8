//! Compiled components, kept between runs.
//!
//! A compiled component is machine code: loading a foreign one is arbitrary execution.
//! Only files are taken that this user wrote into a directory of its own.

use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;

/// Of the files in the cache; those of another are not found.
const FORMAT: u32 = 2;
/// Not writable by others, and owned by this user.
const FOREIGN_WRITE: u32 = 0o022;
/// CRC-32, little-endian, before the code: it tells damage. Against other people's files
/// stand the owner and the mode.
const CHECKSUM_BYTES: usize = 4;

pub(super) struct Cache {
    /// Absent: nothing is kept.
    directory: Option<PathBuf>,
}

impl Cache {
    /// A directory that cannot be made private is not used: a cache is a convenience.
    pub(super) fn open(directory: Option<PathBuf>) -> Self {
        let directory = directory.filter(|directory| {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.is_ok() && fs::symlink_metadata(directory).is_ok_and(|meta| is_ours(&meta))
        });
        Self { directory }
    }

    /// The compiled form of a component, if it is kept and whole.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(engine, digest)?;
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .ok()?;
        if !file.metadata().is_ok_and(|meta| meta.is_file() && is_ours(&meta)) {
            return None;
        }
        read_whole(file).ok().flatten()
    }

    /// # Errors
    /// The cache could not be written; nothing depends on it.
    pub(super) fn put(&self, engine: &Engine, digest: &str, compiled: &[u8]) -> io::Result<()> {
        let Some(path) = self.path(engine, digest) else { return Ok(()) };
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&crc32fast::hash(compiled).to_le_bytes())?;
        file.write_all(compiled)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|failed| failed.error)
    }

    fn path(&self, engine: &Engine, digest: &str) -> Option<PathBuf> {
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        FORMAT.hash(&mut hasher);
        let name = format!("{digest}-{:016x}.cwasm", hasher.finish());
        Some(self.directory.as_ref()?.join(name))
    }
}

fn is_ours(meta: &fs::Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & FOREIGN_WRITE == 0
}

/// `None` for a file that was cut off or damaged.
fn read_whole(mut file: File) -> io::Result<Option<Vec<u8>>> {
    let mut checksum = [0; CHECKSUM_BYTES];
    file.read_exact(&mut checksum)?;
    let mut compiled = Vec::new();
    file.read_to_end(&mut compiled)?;
    Ok((crc32fast::hash(&compiled).to_le_bytes() == checksum).then_some(compiled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn cache() -> (tempfile::TempDir, Cache, Engine) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(dir.path().join("components")));
        (dir, cache, Engine::default())
    }

    #[test]
    fn what_was_put_comes_back() {
        let (_dir, cache, engine) = cache();
        assert_eq!(cache.get(&engine, "d"), None);
        cache.put(&engine, "d", b"code").unwrap();
        assert_eq!(cache.get(&engine, "d").as_deref(), Some(&b"code"[..]));
    }

    #[test]
    fn a_damaged_file_is_not_taken() {
        let (_dir, cache, engine) = cache();
        cache.put(&engine, "d", b"code").unwrap();
        let path = cache.path(&engine, "d").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get(&engine, "d"), None);
    }

    #[test]
    fn a_file_that_others_may_write_is_not_taken() {
        let (_dir, cache, engine) = cache();
        cache.put(&engine, "d", b"code").unwrap();
        let path = cache.path(&engine, "d").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(cache.get(&engine, "d"), None);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (dir, cache, engine) = cache();
        cache.put(&engine, "d", b"code").unwrap();
        let path = cache.path(&engine, "d").unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(cache.get(&engine, "d"), None);
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(Some(dir.path().to_owned())).directory.is_none());
    }
}
