//! The commands of the README that need an engine.

use std::fs;
use std::process::Command;

use tessallite_up_tests::guide::Vendor;
use tessallite_up_tests::{Installation, Template, place, process};

#[test]
fn its_commands_upgrade_an_installation() {
    let installation = Installation::borrow(Template::Variable);
    let readme = fs::read_to_string(place::root().join("README.md")).unwrap();
    let (upgrade, back) = readme.split_once("\n## What an upgrade does").expect("its parts");
    let mut vendor = Vendor::new(Some(installation.dir()));
    let migration = || installation.query("SELECT version_num FROM tess_system.alembic_version");
    vendor.follow(upgrade);
    assert_eq!(migration(), "0008");
    let (back, locked) = back.split_once("\n## Locked").expect("its parts");
    vendor.follow(back);
    assert_eq!(migration(), "0007");
    vendor.follow(locked);
    assert_eq!(migration(), "0008");
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
