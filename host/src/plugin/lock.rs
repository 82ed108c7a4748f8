//! The lock file: the digests of the plugins that an operator has looked at.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::files::write_whole_for_all;

const HEADING: &str = "\
# Written by tessallite-up plugin lock. A plugin whose file has another digest is refused.

";

/// Empty where there is no lock file. A file without the table is damaged, not empty.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// By the name that the plugin describes itself by. One that takes another name gets
    /// round its pin, and comes out without whatever was meant for the name that it had.
    plugins: BTreeMap<String, Pin>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// In lower-case hexadecimal.
    pub sha256: String,
    /// In bytes. For people, as the version is: the digest decides.
    pub size: u64,
    pub version: String,
}

impl Lock {
    /// # Errors
    /// `LockFile` for a file that cannot be read or is damaged.
    pub fn read_if_there(path: &Path) -> Result<Self> {
        let failed = |source| Error::LockFile { doing: "reading", path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error.into())),
        };
        let lock: Self = toml::from_str(&text).map_err(|error| failed(error.into()))?;
        match lock.plugins.iter().find(|(_, pin)| !is_digest(&pin.sha256)) {
            Some((name, _)) => Err(failed(format!("sha256 of {name:?} is no SHA-256").into())),
            None => Ok(lock),
        }
    }

    /// # Errors
    /// `LockFile`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |source| Error::LockFile { doing: "writing", path: path.to_owned(), source };
        let text = toml::to_string(self).map_err(|error| failed(error.into()))?;
        let text = format!("{HEADING}{text}");
        write_whole_for_all(path, text.as_bytes()).map_err(|error| failed(error.into()))
    }

    pub fn get(&self, name: &str) -> Option<&Pin> {
        self.plugins.get(name)
    }

    /// Returns the former pin.
    pub fn pin(&mut self, name: &str, pin: Pin) -> Option<Pin> {
        self.plugins.insert(name.to_owned(), pin)
    }

    /// Returns the former pin.
    pub fn unpin(&mut self, name: &str) -> Option<Pin> {
        self.plugins.remove(name)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(digit: &str) -> Pin {
        Pin { sha256: digit.repeat(64), size: 7, version: "1.0 \"x\"".to_owned() }
    }

    fn written(text: &str) -> Result<Lock> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, text).unwrap();
        Lock::read_if_there(&path)
    }

    #[test]
    fn what_is_written_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(Lock::read_if_there(&path).unwrap(), Lock::default());
        let mut lock = Lock::default();
        lock.write(&path).unwrap();
        assert_eq!(Lock::read_if_there(&path).unwrap(), lock);
        assert_eq!(lock.pin("announce", pin("a")), None);
        assert_eq!(lock.pin("two", pin("b")), None);
        assert_eq!(lock.pin("announce", pin("c")), Some(pin("a")));
        lock.write(&path).unwrap();
        assert_eq!(Lock::read_if_there(&path).unwrap(), lock);
        assert_eq!(lock.unpin("two"), Some(pin("b")));
        lock.write(&path).unwrap();
        let back = Lock::read_if_there(&path).unwrap();
        assert_eq!((back.get("announce"), back.get("two")), (Some(&pin("c")), None));
    }

    #[test]
    fn the_file_is_for_people_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut lock = Lock::default();
        lock.pin("announce", Pin { version: "0.1.0".to_owned(), ..pin("a") });
        lock.write(&path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let expected = format!(
            "[plugins.announce]\nsha256 = \"{}\"\nsize = 7\nversion = \"0.1.0\"\n",
            "a".repeat(64)
        );
        assert_eq!(text.strip_prefix(HEADING), Some(expected.as_str()));
    }

    #[test]
    fn a_damaged_file_is_not_no_lock() {
        let good = format!(
            "[plugins.announce]\nsha256 = \"{}\"\nsize = 7\nversion = \"0.1.0\"\n",
            "a".repeat(64)
        );
        assert!(written(&good).is_ok());
        for damaged in [
            String::new(),
            HEADING.to_owned(),
            good[..good.len() / 2].to_owned(),
            good.replace("size = 7\n", ""),
            good.replace("size = 7", "size = 7\nowner = \"x\""),
            good.replace("[plugins", "[plugin"),
            format!("{good}[other]\n"),
            good.replace("aaaa", "aaa"),
            good.replace('a', "A"),
            "\u{0}".to_owned(),
        ] {
            let error = written(&damaged).unwrap_err();
            assert!(matches!(error, Error::LockFile { .. }), "{damaged}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_damaged_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(Lock::read_if_there(&path), Err(Error::LockFile { .. })));
        assert!(matches!(Lock::read_if_there(dir.path()), Err(Error::LockFile { .. })));
    }
}
