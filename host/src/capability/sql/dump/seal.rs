//! Encryption of backups with age: to the recipients that the operator names, and only
//! where an identity at hand opens what they close.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::stream::{StreamReader, StreamWriter};
use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile};

use crate::capability::error::{Error, Result};

/// What opens an encrypted backup.
pub(super) type Identities = Arc<Vec<Box<dyn Identity + Send + Sync>>>;

/// Whom backups are encrypted to, and what opens them here.
#[derive(Clone, Default)]
pub struct Seal {
    recipients: Vec<Recipient>,
    identity: Option<PathBuf>,
}

impl Seal {
    /// `recipients` are age's own (`age1…`); none leaves backups as they are. `identity` is
    /// the path of a file of identities, as age-keygen writes it, read when one is needed.
    ///
    /// Errors: `Invalid` for what is no recipient.
    pub fn new(recipients: &[String], identity: Option<PathBuf>) -> Result<Self> {
        let read = |text: &String| {
            text.parse::<Recipient>().map_err(|why| {
                Error::invalid(format!("{text:?} is no age recipient: {why}"))
                    .hint("age-keygen prints one: \"public key: age1…\"")
            })
        };
        let recipients = recipients.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { recipients, identity })
    }

    pub(super) fn is_on(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// The identities, where backups are to be encrypted: a backup that nobody here can read
    /// proves nothing, and no rollback could use it.
    ///
    /// Errors: `Invalid` where there is none, or none opens what the recipients close.
    pub(super) fn proven(&self) -> Result<Option<Identities>> {
        if !self.is_on() {
            return Ok(None);
        }
        let identities = self.identities()?;
        let opened = sample(&self.recipients, &identities);
        opened.map(|()| Some(identities)).map_err(|why| {
            Error::invalid("the identity does not open what the recipients of backups close")
                .because(why)
                .hint(
                    "name the recipient that belongs to the identity beside the others: a backup \
                     that cannot be read back here could not be restored by a rollback",
                )
        })
    }

    /// Errors: `Invalid` where none is configured, or its file is not one.
    pub(super) fn identities(&self) -> Result<Identities> {
        let path = self.identity.as_deref().ok_or_else(|| {
            Error::invalid("backups are encrypted, and no identity that opens them is named")
                .hint("--identity FILE, or identity = \"FILE\" under [backup] in the configuration")
        })?;
        read_identities(path).map(Arc::new).map_err(|why| {
            Error::invalid(format!("reading the age identity {}", path.display()))
                .because(why)
                .hint("a file as age-keygen writes it, without a passphrase")
        })
    }

    /// Encrypts what is written, where there are recipients.
    pub(super) fn close<W: Write>(&self, sink: W) -> io::Result<Closing<W>> {
        if !self.is_on() {
            return Ok(Closing::Plain(sink));
        }
        closing(&self.recipients, sink).map(Closing::Encrypted)
    }
}

fn closing<W: Write>(recipients: &[Recipient], sink: W) -> io::Result<StreamWriter<W>> {
    let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(sink)
}

fn read_identities(path: &Path) -> io::Result<Vec<Box<dyn Identity + Send + Sync>>> {
    let file = IdentityFile::from_buffer(BufReader::new(File::open(path)?))?;
    let identities = file.into_identities().map_err(io::Error::other)?;
    match identities.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "there is no identity in it")),
        false => Ok(identities),
    }
}

fn sample(recipients: &[Recipient], identities: &Identities) -> io::Result<()> {
    let mut closed = Vec::new();
    closing(recipients, &mut closed)?.finish()?;
    let mut opened = Opened::new(closed.as_slice(), Some(identities))?;
    io::copy(&mut opened, &mut io::sink()).map(|_| ())
}

/// On its way to the file.
pub(super) enum Closing<W: Write> {
    Plain(W),
    Encrypted(StreamWriter<W>),
}

impl<W: Write> Closing<W> {
    /// Without it, what was encrypted has no end, and is not opened again.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(sink) => Ok(sink),
            Self::Encrypted(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Closing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sink) => sink.write(buf),
            Self::Encrypted(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

/// Whether one of the identities is meant to open it. What is no encrypted file at all is
/// told by reading it.
pub(super) fn is_for(file: File, identities: &Identities) -> bool {
    let Ok(decryptor) = Decryptor::new(BufReader::new(file)) else { return true };
    let identities = identities.iter().map(|identity| &**identity as &dyn Identity);
    !matches!(decryptor.decrypt(identities), Err(DecryptError::NoMatchingKeys))
}

/// On its way out of the file.
pub(super) enum Opened<R: Read> {
    Plain(R),
    Encrypted(StreamReader<R>),
}

impl<R: Read> Opened<R> {
    /// With `identities`, the source is an encrypted one.
    pub(super) fn new(source: R, identities: Option<&Identities>) -> io::Result<Self> {
        let Some(identities) = identities else { return Ok(Self::Plain(source)) };
        let identities = identities.iter().map(|identity| &**identity as &dyn Identity);
        let decryptor = Decryptor::new(source).map_err(io::Error::other)?;
        decryptor.decrypt(identities).map(Self::Encrypted).map_err(io::Error::other)
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buf),
            Self::Encrypted(stream) => stream.read(buf),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use age::secrecy::ExposeSecret;
    use age::x25519;

    use super::*;

    /// A key of its own, and the directory with its file.
    pub(in super::super) fn seal() -> (Seal, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let key = x25519::Identity::generate();
        let path = directory.path().join("key.txt");
        std::fs::write(&path, key.to_string().expose_secret()).unwrap();
        let seal = Seal::new(&[key.to_public().to_string()], Some(path)).unwrap();
        (seal, directory)
    }

    fn refused(seal: &Seal) -> Error {
        seal.proven().err().expect("it is refused")
    }

    #[test]
    fn what_one_closes_only_its_identity_opens() {
        let (seal, _held) = seal();
        let mut closing = seal.close(Vec::new()).unwrap();
        closing.write_all(b"rows").unwrap();
        let closed = closing.finish().unwrap();
        assert!(!closed.windows(4).any(|part| part == b"rows"));
        let identities = seal.proven().unwrap().unwrap();
        let mut text = String::new();
        Opened::new(&closed[..], Some(&identities)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "rows");
        let (other, _held) = super::tests::seal();
        let others = other.identities().unwrap();
        assert!(Opened::new(&closed[..], Some(&others)).is_err());
    }

    #[test]
    fn recipients_that_nothing_here_opens_are_refused() {
        let (mine, _held) = seal();
        let (theirs, _also_held) = seal();
        let nobody = Seal { identity: None, ..mine.clone() };
        assert!(refused(&nobody).advice().unwrap().contains("--identity"));
        let wrong = Seal { identity: theirs.identity.clone(), ..mine.clone() };
        assert!(refused(&wrong).message.contains("does not open"));
        let gone = Seal { identity: Some("/nowhere/key.txt".into()), ..mine.clone() };
        assert!(refused(&gone).message.contains("/nowhere/key.txt"));
        let both = [&mine.recipients[..], &theirs.recipients[..]].concat();
        let both = Seal { recipients: both, ..mine };
        assert!(both.proven().unwrap().is_some());
    }

    #[test]
    fn what_is_no_recipient_is_named() {
        let error = Seal::new(&["age1nonsense".to_owned()], None).err().unwrap();
        assert!(error.message.contains("age1nonsense"), "{error:?}");
        assert!(Seal::new(&[], None).unwrap().proven().unwrap().is_none());
    }

    #[test]
    fn a_file_without_an_identity_is_none() {
        let held = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(held.path(), "# nothing\n").unwrap();
        assert!(read_identities(held.path()).is_err());
    }

    #[test]
    fn an_encrypted_file_without_its_end_is_not_whole() {
        let (seal, _held) = seal();
        let mut closing = seal.close(Vec::new()).unwrap();
        closing.write_all(&[7; 200_000]).unwrap();
        let closed = closing.finish().unwrap();
        let identities = seal.proven().unwrap().unwrap();
        let mut all = Vec::new();
        let cut = &closed[..closed.len() - 1];
        assert!(Opened::new(cut, Some(&identities)).unwrap().read_to_end(&mut all).is_err());
    }
}
