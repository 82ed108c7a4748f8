//! Secret keys: making them, and signing with them.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{KeyPair, SecretKeyBox};

use super::{KeyError, MOST_BYTES, PublicKey, with_ending};
use crate::files::read_limited;

type Result<T, E = KeyError> = std::result::Result<T, E>;

const COMMENT: &str = "minisign secret key, made by tessallite-up";

/// A pair of keys that was just made.
pub struct NewKey {
    /// The file with the public key, beside that of the secret one.
    pub public_file: PathBuf,
    pub public: PublicKey,
    /// The public key as it stands in a configuration.
    pub line: String,
}

/// Makes a pair of keys: the secret one in this file, which only this user may read, the
/// public one beside it, as `FILE.pub`. Without a password, whoever reads the file can sign.
///
/// # Errors
/// `Exists` where one of the files is there already; `File`, `Failed`.
pub fn keygen(path: &Path, password: Option<String>) -> Result<NewKey> {
    let failed = |source| KeyError::Failed { doing: "making a key", source };
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let KeyPair { pk, sk } = pair.map_err(failed)?;
    let line = pk.to_base64();
    let public = PublicKey::parse(&line)?;
    let public_file = with_ending(path, ".pub");
    create(path, 0o600, &sk.to_box(Some(COMMENT)).map_err(failed)?.into_string())?;
    let text = pk.to_box().map_err(failed)?.into_string();
    create(&public_file, 0o644, &text).inspect_err(|_| {
        // Half a pair is none.
        let _ = fs::remove_file(path);
    })?;
    Ok(NewKey { public_file, public, line })
}

/// What is there is not overwritten: a key that is lost has signed for the last time.
fn create(path: &Path, mode: u32, text: &str) -> Result<()> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
        _ => KeyError::File { doing: "writing the key", path: path.to_owned(), source },
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        let _ = fs::remove_file(path);
        failed(source)
    })
}

/// Of what a secret key is made of, the end.
const CHECKSUM_BYTES: usize = 32;

/// The file of a secret key, read; most are encrypted.
pub struct KeyFile {
    path: PathBuf,
    text: String,
    /// As it is in the file.
    key: minisign::SecretKey,
    has_checksum: bool,
}

impl KeyFile {
    /// # Errors
    /// `File`, `NotASecretKey`.
    pub fn read(path: &Path) -> Result<Self> {
        let failed =
            |source| KeyError::File { doing: "reading the key", path: path.to_owned(), source };
        let not_one = || KeyError::NotASecretKey { path: path.to_owned() };
        let bytes = read_limited(path, MOST_BYTES).map_err(failed)?.ok_or_else(not_one)?;
        let text = String::from_utf8(bytes).map_err(|_| not_one())?;
        let line = text.lines().nth(1).ok_or_else(not_one)?;
        let bytes = STANDARD.decode(line).map_err(|_| not_one())?;
        let key = minisign::SecretKey::from_bytes(&bytes).map_err(|_| not_one())?;
        let has_checksum = bytes.iter().rev().take(CHECKSUM_BYTES).any(|byte| *byte != 0);
        Ok(Self { path: path.to_owned(), text, key, has_checksum })
    }

    pub fn is_encrypted(&self) -> bool {
        self.key.is_encrypted()
    }

    /// `password` counts only where the key is encrypted.
    ///
    /// # Errors
    /// `Encrypted` without a password that is needed; `NotOpened`.
    pub fn open(self, password: Option<String>) -> Result<SecretKey> {
        let is_encrypted = self.is_encrypted();
        let Self { path, text, key, has_checksum } = self;
        let closed = SecretKeyBox::from(text);
        let opened = match (is_encrypted, password) {
            // Without one, the crate would ask on standard output.
            (true, None) => return Err(KeyError::Encrypted { path }),
            (true, Some(password)) => closed.into_secret_key(Some(password)),
            (false, _) if has_checksum => closed.into_unencrypted_secret_key(),
            // The program minisign writes none where there is no password.
            (false, _) => Ok(key),
        };
        opened.map(SecretKey).map_err(|_| KeyError::NotOpened { path })
    }
}

/// What signatures are made with.
pub struct SecretKey(minisign::SecretKey);

impl SecretKey {
    /// The signature of these bytes, as it stands in its file. What the comment says is
    /// signed as well.
    ///
    /// # Errors
    /// `Failed`.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String> {
        // A line's end would end the comment; what is around it is not always kept.
        let comment = comment.replace(['\n', '\r'], " ");
        let signed =
            minisign::sign(None, &self.0, bytes, Some(comment.trim()), Some("tessallite-up"));
        let failed = |source| KeyError::Failed { doing: "signing", source };
        Ok(signed.map_err(failed)?.into_string())
    }
}

/// That of minisign prints the key.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}
