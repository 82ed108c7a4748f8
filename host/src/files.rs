//! Files that are complete under their name, or not there.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Only this user may read what was written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o600)
}

/// As [`write_whole`], for everybody whom the user's mask does not keep out.
pub fn write_whole_for_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o666)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // The parent of a mere name is empty.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    File::open(directory)?.sync_all()
}

/// `None` for a file of more bytes than that; the rest of it is not read.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_for_whom_it_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        write_whole(&own, b"a").unwrap();
        write_whole_for_all(&shared, b"b").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&own), 0o600);
        assert_ne!(mode(&shared) & 0o040, 0, "{:o}", mode(&shared));
        write_whole(&own, b"other").unwrap();
        assert_eq!(std::fs::read(&own).unwrap(), b"other");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_over_the_limit_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [7; 11]).unwrap();
        assert_eq!(read_limited(&path, 10).unwrap(), None);
        assert_eq!(read_limited(&path, 11).unwrap(), Some(vec![7; 11]));
        // Without an end.
        assert_eq!(read_limited(Path::new("/dev/zero"), 10).unwrap(), None);
    }
}
