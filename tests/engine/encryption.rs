//! Backups that are encrypted: only the identity opens them, and nothing is made that it
//! does not open.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use serde_json::Value;
use tempfile::TempDir;
use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::{Installation, Outcome, Program, Template};

use crate::way_back::assert_as_before;

struct Key {
    identity: Identity,
    directory: TempDir,
}

impl Key {
    fn new() -> Self {
        let key = Self { identity: Identity::generate(), directory: tempfile::tempdir().unwrap() };
        fs::write(key.path(), key.identity.to_string().expose_secret()).unwrap();
        key
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("key.txt")
    }

    fn opens(&self, program: Program) -> Program {
        program.env("TESSALLITE_UP_IDENTITY", self.path())
    }

    fn closes(&self, program: Program) -> Program {
        program.env("TESSALLITE_UP_RECIPIENT", self.identity.to_public().to_string())
    }
}

fn run(installation: &Installation, args: &[&str], key: &Key) -> Outcome {
    key.opens(installation.program(args)).run()
}

fn backups(installation: &Installation) -> PathBuf {
    installation.path(STATE).join("backups")
}

fn manifest(installation: &Installation, label: &str) -> Value {
    let path = backups(installation).join(format!("{label}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// As age and zstd do it.
fn opened(file: &Path, key: &Key) -> Vec<u8> {
    let decryptor = age::Decryptor::new(File::open(file).unwrap()).unwrap();
    let mut packed = Vec::new();
    let identity: &dyn age::Identity = &key.identity;
    decryptor.decrypt([identity].into_iter()).unwrap().read_to_end(&mut packed).unwrap();
    zstd::decode_all(&packed[..]).unwrap()
}

#[test]
fn an_encrypted_backup_comes_back_and_age_alone_opens_it() {
    let installation = Installation::borrow(Template::Variable);
    let key = Key::new();
    let create = installation.program(["backup", "create", "--label", "one"]);
    key.opens(key.closes(create)).run().code(0).says("one.dump.zst.age");
    let file = backups(&installation).join("one.dump.zst.age");
    assert!(fs::read(&file).unwrap().starts_with(b"age-encryption.org/v1"));
    assert!(!backups(&installation).join("one.dump.zst").exists(), "it is there in clear, too");
    assert_eq!(manifest(&installation, "one")["verified"]["how"], "quick");
    assert!(opened(&file, &key).starts_with(b"PGDMP"), "it is no archive of pg_dump");
    run(&installation, &["backup", "verify", "--full"], &key).code(0).says("restored and compared");
    run(&installation, &["backup", "list"], &key).code(0).says("encrypted, ");
    installation.query("DELETE FROM tess_system.users; CREATE TABLE public.came (a int)");
    run(&installation, &["backup", "restore", "one", "--yes"], &key).code(0);
    assert_as_before(&installation);
}

#[test]
fn what_cannot_be_opened_here_is_told_at_once_and_is_no_damage() {
    let installation = Installation::borrow(Template::Variable);
    let (key, other) = (Key::new(), Key::new());
    let create = || installation.program(["backup", "create", "--label", "one"]);
    key.closes(create()).run().code(2).says("no identity that opens them").says("--identity");
    other.opens(key.closes(create())).run().code(2).says("does not open");
    let nonsense = create().env("TESSALLITE_UP_RECIPIENT", "age1nonsense");
    nonsense.run().code(2).says("age1nonsense").says("is no age recipient");
    let upgrade = installation.program(["--yes", "--to", "1.5.0"]);
    key.closes(upgrade).run().code(3).says("no identity that opens them");
    installation.assert_same_state();

    key.opens(key.closes(create())).run().code(0);
    installation.run(&["backup", "verify"]).code(3).says("no identity that opens them");
    run(&installation, &["backup", "verify"], &other).code(3).says("does not open the backup");
    assert_eq!(manifest(&installation, "one")["verified"]["how"], "quick");
    let create = key.opens(create()).run();
    create.code(3).says("is there already, encrypted");
    let file = backups(&installation).join("one.dump.zst.age");
    let mut content = fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&file, content).unwrap();
    run(&installation, &["backup", "verify"], &key).code(3).says("damaged");
    assert_eq!(manifest(&installation, "one")["verified"], Value::Null);
    fs::remove_dir_all(installation.path(STATE)).unwrap();
    installation.assert_untouched();
}

#[test]
fn a_rollback_opens_the_backup_that_it_needs() {
    let installation = Installation::borrow(Template::Variable);
    let key = Key::new();
    let config = format!(
        "[backup]\nrecipients = [\"{}\"]\nidentity = \"{}\"\n",
        key.identity.to_public(),
        key.path().display()
    );
    fs::write(installation.path("tessallite-up.toml"), config).unwrap();
    let wanted = ["--to", "1.5.0-halfway", "--timeout", "30", "--soak", "1"];
    let outcome = installation.upgrade(&wanted);
    fs::remove_file(installation.path("tessallite-up.toml")).unwrap();
    outcome.code(5).says(".dump.zst.age");
    assert_as_before(&installation);
    let there = fs::read_dir(backups(&installation)).unwrap();
    let names: Vec<_> = there.map(|entry| entry.unwrap().file_name()).collect();
    let dumps =
        names.iter().filter_map(|name| name.to_str()).filter(|name| !name.ends_with(".json"));
    let dumps: Vec<_> = dumps.collect();
    assert_eq!(dumps.len(), 2, "the backup, and the safety dump: {names:?}");
    assert!(dumps.iter().all(|name| name.ends_with(".dump.zst.age")), "{names:?}");
}
