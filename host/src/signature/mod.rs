//! Detached signatures of files, in the format of minisign: made, and verified.
//!
//! Signatures are verified with `minisign-verify`, which takes no part of a file on trust;
//! `minisign`, which makes them, breaks down where the last line of one is too short.

mod error;
mod public;
mod secret;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use error::{Error, KeyError, Result};
pub use public::PublicKey;
pub use secret::{KeyFile, NewKey, SecretKey, keygen};

use crate::files::read_limited;

/// No signature and no key has more.
const MOST_BYTES: u64 = 4096;
/// The algorithm of signatures: of a digest of the file, as minisign has made them since 0.10.
const PREHASHED: &[u8] = b"ED";

/// Where the signature of a file stands.
pub fn beside(file: &Path) -> PathBuf {
    with_ending(file, ".minisig")
}

/// Reads the file of a signature.
///
/// # Errors
/// `Missing`, `Read`; `NotASignature` where there is too much of it, or no text.
pub fn read(path: &Path) -> Result<String> {
    match read_limited(path, MOST_BYTES) {
        Ok(Some(bytes)) => {
            String::from_utf8(bytes).map_err(|_| Error::NotASignature("it is no text"))
        }
        Ok(None) => Err(Error::NotASignature("it is longer than any")),
        Err(source) if source.kind() == ErrorKind::NotFound => {
            Err(Error::Missing { path: path.to_owned() })
        }
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

/// The ID of the key that a signature says it was made with, as minisign prints it.
pub fn key_id(signature: &str) -> Option<String> {
    let (_, id) = signature.lines().nth(1).and_then(public::head)?;
    Some(public::printed(id))
}

/// Finds the key that has signed these bytes.
///
/// # Errors
/// `NotASignature`, `UnknownKey`, `Forged`.
pub fn verify<'k>(bytes: &[u8], signature: &str, keys: &'k [PublicKey]) -> Result<&'k PublicKey> {
    let decoded = minisign_verify::Signature::decode(signature)
        .map_err(|_| Error::NotASignature("it has not the four lines of one"))?;
    let (algorithm, id) = signature
        .lines()
        .nth(1)
        .and_then(public::head)
        .ok_or(Error::NotASignature("it names no key"))?;
    if algorithm != PREHASHED {
        return Err(Error::NotASignature(
            "it was made in the old way: minisign -S -H makes it anew",
        ));
    }
    let mut known = keys.iter().filter(|key| key.has_id(id)).peekable();
    if known.peek().is_none() {
        return Err(Error::UnknownKey { id: public::printed(id) });
    }
    known
        .find(|key| key.fits(bytes, &decoded))
        .ok_or_else(|| Error::Forged { id: public::printed(id) })
}

/// Whatever ending the name has already, it stays.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests;
