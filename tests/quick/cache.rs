//! Compiled components are kept between runs, and only what this user wrote is taken.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tessallite_up::engine::Nothing;
use tessallite_up::plugin::{Caller, Limits, Runtime, Source};

use crate::guide;

/// Two plugins and a cache in which the compiled form of the second stands under the name of
/// the first: whoever gets the second when asking for the first has read the cache.
struct Swapped {
    dir: tempfile::TempDir,
    announce: PathBuf,
    of_announce: PathBuf,
}

impl Swapped {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (announce, hostile) =
            (guide::build("plugins/examples/announce"), guide::build("tests/hostile"));
        let cache = dir.path().join("cache");
        load(&cache, &announce);
        let of_announce = only_file(&cache);
        load(&cache, &hostile);
        let is_other = |path: &PathBuf| *path != of_announce;
        let of_hostile = files(&cache).into_iter().find(is_other).unwrap();
        fs::copy(of_hostile, &of_announce).unwrap();
        Self { dir, announce, of_announce }
    }

    async fn name(&self) -> String {
        let runtime = Runtime::new(Some(self.dir.path().join("cache")), Limits::default()).unwrap();
        let component = runtime.load(&Source::File(self.announce.clone())).unwrap();
        let caller = Caller { services: None, conduct: Arc::new(Nothing), run: String::new() };
        component.describe(&caller).await.unwrap().name
    }
}

fn load(cache: &Path, plugin: &Path) {
    let runtime = Runtime::new(Some(cache.to_owned()), Limits::default()).unwrap();
    runtime.load(&Source::File(plugin.to_owned())).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files = files(dir);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[tokio::test]
async fn the_second_load_takes_the_compiled_form() {
    let swapped = Swapped::new();
    assert_eq!(swapped.name().await, "hostile");
    let cache = swapped.of_announce.parent().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cache), 0o700);
    assert!(files(cache).iter().all(|file| mode(file) & 0o022 == 0), "others may write");
}

#[tokio::test]
async fn a_file_that_others_may_have_written_is_compiled_anew() {
    let swapped = Swapped::new();
    let foreign = fs::read(&swapped.of_announce).unwrap();
    fs::set_permissions(&swapped.of_announce, fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(swapped.name().await, "announce");
    // The new one is kept, and is ours.
    fs::write(&swapped.of_announce, foreign).unwrap();
    assert_eq!(swapped.name().await, "hostile");
    // Only root can give a file away; others have seen the rest of the rule above.
    if std::os::unix::fs::chown(&swapped.of_announce, Some(65_534), None).is_ok() {
        assert_eq!(swapped.name().await, "announce");
    }
}

#[tokio::test]
async fn a_damaged_file_is_compiled_anew() {
    let swapped = Swapped::new();
    let bytes = fs::read(&swapped.of_announce).unwrap();
    fs::write(&swapped.of_announce, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(swapped.name().await, "announce");
}
