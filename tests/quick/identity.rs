//! `plugin lock`, `keygen`, `sign` and `verify`, and what a run makes of pins and signatures.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tessallite_up_tests::{Outcome, Program, guide};

/// A custom section of a component: another file, the same plugin.
const MORE: [u8; 4] = [0, 2, 1, b'x'];

/// A directory of an operator, with the example plugin in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let built = guide::build("plugins/examples/announce");
        fs::copy(built, place.path("announce.wasm")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn program(&self, args: &str) -> Program {
        Program::new(self.0.path()).args(args.split_whitespace())
    }

    fn run(&self, args: &str) -> Outcome {
        self.program(args).run()
    }

    /// What a run makes of the plugin; it ends before it looks for an engine.
    fn plan(&self) -> Outcome {
        self.run("plan --to 1.5.0 --plugin compose --plugin ./announce.wasm")
    }

    fn change(&self) {
        let path = self.path("announce.wasm");
        let bytes = [&fs::read(&path).unwrap(), &MORE[..]].concat();
        fs::write(path, bytes).unwrap();
    }

    /// A key without a password, known to the operator or not.
    fn keygen(&self, name: &str, is_known: bool) {
        self.run(&format!("plugin keygen --no-password --out {name}")).code(0);
        if is_known {
            let public = self.read(&format!("{name}.pub"));
            let line = public.lines().last().unwrap();
            let config = format!("[trust]\nplugin-keys = [{line:?}]\n");
            fs::write(self.path("tessallite-up.toml"), config).unwrap();
        }
    }

    fn sign(&self, key: &str) {
        self.run(&format!("plugin sign --key {key} ./announce.wasm")).code(0);
    }

    fn inspect(&self) -> Value {
        let outcome = self.run("plugin inspect ./announce.wasm --output json");
        serde_json::from_str(&outcome.code(0).stdout).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_pinned_plugin_that_changes_is_refused_until_it_is_pinned_anew() {
    let place = Place::new();
    let pinned = place.run("plugin lock ./announce.wasm");
    pinned.code(0).says("announce 0.1.0: pinned, sha256:").says("tessallite-up.lock");
    place.run("plugin lock ./announce.wasm").code(0).says("pinned already").never_says("Written");
    assert!(place.read("tessallite-up.lock").contains("[plugins.announce]\nsha256 = \""));
    place.run("plugin verify ./announce.wasm").code(0).says("pinned yes").says("signed no");
    assert_eq!(place.inspect()["pin"]["state"], "pinned");
    place.change();
    for outcome in [place.plan(), place.run("plugin verify ./announce.wasm")] {
        outcome
            .code(4)
            .says("announce is not the one that was pinned")
            .says("tessallite-up plugin lock ./announce.wasm");
    }
    assert_eq!(place.inspect()["pin"]["state"], "other");
    place.run("plugin lock ./announce.wasm").code(0).says("announce 0.1.0: pinned anew").says("→");
    place.run("plugin verify ./announce.wasm").code(0);
}

#[test]
fn by_default_the_plugins_of_the_configuration_are_pinned() {
    let place = Place::new();
    let config = "plugin = [\"compose\", \"./announce.wasm\"]\n";
    fs::write(place.path("tessallite-up.toml"), config).unwrap();
    let outcome = place.run("plugin lock");
    outcome.code(0).says("compose 0.1.0: comes with the program").says("announce 0.1.0: pinned");
    let lock = place.read("tessallite-up.lock");
    assert!(!lock.contains("compose"), "{lock}");
    let again = place.run("plugin lock --output json");
    let changes = again.code(0).stdout.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["change"].as_str().unwrap().to_owned()
    });
    assert_eq!(changes.collect::<Vec<_>>(), ["not-needed", "same"]);
}

#[test]
fn a_lock_file_that_is_damaged_is_an_error() {
    let place = Place::new();
    place.run("plugin lock ./announce.wasm").code(0);
    for damaged in ["", "[plugins.announce]\nsha256 = \"00\"\nsize = 1\nversion = \"1\"\n"] {
        fs::write(place.path("tessallite-up.lock"), damaged).unwrap();
        place.plan().code(2).says("reading the pins of plugins in");
        place.run("plugin lock ./announce.wasm").code(2);
        assert_eq!(place.read("tessallite-up.lock"), damaged);
    }
}

#[test]
fn a_signature_by_a_known_key_vouches_for_the_plugin() {
    let place = Place::new();
    let unknown = place.run("plugin verify ./announce.wasm");
    unknown.code(4).says("neither pinned nor signed by a known key");
    assert_eq!(place.inspect()["signature"]["state"], "none");
    place.keygen("vendor.key", false);
    assert_eq!(mode(&place.path("vendor.key")), 0o600);
    place.sign("vendor.key");
    place.run("plugin verify ./announce.wasm").code(4).says("which is not known here");
    place.run("plugin keygen --no-password --out vendor.key").code(2).says("there already");
    let public = place.read("vendor.key.pub");
    let config = format!("[trust]\nplugin-keys = [{:?}]", public.lines().last().unwrap());
    fs::write(place.path("tessallite-up.toml"), config).unwrap();
    place.run("plugin verify ./announce.wasm").code(0).says("signed by the key");
    let signature = place.inspect()["signature"].clone();
    assert_eq!(signature["state"], "valid");
    assert!(public.contains(signature["key"].as_str().unwrap()), "{public}");
}

#[test]
fn a_forged_plugin_is_always_refused() {
    let place = Place::new();
    place.keygen("vendor.key", true);
    place.sign("vendor.key");
    place.change();
    assert_eq!(place.inspect()["signature"]["state"], "forged");
    for outcome in [
        place.plan(),
        place.run("plugin verify ./announce.wasm"),
        place.run("plugin lock ./announce.wasm"),
    ] {
        outcome.code(4).says("the signature of the plugin").says("as if it were forged");
    }
    fs::write(place.path("announce.wasm.minisig"), "").unwrap();
    place.plan().code(4).says("no signature");
}

#[test]
fn a_strangers_signature_is_shown_and_counts_for_nothing() {
    let place = Place::new();
    place.keygen("vendor.key", true);
    place.keygen("stranger.key", false);
    place.sign("stranger.key");
    assert_eq!(place.inspect()["signature"]["state"], "unknown-key");
    place.run("plugin verify ./announce.wasm").code(4).says("neither pinned nor signed");
    place.run("plugin lock ./announce.wasm").code(0);
    place.run("plugin verify ./announce.wasm").code(0).says("which is not known here");
}

#[test]
fn a_key_in_the_configuration_that_is_none_is_named() {
    let place = Place::new();
    fs::write(place.path("tessallite-up.toml"), "[trust]\nplugin-keys = [\"RWQx\"]").unwrap();
    place.plan().code(2).says("plugin-keys under [trust]: \"RWQx\" is no public key");
}

#[test]
fn inspect_tells_the_version_of_the_contract() {
    let place = Place::new();
    assert_eq!(place.inspect()["contract"], "0.1.0");
    place.run("plugin inspect ./announce.wasm").code(0).says("contract 0.1.0").says("pinned no");
    let bundled = place.run("plugin inspect compose");
    bundled.code(0).says("needs no pin: it comes with the program");
    place.run("plugin verify compose").code(0);
    place.keygen("vendor.key", false);
    place.run("plugin sign --key vendor.key compose").code(2).says("needs no signature");
}

#[test]
fn a_password_comes_from_a_file_or_from_a_terminal() {
    let place = Place::new();
    fs::write(place.path("password"), "from a file\n").unwrap();
    fs::write(place.path("other"), "another one\n").unwrap();
    place.run("plugin keygen --out a.key").code(2).says("no terminal").says("--no-password");
    assert!(!place.path("a.key").exists());
    place.run("plugin keygen --out a.key --password-file password").code(0);
    let sign = "plugin sign ./announce.wasm --key";
    place.run(&format!("{sign} a.key")).code(2).says("no terminal");
    let wrong = place.run(&format!("{sign} a.key --password-file other"));
    wrong.code(2).says("does not open the secret key");
    place.run(&format!("{sign} a.key --password-file password")).code(0);

    let mut terminal = place.program("plugin keygen --out b.key").on_terminal();
    terminal.wait_for("Password for the secret key: ");
    terminal.type_line("typed");
    terminal.wait_for("Once more: ");
    terminal.type_line("typed");
    assert_eq!(terminal.finish().0, Some(0));
    let mut terminal = place.program(&format!("{sign} b.key")).on_terminal();
    terminal.wait_for("Password of b.key: ");
    terminal.type_line("typed");
    assert_eq!(terminal.finish().0, Some(0));
}
