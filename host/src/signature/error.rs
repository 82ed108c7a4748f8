//! What may be wrong with a signature, and with a key.

use std::io;
use std::path::PathBuf;

/// Why a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no signature {path}")]
    Missing { path: PathBuf },
    #[error("reading the signature {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("what stands beside it is no signature: {0}")]
    NotASignature(&'static str),
    #[error("it was made with the key {id}, which is not known here")]
    UnknownKey { id: String },
    /// The key is a known one.
    #[error(
        "it does not fit, as if it were forged: the file or the signature was changed after it \
         was signed with the key {id}, or signed with another one"
    )]
    Forged { id: String },
}

impl Error {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "get the signature from whoever made the file: FILE.minisig, beside FILE"
            }
            Self::Read { .. } => "check that the file may be read",
            Self::NotASignature(_) | Self::Forged { .. } => {
                "use neither: get the file and its signature anew from whoever made them"
            }
            Self::UnknownKey { .. } => {
                "where you trust its owner, the public key belongs into the configuration, \
                 under [trust]"
            }
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Of the text, as much as tells nothing if it is a secret key.
    #[error("{text:?} is no public key of minisign")]
    NotAPublicKey { text: String },
    #[error("{path} is no secret key of minisign")]
    NotASecretKey { path: PathBuf },
    #[error("the secret key {path} needs a password")]
    Encrypted { path: PathBuf },
    #[error("the password does not open the secret key {path}, or the file is damaged")]
    NotOpened { path: PathBuf },
    #[error("{path} is there already, and no key is ever overwritten")]
    Exists { path: PathBuf },
    #[error("{doing} {path}")]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{doing} failed")]
    Failed {
        doing: &'static str,
        #[source]
        source: minisign::PError,
    },
}
