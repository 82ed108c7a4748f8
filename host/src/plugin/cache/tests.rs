use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

const KEY: &str = "key";

struct Bench {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Bench {
    /// With the code of one component in it.
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap(), engine: Engine::default() };
        bench.cache().put(&bench.engine, "d", b"code").unwrap();
        bench
    }

    fn directory(&self) -> PathBuf {
        self.dir.path().join("components")
    }

    fn cache(&self) -> Cache {
        Cache::open(Some(self.directory()))
    }

    fn entry(&self, digest: &str) -> PathBuf {
        self.directory().join(name(&subject(&self.engine, digest)))
    }

    fn get(&self, digest: &str) -> Option<Vec<u8>> {
        self.cache().get(&self.engine, digest)
    }

    /// Not taken, and not there any more: it is compiled again and kept again.
    #[track_caller]
    fn assert_refused(&self, digest: &str) {
        assert_eq!(self.get(digest), None);
        assert!(fs::symlink_metadata(self.entry(digest)).is_err(), "it was left there");
        self.cache().put(&self.engine, digest, b"again").unwrap();
        assert_eq!(self.get(digest).as_deref(), Some(&b"again"[..]));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_was_put_comes_back() {
    let bench = Bench::new();
    assert_eq!(bench.get("d").as_deref(), Some(&b"code"[..]));
    assert_eq!(bench.get("e"), None);
    // The key and the code: no draft is left behind.
    assert_eq!(fs::read_dir(bench.directory()).unwrap().count(), 2);
}

#[test]
fn nobody_else_can_read_or_write_any_of_it() {
    let bench = Bench::new();
    assert_eq!(mode(&bench.directory()), 0o700);
    assert_eq!(mode(&bench.entry("d")), 0o600);
    assert_eq!(mode(&bench.directory().join(KEY)), 0o600);
}

#[test]
fn a_damaged_file_is_not_taken() {
    let bench = Bench::new();
    let whole = fs::read(bench.entry("d")).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(bench.entry("d"), bytes).unwrap();
        assert_eq!(bench.get("d"), None, "with byte {at} changed");
        fs::write(bench.entry("d"), &whole[..at]).unwrap();
        assert_eq!(bench.get("d"), None, "cut off at {at}");
    }
    bench.assert_refused("d");
}

/// As this program wrote them once, with a checksum that anybody can compute.
#[test]
fn a_crafted_file_is_not_taken() {
    let bench = Bench::new();
    let code = b"\x7fELF and what somebody else would like to be run".to_vec();
    let checksum = crc32fast::hash(&code).to_le_bytes().to_vec();
    let unkeyed = blake3::hash(&code).as_bytes().to_vec();
    for seal in [vec![], checksum, unkeyed, vec![0; SEAL_BYTES]] {
        fs::write(bench.entry("d"), [&seal[..], &code].concat()).unwrap();
        bench.assert_refused("d");
    }
}

#[test]
fn the_code_of_another_component_is_not_taken() {
    let bench = Bench::new();
    fs::copy(bench.entry("d"), bench.entry("e")).unwrap();
    bench.assert_refused("e");
    // Nor where the two together are the same bytes.
    bench.cache().put(&bench.engine, "dc", b"ode").unwrap();
    let seal = &fs::read(bench.entry("dc")).unwrap()[..SEAL_BYTES];
    fs::write(bench.entry("d"), [seal, b"code"].concat()).unwrap();
    bench.assert_refused("d");
}

#[test]
fn the_code_for_another_engine_is_not_taken() {
    let bench = Bench::new();
    let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
    assert_eq!(bench.cache().get(&other, "d"), None);
    let of_other = bench.directory().join(name(&subject(&other, "d")));
    fs::copy(bench.entry("d"), of_other).unwrap();
    assert_eq!(bench.cache().get(&other, "d"), None);
    assert!(bench.get("d").is_some());
}

#[test]
fn what_another_key_has_sealed_is_not_taken() {
    let (bench, theirs) = (Bench::new(), Bench::new());
    fs::copy(theirs.entry("d"), bench.entry("d")).unwrap();
    bench.assert_refused("d");
}

#[test]
fn a_key_that_is_gone_or_none_makes_all_void() {
    let spoil: [fn(&Path); 6] = [
        |key| fs::remove_file(key).unwrap(),
        |key| fs::write(key, [7; 31]).unwrap(),
        |key| fs::write(key, [7; 33]).unwrap(),
        |key| fs::write(key, []).unwrap(),
        // Others may have read it.
        |key| set_mode(key, 0o640),
        |key| {
            let elsewhere = key.with_extension("elsewhere");
            fs::rename(key, &elsewhere).unwrap();
            std::os::unix::fs::symlink(elsewhere, key).unwrap();
        },
    ];
    for spoil in spoil {
        let bench = Bench::new();
        spoil(&bench.directory().join(KEY));
        bench.assert_refused("d");
        let key = fs::symlink_metadata(bench.directory().join(KEY)).unwrap();
        assert!(key.is_file() && key.len() == 32);
    }
}

#[test]
fn of_several_that_begin_at_once_all_have_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("components");
    let engine = Engine::default();
    let begin = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (begin, engine, directory) = (&begin, &engine, &directory);
            scope.spawn(move || {
                begin.wait();
                let cache = Cache::open(Some(directory.clone()));
                cache.put(engine, &n.to_string(), b"code").unwrap();
            });
        }
    });
    let cache = Cache::open(Some(directory));
    for n in 0..8 {
        assert!(cache.get(&engine, &n.to_string()).is_some(), "{n} has another key");
    }
}

#[test]
fn a_file_that_others_may_write_is_not_taken() {
    let bench = Bench::new();
    set_mode(&bench.entry("d"), 0o620);
    bench.assert_refused("d");
}

/// Only root can give a file away; others have seen the rest of the rule above.
#[test]
fn a_file_of_another_user_is_not_taken() {
    let bench = Bench::new();
    if std::os::unix::fs::chown(bench.entry("d"), Some(65_534), None).is_ok() {
        bench.assert_refused("d");
        let key = bench.directory().join(KEY);
        std::os::unix::fs::chown(&key, Some(65_534), None).unwrap();
        bench.assert_refused("d");
    }
}

#[test]
fn a_link_is_not_followed() {
    let bench = Bench::new();
    let elsewhere = bench.dir.path().join("elsewhere");
    fs::rename(bench.entry("d"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.entry("d")).unwrap();
    bench.assert_refused("d");
    assert!(elsewhere.is_file());
}

#[test]
fn a_directory_that_others_may_write_is_not_used() {
    let bench = Bench::new();
    for foreign in [0o777, 0o770, 0o702] {
        set_mode(&bench.directory(), foreign);
        assert_eq!(bench.get("d"), None);
        bench.cache().put(&bench.engine, "e", b"code").unwrap();
        assert!(!bench.entry("e").exists(), "mode {foreign:o}");
    }
    set_mode(&bench.directory(), 0o700);
    assert!(bench.get("d").is_some());
}

#[test]
fn a_directory_behind_a_link_is_not_used() {
    let bench = Bench::new();
    let link = bench.dir.path().join("link");
    std::os::unix::fs::symlink(bench.directory(), &link).unwrap();
    assert!(Cache::open(Some(link)).store.is_none());
}
