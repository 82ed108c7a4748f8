//! Upgrades of an installation whose tag moves.

use std::process::Command;

use tessallite_up_tests::process::{docker, run};
use tessallite_up_tests::{Installation, Template, place};

use crate::upgraded::{assert_files_as_before, assert_migrated_to_0008, assert_runs};

#[test]
fn what_a_moving_tag_names_now_is_deployed_and_the_old_images_stay_by_a_name() {
    let installation = Installation::borrow(Template::Moving);
    installation.upgrade(&["--soak", "1"]).code(0).says("Nothing to do");
    installation.fingerprint().assert_same_as(installation.before());

    run(Command::new(place::command("move-stable")).arg("1.5.0"));
    installation.upgrade(&["--expect-migration", "0008", "--soak", "2"]).code(0);
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
    assert_files_as_before(&installation, &["docker-compose.yaml", ".env"]);
    let routers = installation.compose(&["ps", "--quiet", "query-router"]);
    assert_eq!(routers.lines().count(), 2, "both query-routers run");
    for (service, image) in installation.before().of("image") {
        let names = docker(&["image", "inspect", "--format", "{{json .RepoTags}}", image]);
        let kept = format!("tessallite-up/kept:tess-moving-{service}-");
        assert!(names.contains(&kept), "{service}: {names}");
    }
}
