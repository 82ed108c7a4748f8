//! The commands of the README that need an engine.

use std::fs;
use std::process::Command;

use tessallite_up_tests::guide::Vendor;
use tessallite_up_tests::{Installation, Template, place, process};

#[test]
fn its_commands_upgrade_an_installation() {
    let installation = Installation::borrow(Template::Variable);
    let readme = fs::read_to_string(place::root().join("README.md")).unwrap();
    Vendor::new(Some(installation.dir())).follow(&readme);
    let health = installation.query("SELECT version_num FROM tess_system.alembic_version");
    assert_eq!(health, "0008");
}

#[test]
fn the_demo_upgrades_and_goes_away() {
    let demo = place::root().join("tests/demo");
    let shown = process::run(&mut Command::new(&demo));
    assert!(shown.contains("Done and verified"), "{shown}");
    process::run(Command::new(&demo).arg("down"));
    let left = process::docker(&["ps", "--all", "--quiet", "--filter", "name=tessallite-demo"]);
    assert_eq!(left, "", "the demo left containers");
}
