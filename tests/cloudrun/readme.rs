//! The commands of the README that are for Google Cloud, and the demo.

use std::fs;
use std::process::Command;

use tessallite_up_tests::guide::{Vendor, blocks};
use tessallite_up_tests::{Cloud, place, process};

#[test]
fn its_commands_upgrade_a_project_and_bring_it_back() {
    let cloud = Cloud::usual();
    let readme = fs::read_to_string(place::root().join("README.md")).unwrap();
    let configuration = blocks(&readme)
        .into_iter()
        .find(|block| block.words == ["toml", "cloudrun.toml"])
        .expect("the configuration");
    fs::write(cloud.path("tessallite-up.toml"), configuration.text).unwrap();
    let of_cloud = readme.split("\n## ").find(|part| part.starts_with("On Google Cloud"));
    let mut vendor = Vendor::on_google_cloud(&cloud);
    vendor.follow(of_cloud.expect("its part"));
    assert!(vendor.done >= 1, "nothing was followed");
    cloud.assert_as_before();
    // Gateway is elsewhere in that configuration.
    assert_eq!(cloud.fake.revisions("frontend").len(), 3);
    assert_eq!(cloud.fake.revisions("gateway").len(), 2);
}

#[test]
fn the_demo_upgrades_and_ends_by_itself() {
    let demo = place::root().join("tests/demo");
    let shown =
        process::run(Command::new(&demo).arg("cloudrun").env("TESSALLITE_UP_DEMO_BUILD", "no"));
    assert!(shown.contains("Done and verified"), "{shown}");
    assert!(shown.contains("100 % gateway-2-0-0"), "{shown}");
}
