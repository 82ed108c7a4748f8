//! Releases that do not work: the run goes back, and users never meet them.

use tessallite_up_tests::{Cloud, events};

#[test]
fn a_revision_that_never_becomes_ready_is_left_without_traffic_and_without_a_tag() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("1.5.0-neverready", &[]);
    outcome.code(5).says("failed to start and listen").says("optimizer");
    cloud.assert_as_before();
    let failed = cloud.fake.revisions("optimizer").pop().unwrap();
    assert!(failed.contains("1-5-0-neverready"), "{failed}");
    let wanted = cloud.fake.wanted_traffic("optimizer");
    assert!(wanted.iter().all(|target| target.revision.as_ref() != Some(&failed)), "{wanted:?}");
    // The service can be worked with again.
    cloud.upgrade("1.5.0", &[]).code(0);
    cloud.assert_serves("1.5.0");
}

#[test]
fn a_model_service_that_migrates_and_then_fails_is_followed_by_a_restore() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("1.5.0-nostart", &["--output", "json"]);
    let events = outcome.code(5).events();
    let lost = events::named(&events, "writes_would_be_lost");
    assert_eq!(lost.len(), 1);
    assert!(lost[0]["since"].as_str().unwrap().starts_with("20"), "{}", lost[0]);
    cloud.assert_as_before();
    let backups = cloud.fake.backups();
    assert_eq!(backups.len(), 2, "{backups:?}");
    assert!(backups[1].0.ends_with("before restore"), "{backups:?}");
}

#[test]
fn a_fourth_service_that_is_sick_never_gets_traffic() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("1.5.0-sick", &["--timeout", "2"]);
    outcome.code(5).says("scheduler").says("503");
    cloud.assert_as_before();
    let moves = |service: &str| {
        let end = format!("/{service}");
        let requests = cloud.fake.requests().into_iter();
        requests
            .filter(move |r| r.path.ends_with(&end) && r.parameter("updateMask") == Some("traffic"))
    };
    for request in moves("scheduler") {
        let text = request.body["traffic"].to_string();
        assert!(!text.contains("1-5-0-sick") && !text.contains("_LATEST"), "{text}");
    }
    assert!(cloud.fake.revisions("frontend").len() == 2, "it went on after the failure");
}

#[test]
fn a_revision_that_crashes_under_traffic_is_taken_out_of_it() {
    let cloud = Cloud::usual();
    cloud.upgrade("1.5.0-crashes", &["--timeout", "2"]).code(5).says("optimizer");
    cloud.assert_as_before();
}

#[test]
fn the_same_version_can_be_tried_again_after_a_rollback() {
    let cloud = Cloud::usual();
    cloud.upgrade("1.5.0-sick", &["--timeout", "1"]).code(5);
    cloud.upgrade("1.5.0-sick", &["--timeout", "1"]).code(5);
    cloud.assert_as_before();
}

#[test]
fn left_as_it_is_it_can_be_rolled_back_later() {
    let cloud = Cloud::usual();
    let outcome = cloud.upgrade("1.5.0-sick", &["--timeout", "1", "--on-failure", "stop"]);
    outcome.code(6).says("gcloud run services update-traffic scheduler --to-revisions");
    outcome.says("gcloud sql backups restore").says("Served as before");
    assert_eq!(cloud.version("optimizer"), "1.5.0-sick");
    cloud.upgrade("1.5.0", &[]).code(3).says("failed after it had changed the installation");
    cloud.run(&["rollback", "--yes"]).code(0);
    cloud.assert_as_before();
}

#[test]
fn an_upgrade_that_went_well_can_be_taken_back() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &[]).code(0);
    let outcome = cloud.run(&["rollback", "--yes"]);
    outcome.code(0).says("gcloud run services update-traffic");
    cloud.assert_as_before();
}

#[test]
fn a_database_that_the_operator_keeps_stays_as_it_is() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &[]).code(0);
    let outcome = cloud.run(&["rollback", "--yes", "--restore-database", "no"]);
    outcome.code(0).says("the operator keeps the database as it is").says("0008");
    cloud.assert_serves("1.4.0");
    assert_eq!(cloud.fake.migration(), "0008");
    assert_eq!(cloud.fake.backups().len(), 1);
}

#[test]
fn a_release_that_does_not_migrate_needs_no_restore() {
    let cloud = Cloud::usual();
    cloud.upgrade("1.5.0-nomigration", &[]).code(0);
    cloud.run(&["rollback", "--yes"]).code(0);
    cloud.assert_as_before();
    assert_eq!(cloud.fake.count("POST", "*/restoreBackup"), 0);
    assert_eq!(cloud.fake.backups().len(), 1);
}

#[test]
fn a_migration_that_is_not_the_promised_one_fails_the_run() {
    let cloud = Cloud::usual();
    cloud.upgrade("2.0.0", &["--expect-migration", "0009"]).code(5).says("0009");
    cloud.assert_as_before();
}
