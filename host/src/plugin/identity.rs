//! Whether a plugin is the one that the operator has looked at, and who made it.

use super::lock::Lock;
use super::{Error, Result, Source};
use crate::signature::{self, PublicKey};

/// What has to be known of a plugin before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// What is known must not be contradicted: neither the pin, nor the signature.
    NothingAgainst,
    /// It has to be pinned, and signed by a known key.
    EverythingFor,
}

/// What plugins are measured by.
#[derive(Debug, Clone)]
pub struct Trust {
    pub lock: Lock,
    pub keys: Vec<PublicKey>,
    pub demand: Demand,
}

/// A plugin and its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// It comes with the program, and nobody has pinned another one of its name.
    PartOfProgram,
    Yes,
    No,
    /// Another digest is pinned.
    Other(String),
}

/// A plugin's file and its signature.
#[derive(Debug)]
pub enum Signed {
    PartOfProgram,
    /// With this key, which is known.
    By(String),
    Not(signature::Error),
}

impl Trust {
    /// What the signature beside the plugin's file is worth; `bytes` are what was read of it.
    pub fn signed(&self, source: &Source, bytes: &[u8]) -> Signed {
        let Source::File(path) = source else { return Signed::PartOfProgram };
        let signature = signature::read(&signature::beside(path));
        let key = signature.and_then(|text| signature::verify(bytes, &text, &self.keys));
        key.map_or_else(Signed::Not, |key| Signed::By(key.id()))
    }

    pub fn pinned(&self, source: &Source, name: &str, digest: &str) -> Pinned {
        match (self.lock.get(name), source) {
            (Some(pin), _) if pin.sha256 == digest => Pinned::Yes,
            (Some(pin), _) => Pinned::Other(pin.sha256.clone()),
            (None, Source::Bundled(_)) => Pinned::PartOfProgram,
            (None, Source::File(_)) => Pinned::No,
        }
    }

    /// # Errors
    /// `Signature`. Where there are no keys that anything could be held against, only what
    /// is demanded counts.
    pub fn check_signature(&self, source: &Source, signed: Signed) -> Result<()> {
        use signature::Error as E;
        let Signed::Not(why) = signed else { return Ok(()) };
        let is_against = match why {
            E::Missing { .. } | E::UnknownKey { .. } => false,
            E::Read { .. } | E::NotASignature(_) | E::Forged { .. } => !self.keys.is_empty(),
        };
        if is_against || self.demand == Demand::EverythingFor {
            return Err(Error::Signature { plugin: source.label(), source: why });
        }
        Ok(())
    }

    /// `name` is the one that the plugin describes itself by.
    ///
    /// # Errors
    /// `OtherDigest`, `NotPinned`.
    pub fn check_pin(&self, source: &Source, name: &str, digest: &str) -> Result<()> {
        let (plugin, from) = (name.to_owned(), source.as_named());
        match self.pinned(source, name, digest) {
            Pinned::Other(pinned) => {
                Err(Error::OtherDigest { plugin, from, pinned, found: digest.to_owned() })
            }
            Pinned::No if self.demand == Demand::EverythingFor => {
                Err(Error::NotPinned { plugin, from })
            }
            Pinned::No | Pinned::Yes | Pinned::PartOfProgram => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plugin::lock::Pin;
    use crate::signature::{KeyFile, keygen};

    const BUNDLED: Source = Source::Bundled("compose");

    /// A plugin's file, signed, and what its signature is measured by.
    struct Bench {
        dir: tempfile::TempDir,
        source: Source,
        key: PublicKey,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("p.wasm");
            std::fs::write(&file, b"plugin").unwrap();
            let secret = dir.path().join("key");
            let key = keygen(&secret, None).unwrap().public;
            let secret = KeyFile::read(&secret).unwrap().open(None).unwrap();
            let signature = secret.sign(b"plugin", "").unwrap();
            std::fs::write(signature::beside(&file), signature).unwrap();
            Self { dir, source: Source::File(file), key }
        }

        fn other_key(&self) -> PublicKey {
            keygen(&self.dir.path().join("other"), None).unwrap().public
        }

        fn signature(&self) -> std::path::PathBuf {
            self.dir.path().join("p.wasm.minisig")
        }

        fn check(&self, keys: &[PublicKey], bytes: &[u8], demand: Demand) -> Result<()> {
            let trust = Trust { lock: Lock::default(), keys: keys.to_vec(), demand };
            trust.check_signature(&self.source, trust.signed(&self.source, bytes))
        }

        fn refusals(&self, keys: &[PublicKey], bytes: &[u8]) -> [bool; 2] {
            [Demand::NothingAgainst, Demand::EverythingFor]
                .map(|demand| self.check(keys, bytes, demand).is_err())
        }
    }

    #[test]
    fn a_signature_by_a_known_key_is_taken() {
        let bench = Bench::new();
        let keys = [bench.other_key(), bench.key.clone()];
        assert_eq!(bench.refusals(&keys, b"plugin"), [false, false]);
    }

    #[test]
    fn a_file_that_does_not_fit_its_signature_is_always_refused() {
        let bench = Bench::new();
        let keys = [bench.key.clone()];
        assert_eq!(bench.refusals(&keys, b"plugiN"), [true, true]);
        let text = bench.check(&keys, b"plugiN", Demand::NothingAgainst).unwrap_err();
        assert!(matches!(text, Error::Signature { source: signature::Error::Forged { .. }, .. }));
    }

    #[test]
    fn what_is_no_signature_is_refused_where_there_are_keys() {
        let bench = Bench::new();
        std::fs::write(bench.signature(), "").unwrap();
        assert_eq!(bench.refusals(std::slice::from_ref(&bench.key), b"plugin"), [true, true]);
        assert_eq!(bench.refusals(&[], b"plugin"), [false, true]);
        std::fs::remove_file(bench.signature()).unwrap();
        std::fs::create_dir(bench.signature()).unwrap();
        assert_eq!(bench.refusals(std::slice::from_ref(&bench.key), b"plugin"), [true, true]);
    }

    #[test]
    fn an_unknown_key_and_no_signature_are_refused_only_where_all_is_demanded() {
        let bench = Bench::new();
        assert_eq!(bench.refusals(&[bench.other_key()], b"plugin"), [false, true]);
        assert_eq!(bench.refusals(&[], b"plugin"), [false, true]);
        std::fs::remove_file(bench.signature()).unwrap();
        assert_eq!(bench.refusals(std::slice::from_ref(&bench.key), b"plugin"), [false, true]);
    }

    #[test]
    fn what_comes_with_the_program_needs_no_signature_and_no_pin() {
        let demand = Demand::EverythingFor;
        let trust = Trust { lock: Lock::default(), keys: vec![], demand };
        assert!(trust.check_signature(&BUNDLED, trust.signed(&BUNDLED, b"x")).is_ok());
        assert!(trust.check_pin(&BUNDLED, "compose", "d").is_ok());
    }

    #[test]
    fn a_pin_holds_for_its_digest_only() {
        let mut lock = Lock::default();
        let pin = |text: &str| Pin { sha256: text.to_owned(), size: 1, version: String::new() };
        lock.pin("announce", pin("good"));
        lock.pin("compose", pin("good"));
        let file = Source::File(Path::new("/x/a.wasm").to_owned());
        for demand in [Demand::NothingAgainst, Demand::EverythingFor] {
            let trust = Trust { lock: lock.clone(), keys: vec![], demand };
            assert!(trust.check_pin(&file, "announce", "good").is_ok());
            let error = trust.check_pin(&file, "announce", "bad").unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::OtherDigest { .. }), "{text}");
            assert!(text.contains("good") && text.contains("bad"), "{text}");
            // Whoever has pinned a compose of their own does not want the program's.
            assert!(trust.check_pin(&BUNDLED, "compose", "bad").is_err());
            let is_refused = trust.check_pin(&file, "another", "good").is_err();
            assert_eq!(is_refused, demand == Demand::EverythingFor);
        }
    }
}
