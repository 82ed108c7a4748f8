//! The key of a cache, and the seals that are made with it.

use std::io::{self, Read as _};

use super::directory::{Directory, Existing, fill_randomly};

const NAME: &str = "key";
const KEY_BYTES: usize = blake3::KEY_LEN;
pub(super) const SEAL_BYTES: usize = blake3::OUT_LEN;
/// Two processes that both find a bad key may remove each other's new one.
const ATTEMPTS: usize = 8;

pub(super) struct Key([u8; KEY_BYTES]);

/// What compiled code was compiled from, and for which engine.
pub(super) struct Subject<'a> {
    pub(super) engine: u64,
    pub(super) digest: &'a str,
}

impl Key {
    /// That of this directory. Where there is none, or one that others may know, a new one:
    /// whatever was sealed with another is void.
    pub(super) fn of(directory: &Directory) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            match Self::read(directory) {
                Ok(key) => return Ok(key),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    // Another process may have done so already.
                    let _ = directory.remove(NAME);
                }
            }
            let mut key = [0; KEY_BYTES];
            fill_randomly(&mut key)?;
            // Of several at once, one is first, and the others read its key.
            match directory.write(NAME, &[&key], Existing::Kept) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Err(io::Error::other("the key changes all the time"))
    }

    fn read(directory: &Directory) -> io::Result<Self> {
        let mut bytes = Vec::new();
        // One byte more than a key has tells that it is none.
        directory.read_secret(NAME)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let not_a_key = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no key");
        Ok(Self(bytes.try_into().map_err(not_a_key)?))
    }

    /// BLAKE3 in its keyed mode, over the subject and the code: it is several times as fast
    /// as HMAC-SHA256, and all of the code is sealed anew whenever it is loaded. Seals are
    /// compared in constant time.
    pub(super) fn seal(&self, subject: &Subject<'_>, code: &[u8]) -> blake3::Hash {
        let Subject { engine, digest } = subject;
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&engine.to_le_bytes());
        // Where the digest ends is a part of it.
        hasher.update(&(digest.len() as u64).to_le_bytes());
        hasher.update(digest.as_bytes());
        hasher.update(code);
        hasher.finalize()
    }
}
