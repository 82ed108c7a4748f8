use std::fs;
use std::path::PathBuf;

use super::*;
use crate::cli::args::Output;
use crate::cli::error::Failure;
use crate::plugin::{BUNDLED, Compiler, Limits, Runtime};
use crate::settings::{CONFIG_FILE, Flags, LOCK_FILE};
use crate::signature::beside;

/// A custom section, which means nothing.
const MORE: [u8; 4] = [0, 2, 1, b'x'];

/// A project, a file with the bundled plugin, and a key.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.plugin(), BUNDLED[0].component).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plugin(&self) -> PathBuf {
        self.path("p.wasm")
    }

    /// Another file, which is the same plugin.
    fn change(&self) {
        let bytes = [&fs::read(self.plugin()).unwrap(), &MORE[..]].concat();
        fs::write(self.plugin(), bytes).unwrap();
    }

    fn bench(&self) -> Bench {
        let project_dir = Some(self.0.path().to_owned());
        let settings = Settings::resolve(Flags { project_dir, ..Flags::default() }).unwrap();
        let runtime =
            Runtime::new(Some(self.path("cache")), Limits::default(), Compiler::InProcess).unwrap();
        let trust = load::trust(&settings).unwrap();
        Bench { settings, runtime, trust }
    }

    fn name(&self) -> String {
        self.plugin().display().to_string()
    }

    async fn lock(&self) -> Result<()> {
        lock::run(Output::Json, self.bench(), &[self.name()]).await
    }

    async fn verify(&self) -> Result<()> {
        verify::run(Output::Human, &self.bench(), &self.name()).await
    }

    async fn load(&self) -> Result<crate::engine::Link> {
        let bench = self.bench();
        load::link(&bench.runtime, &bench.trust, &bench.settings, &self.name()).await
    }

    fn keygen(&self, name: &str) -> String {
        let args = args::Keygen {
            out: self.path(name),
            password: args::Password { password_file: None },
            no_password: true,
        };
        keys::keygen(Output::Json, &args).unwrap();
        let public = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        public.lines().last().unwrap().to_owned()
    }

    fn sign(&self, key: &str) {
        let password = args::Password { password_file: None };
        let args = args::Sign { key: self.path(key), password, plugin: self.name() };
        keys::sign(Output::Human, &args).unwrap();
    }

    fn trust(&self, line: &str) {
        let config = format!("[trust]\nplugin-keys = [{line:?}]");
        fs::write(self.path(CONFIG_FILE), config).unwrap();
    }
}

fn denied<T>(outcome: Result<T>, text: &str) {
    let Err(Failure { code, text: said, .. }) = outcome else { panic!("{text}: it is taken") };
    assert_eq!(code, exit_code::DENIED, "{said}");
    assert!(said.contains(text), "{said}");
}

#[tokio::test]
async fn a_pinned_plugin_is_used_until_its_file_changes() {
    let place = Place::new();
    denied(place.verify().await, "neither pinned nor signed");
    place.load().await.unwrap();
    place.lock().await.unwrap();
    place.verify().await.unwrap();
    place.load().await.unwrap();
    place.change();
    denied(place.verify().await, "is not the one that was pinned");
    let refused = place.load().await.err().unwrap();
    assert!(refused.hint.as_ref().unwrap().contains(&place.name()), "{refused:?}");
    denied(Err::<(), _>(refused), "is not the one that was pinned");
    // As the refusal says.
    place.lock().await.unwrap();
    place.load().await.unwrap();
}

#[tokio::test]
async fn the_programs_own_plugin_needs_no_pin_and_loses_that_of_another() {
    let place = Place::new();
    let lock = async |named: &[String]| lock::run(Output::Human, place.bench(), named).await;
    lock(&[]).await.unwrap();
    assert!(!place.path(LOCK_FILE).exists());
    place.change();
    place.lock().await.unwrap();
    let bench = place.bench();
    denied(
        load::link(&bench.runtime, &bench.trust, &bench.settings, "compose").await,
        "was pinned",
    );
    lock(&["compose".to_owned()]).await.unwrap();
    let bench = place.bench();
    load::link(&bench.runtime, &bench.trust, &bench.settings, "compose").await.unwrap();
}

#[tokio::test]
async fn two_plugins_of_one_name_are_not_pinned() {
    let place = Place::new();
    fs::copy(place.plugin(), place.path("q.wasm")).unwrap();
    place.change();
    let named = [place.name(), place.path("q.wasm").display().to_string()];
    let refused = lock::run(Output::Human, place.bench(), &named).await.unwrap_err();
    assert_eq!(refused.code, exit_code::USAGE, "{refused:?}");
    assert!(!place.path(LOCK_FILE).exists());
}

#[tokio::test]
async fn a_signature_vouches_for_its_file() {
    let place = Place::new();
    let line = place.keygen("key");
    place.sign("key");
    // The key is not known yet.
    denied(place.verify().await, "neither pinned nor signed");
    place.load().await.unwrap();
    place.trust(&line);
    place.verify().await.unwrap();
    place.change();
    denied(place.verify().await, "not accepted");
    denied(place.load().await, "not accepted");
    denied(place.lock().await, "not accepted");
    place.sign("key");
    place.load().await.unwrap();
}

/// A file that was changed is refused for its signature, not for how it is damaged.
#[tokio::test]
async fn nothing_of_a_forged_plugin_is_compiled() {
    let place = Place::new();
    place.trust(&place.keygen("key"));
    place.sign("key");
    fs::write(place.plugin(), "no component").unwrap();
    denied(place.load().await, "not accepted");
    denied(place.verify().await, "not accepted");
}

#[tokio::test]
async fn a_signature_with_a_strangers_key_vouches_for_nothing() {
    let place = Place::new();
    place.trust(&place.keygen("key"));
    place.keygen("stranger");
    place.sign("stranger");
    denied(place.verify().await, "neither pinned nor signed");
    place.load().await.unwrap();
    fs::write(beside(&place.plugin()), "x").unwrap();
    denied(place.load().await, "not accepted");
}

#[test]
fn a_damaged_lock_file_stops_what_loads_plugins() {
    let place = Place::new();
    fs::write(place.path(LOCK_FILE), "[plugins").unwrap();
    let project_dir = Some(place.0.path().to_owned());
    let settings = Settings::resolve(Flags { project_dir, ..Flags::default() }).unwrap();
    assert_eq!(load::trust(&settings).unwrap_err().code, exit_code::USAGE);
}
