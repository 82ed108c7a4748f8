use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const BYTES: &[u8] = b"the bytes of a plugin";

/// Made by minisign itself, of `test`.
const THEIR_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const THEIR_SIGNATURE: &str = "\
untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
";
const THEIR_OLD_SIGNATURE: &str = "\
untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

struct Pair {
    dir: tempfile::TempDir,
    made: NewKey,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = keygen(&dir.path().join("key"), None).unwrap();
        Self { dir, made }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    fn sign(&self, bytes: &[u8]) -> String {
        let secret = KeyFile::read(&self.file()).unwrap().open(None).unwrap();
        secret.sign(bytes, "timestamp:1\tfile:x").unwrap()
    }

    fn keys(&self) -> Vec<PublicKey> {
        vec![self.made.public.clone()]
    }
}

#[test]
fn a_signature_fits_its_bytes_and_names_its_key() {
    let (pair, other) = (Pair::new(), Pair::new());
    let keys = [other.keys(), pair.keys()].concat();
    let by = verify(BYTES, &pair.sign(BYTES), &keys).unwrap();
    assert_eq!(by, &pair.made.public);
    assert!(pair.sign(BYTES).contains("\ntrusted comment: timestamp:1\tfile:x\n"));
}

#[test]
fn what_minisign_has_signed_is_taken() {
    let key = PublicKey::parse(THEIR_KEY).unwrap();
    assert_eq!(key.id(), "E7620F1842B4E81F");
    let keys = [key];
    assert!(verify(b"test", THEIR_SIGNATURE, &keys).is_ok());
    let windows = THEIR_SIGNATURE.replace('\n', "\r\n");
    assert!(verify(b"test", &windows, &keys).is_ok());
    assert!(matches!(verify(b"Test", THEIR_SIGNATURE, &keys), Err(Error::Forged { .. })));
    let old = verify(b"test", THEIR_OLD_SIGNATURE, &keys).unwrap_err();
    assert!(matches!(old, Error::NotASignature(_)), "{old}");
}

#[test]
fn a_flipped_bit_of_the_file_is_noticed() {
    let pair = Pair::new();
    let signature = pair.sign(BYTES);
    for at in 0..BYTES.len() {
        let mut bytes = BYTES.to_vec();
        bytes[at] ^= 1;
        let error = verify(&bytes, &signature, &pair.keys()).unwrap_err();
        assert!(matches!(error, Error::Forged { ref id } if *id == pair.made.public.id()));
    }
}

/// All but the comment that nobody has signed.
#[test]
fn a_flipped_bit_of_the_signature_is_noticed() {
    let pair = Pair::new();
    let signature = pair.sign(BYTES);
    let begin = signature.find('\n').unwrap();
    for at in begin..signature.len() - 1 {
        let mut text = signature.clone().into_bytes();
        text[at] ^= 1;
        let text = String::from_utf8(text).unwrap();
        assert!(verify(BYTES, &text, &pair.keys()).is_err(), "byte {at} of {signature}");
    }
}

#[test]
fn a_signature_that_is_cut_off_is_none() {
    let pair = Pair::new();
    let signature = pair.sign(BYTES);
    let whole = signature.trim_end();
    for end in 0..whole.len() {
        let error = verify(BYTES, &whole[..end], &pair.keys()).unwrap_err();
        assert!(matches!(error, Error::NotASignature(_)), "{end}: {error}");
    }
    assert!(verify(BYTES, whole, &pair.keys()).is_ok());
}

#[test]
fn the_signature_of_another_file_does_not_fit() {
    let pair = Pair::new();
    let error = verify(BYTES, &pair.sign(b"another"), &pair.keys()).unwrap_err();
    assert!(matches!(error, Error::Forged { .. }), "{error}");
}

#[test]
fn an_unknown_key_is_named() {
    let (pair, other) = (Pair::new(), Pair::new());
    for keys in [other.keys(), vec![]] {
        let error = verify(BYTES, &pair.sign(BYTES), &keys).unwrap_err();
        assert!(matches!(error, Error::UnknownKey { ref id } if *id == pair.made.public.id()));
    }
}

/// The ID is not signed: whoever writes another one's gains nothing.
#[test]
fn a_borrowed_id_is_a_forgery() {
    let (pair, thief) = (Pair::new(), Pair::new());
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (mut stolen, honest) = (lines(&thief.sign(BYTES)), lines(&pair.sign(BYTES)));
    let decode = |text: &str| base64::Engine::decode(&ENGINE, text).unwrap();
    let mut bytes = decode(&stolen[1]);
    bytes[2..10].copy_from_slice(&decode(&honest[1])[2..10]);
    stolen[1] = base64::Engine::encode(&ENGINE, bytes);
    let error = verify(BYTES, &stolen.join("\n"), &pair.keys()).unwrap_err();
    assert!(matches!(error, Error::Forged { .. }), "{error}");
}

const ENGINE: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

#[test]
fn the_file_of_a_signature_is_read_up_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = beside(&dir.path().join("a.wasm"));
    assert_eq!(path.file_name().unwrap(), "a.wasm.minisig");
    assert!(matches!(read(&path), Err(Error::Missing { .. })));
    fs::write(&path, [0xff]).unwrap();
    assert!(matches!(read(&path), Err(Error::NotASignature(_))));
    fs::write(&path, "x".repeat(4097)).unwrap();
    assert!(matches!(read(&path), Err(Error::NotASignature(_))));
    fs::write(&path, "x".repeat(4096)).unwrap();
    assert_eq!(read(&path).unwrap().len(), 4096);
    assert!(matches!(read(Path::new("/dev/zero")), Err(Error::NotASignature(_))));
    assert!(matches!(read(dir.path()), Err(Error::Read { .. })));
}

#[test]
fn a_public_key_is_taken_as_its_line_and_as_its_file() {
    let pair = Pair::new();
    let text = fs::read_to_string(&pair.made.public_file).unwrap();
    assert!(text.contains(&pair.made.public.id()), "{text}");
    for text in [text, format!(" {}\n", pair.made.line)] {
        assert_eq!(PublicKey::parse(&text).unwrap(), pair.made.public);
    }
    let line = &pair.made.line;
    for text in ["", "RWQx", &line[1..], &format!("{line}\n{line}"), &format!("x\n{line}")] {
        let error = PublicKey::parse(text).unwrap_err();
        assert!(matches!(error, KeyError::NotAPublicKey { .. }), "{text}");
    }
}

#[test]
fn a_secret_key_in_the_wrong_place_is_not_shown() {
    let pair = Pair::new();
    let secret = fs::read_to_string(pair.file()).unwrap();
    let error = PublicKey::parse(&secret).unwrap_err().to_string();
    let line = secret.lines().nth(1).unwrap();
    assert!(error.contains(&line[..20]) && !error.contains(&line[60..80]), "{error}");
}

#[test]
fn a_secret_key_is_for_its_owner_and_is_never_overwritten() {
    let pair = Pair::new();
    assert_eq!(pair.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(pair.file()).unwrap();
    assert!(matches!(keygen(&pair.file(), None), Err(KeyError::Exists { .. })));
    assert_eq!(fs::read(pair.file()).unwrap(), before);
}

#[test]
fn half_a_pair_is_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(dir.path().join("key.pub"), "mine").unwrap();
    assert!(matches!(keygen(&path, None), Err(KeyError::Exists { .. })));
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(dir.path().join("key.pub")).unwrap(), "mine");
}

#[test]
fn a_key_with_a_password_opens_with_it_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let made = keygen(&path, Some("right".into())).unwrap();
    let read = || KeyFile::read(&path).unwrap();
    assert!(read().is_encrypted());
    assert!(matches!(read().open(None), Err(KeyError::Encrypted { .. })));
    let wrong = read().open(Some("wrong".into()));
    assert!(matches!(wrong, Err(KeyError::NotOpened { .. })));
    let signature = read().open(Some("right".into())).unwrap().sign(BYTES, "").unwrap();
    assert!(verify(BYTES, &signature, &[made.public]).is_ok());
}

#[test]
fn a_key_without_a_password_needs_none_and_must_be_whole() {
    let pair = Pair::new();
    assert!(!KeyFile::read(&pair.file()).unwrap().is_encrypted());
    let text = fs::read_to_string(pair.file()).unwrap();
    let at = text.len() - 20;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    fs::write(pair.file(), format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
    let damaged = KeyFile::read(&pair.file()).unwrap().open(None);
    assert!(matches!(damaged, Err(KeyError::NotOpened { .. })));
    for text in ["", "x", "x\ny", &text[..100], &pair.made.line, &"x".repeat(5000)] {
        fs::write(pair.file(), text).unwrap();
        assert!(matches!(KeyFile::read(&pair.file()), Err(KeyError::NotASecretKey { .. })));
    }
}

/// As `minisign -G -W` writes it: without a checksum.
#[test]
fn a_key_that_minisign_has_made_without_a_password_is_taken() {
    let pair = Pair::new();
    let text = fs::read_to_string(pair.file()).unwrap();
    let mut bytes = base64::Engine::decode(&ENGINE, text.lines().nth(1).unwrap()).unwrap();
    let end = bytes.len();
    bytes[end - 32..].fill(0);
    let line = base64::Engine::encode(&ENGINE, bytes);
    fs::write(pair.file(), format!("untrusted comment: x\n{line}\n")).unwrap();
    assert!(verify(BYTES, &pair.sign(BYTES), &pair.keys()).is_ok());
}

#[test]
fn no_debug_text_shows_a_secret_key() {
    let pair = Pair::new();
    let secret = KeyFile::read(&pair.file()).unwrap().open(None).unwrap();
    assert_eq!(format!("{secret:?}"), "SecretKey(…)");
}

#[test]
fn a_comment_cannot_end_its_line() {
    let pair = Pair::new();
    let secret = KeyFile::read(&pair.file()).unwrap().open(None).unwrap();
    let signature = secret.sign(BYTES, " a\nb\r\nc ").unwrap();
    assert!(signature.contains("\ntrusted comment: a b  c\n"), "{signature}");
    assert!(verify(BYTES, &signature, &pair.keys()).is_ok());
}
