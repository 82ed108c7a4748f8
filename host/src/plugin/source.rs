//! Where a plugin comes from.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BUNDLED, Error, Result};
use crate::text::hex;

/// A component as it is in its file.
pub struct Binary {
    pub bytes: Cow<'static, [u8]>,
    /// SHA-256, in hexadecimal.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Bundled(&'static str),
}

impl Source {
    /// A path, else the name of an installed plugin, else that of a bundled one; `name`
    /// and `name.wasm` mean the same.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn find(text: &str, installed: &Path) -> Result<Self> {
        let path = Path::new(text);
        let is_path = text.contains('/') || path.is_file();
        if is_path {
            return Ok(Self::File(path.to_owned()));
        }
        let name = text.strip_suffix(".wasm").unwrap_or(text);
        let file = installed.join(format!("{name}.wasm"));
        if file.is_file() {
            return Ok(Self::File(file));
        }
        match BUNDLED.iter().find(|bundled| bundled.name == name) {
            Some(bundled) => Ok(Self::Bundled(bundled.name)),
            None => Err(Error::NotFound {
                name: text.to_owned(),
                installed: installed.display().to_string(),
            }),
        }
    }

    /// For messages.
    pub fn label(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bundled(name) => format!("{name} (bundled)"),
        }
    }

    /// For a command line.
    pub fn as_named(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bundled(name) => (*name).to_owned(),
        }
    }

    /// # Errors
    /// `Read`, `TooLarge`.
    pub fn read(&self, limit: u64) -> Result<Binary> {
        match self {
            Self::File(path) => {
                let bytes = read_limited(path, limit, &self.label())?;
                let digest = hex(&Sha256::digest(&bytes));
                Ok(Binary { bytes: Cow::Owned(bytes), digest })
            }
            Self::Bundled(name) => {
                let not_found = || Error::NotFound {
                    name: (*name).to_owned(),
                    installed: String::from("no directory"),
                };
                let bundled = BUNDLED.iter().find(|bundled| bundled.name == *name);
                let bundled = bundled.ok_or_else(not_found)?;
                let bytes = Cow::Borrowed(bundled.component);
                Ok(Binary { bytes, digest: bundled.digest.to_owned() })
            }
        }
    }
}

fn read_limited(path: &Path, limit: u64, plugin: &str) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    let read = bytes.len() as u64;
    if read > limit {
        return Err(Error::TooLarge { plugin: plugin.to_owned(), bytes: read, limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundled_name_goes_with_and_without_its_ending() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(Source::find("compose", nowhere).unwrap(), Source::Bundled("compose"));
        assert_eq!(Source::find("compose.wasm", nowhere).unwrap(), Source::Bundled("compose"));
        assert!(Source::find("compos", nowhere).is_err());
    }

    #[test]
    fn an_installed_plugin_comes_before_a_bundled_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("compose.wasm");
        std::fs::write(&file, b"x").unwrap();
        assert_eq!(Source::find("compose", dir.path()).unwrap(), Source::File(file));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("large.wasm");
        std::fs::write(&file, [0; 11]).unwrap();
        assert!(matches!(Source::File(file.clone()).read(10), Err(Error::TooLarge { .. })));
        assert_eq!(Source::File(file).read(11).unwrap().bytes.len(), 11);
    }
}
