//! Public keys: who is trusted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::Signature;

use super::KeyError;
use crate::text::{one_line, shortened};

/// So much of a secret key is no secret yet; a public key has less.
const MOST_SHOWN: usize = 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: [u8; 8],
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// Takes the line with the key (`RWQ…`), and the whole file too, where a comment stands
    /// before it.
    ///
    /// # Errors
    /// `NotAPublicKey`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let is_key = |line: &&str| !line.is_empty() && !line.starts_with("untrusted comment:");
        let mut lines = text.lines().map(str::trim).filter(is_key);
        let (line, more) = (lines.next().unwrap_or_default(), lines.next());
        let key = minisign_verify::PublicKey::from_base64(line).ok().filter(|_| more.is_none());
        match (key, head(line)) {
            (Some(key), Some((_, id))) => Ok(Self { id, key }),
            _ => Err(KeyError::NotAPublicKey { text: shortened(&one_line(line), MOST_SHOWN) }),
        }
    }

    /// As minisign prints it.
    pub fn id(&self) -> String {
        printed(self.id)
    }

    pub(super) fn has_id(&self, id: [u8; 8]) -> bool {
        self.id == id
    }

    pub(super) fn fits(&self, bytes: &[u8], signature: &Signature) -> bool {
        self.key.verify(bytes, signature, false).is_ok()
    }
}

/// What keys and signatures begin with: the algorithm, and the ID of the key.
pub(super) fn head(line: &str) -> Option<([u8; 2], [u8; 8])> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    Some((bytes.get(..2)?.try_into().ok()?, bytes.get(2..10)?.try_into().ok()?))
}

pub(super) fn printed(id: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(id))
}
