//! Where dumps go, found out without writing anything.

use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use crate::capability::error::{Error, Result};
use crate::capability::sql::types::DumpTarget;

/// `mounts` are the directories that hold the database's volumes.
pub(super) fn look(directory: &Path, mounts: &[PathBuf]) -> Result<DumpTarget> {
    let doing = || format!("looking at the backup directory {}", directory.display());
    let directory =
        std::path::absolute(directory).map_err(|e| Error::invalid(doing()).because(e))?;
    if directory.components().any(|part| part == Component::ParentDir) {
        return Err(Error::invalid(format!("{}: it contains ..", doing())));
    }
    let (ancestor, missing) = nearest(&directory).map_err(|e| Error::failed(doing()).because(e))?;
    if !ancestor.is_dir() {
        return Err(Error::failed(format!(
            "{}: {} is not a directory",
            doing(),
            ancestor.display()
        ))
        .hint("choose another backup directory"));
    }
    let resolved =
        if missing.as_os_str().is_empty() { ancestor.clone() } else { ancestor.join(missing) };
    refuse_volumes(&resolved, mounts)?;
    let room = statvfs(&ancestor).map_err(|e| Error::failed(doing()).because(e))?;
    if room.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(unwritable(&ancestor, "the file system is mounted read-only"));
    }
    access(&ancestor, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|e| unwritable(&ancestor, &e.to_string()))?;
    Ok(DumpTarget { directory: resolved, free_bytes: room.f_bavail.saturating_mul(room.f_frsize) })
}

/// The nearest directory that is there, without links, and what is missing below it.
fn nearest(directory: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
    for ancestor in directory.ancestors() {
        match ancestor.canonicalize() {
            Ok(found) => {
                let missing = directory.strip_prefix(ancestor).unwrap_or(Path::new("")).to_owned();
                return Ok((found, missing));
            }
            // A link that leads nowhere is not a name that is free.
            Err(e)
                if e.kind() == std::io::ErrorKind::NotFound
                    && ancestor.symlink_metadata().is_err() => {}
            Err(e) => return Err(e),
        }
    }
    Err(std::io::ErrorKind::NotFound.into())
}

fn refuse_volumes(directory: &Path, mounts: &[PathBuf]) -> Result<()> {
    for mount in mounts {
        let mount = mount.canonicalize().unwrap_or_else(|_| mount.clone());
        if directory.starts_with(&mount) {
            return Err(Error::failed(format!(
                "the backup directory {} lies inside the database's own volume {}",
                directory.display(),
                mount.display()
            ))
            .hint("a backup there is lost together with the database: choose another directory"));
        }
    }
    Ok(())
}

fn unwritable(directory: &Path, why: &str) -> Error {
    Error::failed(format!("{} cannot be written: {why}", directory.display()))
        .hint("choose another backup directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_its_ancestor_and_not_made() {
        let held = tempfile::tempdir().unwrap();
        let wanted = held.path().join("a/b");
        let target = look(&wanted, &[]).unwrap();
        assert!(target.free_bytes > 0);
        assert!(!wanted.exists() && target.directory.ends_with("a/b"));
    }

    #[test]
    fn the_volume_of_the_database_is_no_place_for_its_backup() {
        let held = tempfile::tempdir().unwrap();
        let volume = held.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        std::os::unix::fs::symlink(&volume, held.path().join("link")).unwrap();
        let mounts = [volume.clone()];
        for inside in ["volume", "volume/backups", "link/backups"] {
            let error = look(&held.path().join(inside), &mounts).unwrap_err();
            assert!(error.message.contains("own volume"), "{}", error.message);
        }
        assert!(look(&held.path().join("volume-backups"), &mounts).is_ok());
    }

    #[test]
    fn files_links_to_nowhere_and_read_only_places_are_refused() {
        let held = tempfile::tempdir().unwrap();
        let file = held.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("nowhere", held.path().join("link")).unwrap();
        for path in [
            file.clone(),
            file.join("below"),
            held.path().join("link/a"),
            held.path().join("x/../y"),
        ] {
            assert!(look(&path, &[]).is_err(), "{}", path.display());
        }
    }
}
