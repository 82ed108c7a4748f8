//! The blocks of the README: commands that need no installation, and the files it shows.

use std::fs;
use std::path::Path;

use tessallite_up::settings::{Flags, Settings};
use tessallite_up_tests::guide::{Vendor, blocks};
use tessallite_up_tests::place;

fn readme() -> String {
    fs::read_to_string(place::root().join("README.md")).unwrap()
}

/// Writes what the README shows under this name.
fn shown(name: &str, directory: &Path) -> std::path::PathBuf {
    let is_it = |block: &tessallite_up_tests::guide::Block| {
        block.words.get(1).is_some_and(|word| word == name)
    };
    let block = blocks(&readme()).into_iter().find(is_it).unwrap_or_else(|| panic!("no {name}"));
    let path = directory.join(name);
    fs::write(&path, block.text).unwrap();
    path
}

#[test]
fn its_commands_run() {
    let mut reader = Vendor::new(None);
    reader.follow(&readme());
    assert!(reader.done >= 3, "only {} blocks were followed", reader.done);
}

#[test]
fn its_configuration_is_one() {
    let dir = tempfile::tempdir().unwrap();
    shown("tessallite-up.toml", dir.path());
    let flags = Flags { project_dir: Some(dir.path().to_owned()), ..Flags::default() };
    let settings = Settings::resolve(flags).unwrap();
    assert_eq!(settings.version.as_deref(), Some("1.5.0"));
    assert_eq!(settings.settings.get("services.gateway.port").map(String::as_str), Some("8080"));
    assert!(settings.connections.contains_key("reports"));
}

#[test]
fn its_release_manifest_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let release = Some(shown("release-1.5.0.toml", dir.path()));
    let project_dir = Some(dir.path().to_owned());
    let settings = Settings::resolve(Flags { project_dir, release, ..Flags::default() }).unwrap();
    assert_eq!(settings.migration.as_deref(), Some("0008"));
    assert_eq!(settings.release.images().len(), 2);
}
