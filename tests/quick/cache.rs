//! Compiled components are kept between runs, and only what this user's runs wrote is taken.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tessallite_up::engine::Nothing;
use tessallite_up::plugin::{Caller, Compiler, Limits, Runtime, Source};

use crate::guide;

/// Two plugins and a cache that has both. Whoever gets the second when asking for the first
/// has been given what somebody put into the cache.
struct Kept {
    dir: tempfile::TempDir,
    announce: PathBuf,
    of_announce: PathBuf,
    of_hostile: PathBuf,
}

impl Kept {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (announce, hostile) =
            (guide::build("plugins/examples/announce"), guide::build("tests/hostile"));
        let cache = dir.path().join("cache");
        assert_eq!(load(&cache, &announce).await, "announce");
        let [of_announce] = &compiled(&cache)[..] else { panic!("nothing was kept") };
        let of_announce = of_announce.clone();
        assert_eq!(load(&cache, &hostile).await, "hostile");
        let is_other = |path: &PathBuf| *path != of_announce;
        let of_hostile = compiled(&cache).into_iter().find(is_other).unwrap();
        Self { dir, announce, of_announce, of_hostile }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// Loads the first plugin; whether its compiled form was taken from the cache, or
    /// written to it.
    async fn is_taken(&self) -> bool {
        let file = || fs::symlink_metadata(&self.of_announce).map(|meta| meta.ino());
        // Held, so that the number is not given to another one.
        let held = fs::File::open(&self.of_announce).unwrap();
        let before = file().unwrap();
        assert_eq!(load(&self.cache(), &self.announce).await, "announce");
        drop(held);
        file().unwrap() == before
    }
}

/// The name that it gives itself.
async fn load(cache: &Path, plugin: &Path) -> String {
    let cache = Some(cache.to_owned());
    let runtime = Runtime::new(cache, Limits::default(), Compiler::InProcess).unwrap();
    let component = runtime.load(&Source::File(plugin.to_owned())).await.unwrap();
    let caller = Caller { services: None, conduct: Arc::new(Nothing), run: String::new() };
    component.describe(&caller).await.unwrap().name
}

fn compiled(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|ending| ending == "cwasm")).collect()
}

#[tokio::test]
async fn the_second_load_takes_the_compiled_form() {
    let kept = Kept::new().await;
    assert!(kept.is_taken().await);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept.cache()), 0o700);
    assert_eq!(mode(&kept.of_announce), 0o600);
}

#[tokio::test]
async fn the_code_of_another_plugin_is_not_taken() {
    let kept = Kept::new().await;
    fs::copy(&kept.of_hostile, &kept.of_announce).unwrap();
    assert!(!kept.is_taken().await);
    assert!(kept.is_taken().await, "the new one is kept");
}

#[tokio::test]
async fn a_crafted_file_is_not_taken() {
    let kept = Kept::new().await;
    // The seal is what the file begins with; the code behind it is as good as any.
    let sealed = fs::read(&kept.of_hostile).unwrap();
    for seal in [&[0; 32][..], &fs::read(&kept.of_announce).unwrap()[..32], b""] {
        fs::write(&kept.of_announce, [seal, &sealed[32..]].concat()).unwrap();
        assert!(!kept.is_taken().await);
    }
}

#[tokio::test]
async fn a_file_that_others_may_have_written_is_compiled_anew() {
    let kept = Kept::new().await;
    fs::set_permissions(&kept.of_announce, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(!kept.is_taken().await);
    // Only root can give a file away; others have seen the rest of the rule above.
    if std::os::unix::fs::chown(&kept.of_announce, Some(65_534), None).is_ok() {
        assert!(!kept.is_taken().await);
    }
}

#[tokio::test]
async fn a_damaged_file_is_compiled_anew() {
    let kept = Kept::new().await;
    let bytes = fs::read(&kept.of_announce).unwrap();
    fs::write(&kept.of_announce, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!kept.is_taken().await);
}

#[tokio::test]
async fn without_the_key_all_are_compiled_anew() {
    let kept = Kept::new().await;
    fs::remove_file(kept.cache().join("key")).unwrap();
    assert!(!kept.is_taken().await);
    assert!(kept.is_taken().await, "the new one is kept");
}
