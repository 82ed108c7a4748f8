//! The Cloud SQL instance: busy, failing, restored.

use std::time::Duration;

use tessallite_up_gcp::{Event, Fault, Kind, Setup};
use tessallite_up_tests::Cloud;

const BACKUPS: &str = "*/backupRuns";

#[test]
fn a_backup_that_fails_ends_the_run_before_anything_is_changed() {
    let cloud = Cloud::usual();
    let failing = Kind::SqlFailure { message: "the disk is full".into() };
    cloud.fake.fault(Fault::on("POST", BACKUPS, failing));
    cloud.upgrade("2.0.0", &[]).code(3).says("backing up the instance").says("FAILED");
    cloud.assert_as_before();
    assert_eq!(cloud.fake.revisions("model-service").len(), 2);
}

#[test]
fn an_operation_of_somebody_else_is_waited_for_by_its_reason_whatever_the_code() {
    for code in [409, 403] {
        let cloud = Cloud::with(Setup { busy_code: code, ..Setup::default() });
        let started = Event::StartOperation { kind: "UPDATE".into(), ms: Some(1_500) };
        let happens = Kind::Before { happens: started };
        cloud.fake.fault(Fault::on("POST", BACKUPS, happens));
        cloud.upgrade("2.0.0", &[]).code(0);
        cloud.assert_serves("2.0.0");
        assert_eq!(cloud.fake.backups().len(), 1);
        assert!(cloud.fake.count("POST", BACKUPS) > 1, "it was never busy");
    }
}

#[test]
fn an_instance_that_is_busy_for_ever_is_named_and_nothing_is_changed() {
    let cloud = Cloud::usual();
    let happens = Event::StartOperation { kind: "UPDATE".into(), ms: None };
    cloud.fake.fault(Fault::on("POST", BACKUPS, Kind::Before { happens }));
    cloud.upgrade("2.0.0", &[]).code(3).says("busy with another operation: UPDATE");
    cloud.fake.event(Event::EndOperations).unwrap();
    cloud.assert_untouched();
}

#[test]
fn a_backup_that_outlives_the_timeout_is_found_again_when_the_run_goes_on() {
    let cloud = Cloud::usual();
    cloud.configure("");
    let text = std::fs::read_to_string(cloud.path("tessallite-up.toml")).unwrap();
    let text = text.replace("database = 20", "database = 1");
    std::fs::write(cloud.path("tessallite-up.toml"), text).unwrap();
    cloud.fake.fault(Fault::on("POST", BACKUPS, Kind::SlowOperation { ms: 3_000 }));
    cloud.upgrade("2.0.0", &[]).code(3).says("has not ended in time, and goes on");
    cloud.assert_serves("1.4.0");
    assert!(cloud.fake.settles(Duration::from_secs(10)));
    cloud.upgrade("2.0.0", &[]).code(0);
}

#[test]
fn a_backup_whose_answer_is_lost_is_not_made_twice() {
    let cloud = Cloud::usual();
    cloud.fake.fault(Fault::on("POST", BACKUPS, Kind::LostAnswer));
    cloud.upgrade("2.0.0", &[]).code(0);
    assert_eq!(cloud.fake.backups().len(), 1);
}

#[test]
fn a_restore_whose_answer_is_lost_is_not_made_twice() {
    let cloud = Cloud::usual();
    cloud.fake.fault(Fault::on("POST", "*/restoreBackup", Kind::LostAnswer));
    cloud.upgrade("1.5.0-nostart", &[]).code(5);
    cloud.assert_as_before();
    assert_eq!(cloud.fake.count("POST", "*/restoreBackup"), 1);
}

#[test]
fn each_attempt_to_restore_has_a_backup_of_its_own_moment() {
    let cloud = Cloud::usual();
    let refused = Kind::status(400, "invalid", "not now");
    cloud.fake.fault(Fault::on("POST", "*/restoreBackup", refused));
    cloud.upgrade("1.5.0-nostart", &[]).code(6).says("not now");
    cloud.run(&["resume", "--yes"]).code(5).says("before restore (2)");
    cloud.assert_as_before();
    let descriptions: Vec<String> = cloud.fake.backups().into_iter().map(|(d, _)| d).collect();
    assert_eq!(descriptions.len(), 3, "{descriptions:?}");
    assert!(descriptions[2].ends_with("before restore (2)"), "{descriptions:?}");
}

#[test]
fn one_answer_that_fails_is_no_reason_to_restore() {
    let cloud = Cloud::usual();
    cloud.upgrade("1.5.0-nomigration", &[]).code(0);
    // While it is decided: from the last traffic on.
    let sick = Kind::status(503, "", "not now");
    for service in ["model-service", "frontend"] {
        let path = format!("/_run/{service}/*");
        cloud.fake.fault(Fault::on("GET", &path, sick.clone()).times(3));
    }
    cloud.run(&["rollback", "--yes"]).code(0);
    cloud.assert_as_before();
    assert_eq!(cloud.fake.count("POST", "*/restoreBackup"), 0);
}

#[test]
fn an_api_that_answers_nothing_but_errors_is_given_up() {
    let cloud = Cloud::usual();
    let broken = Kind::status(500, "backendError", "broken");
    cloud.fake.fault(Fault::on("POST", BACKUPS, broken).for_ever());
    cloud.upgrade("2.0.0", &[]).code(3).says("broken");
    assert!(cloud.fake.count("POST", BACKUPS) < 30, "{}", cloud.fake.count("POST", BACKUPS));
    cloud.assert_untouched();
}

#[test]
fn replicas_keep_the_instance_from_being_restored_and_the_run_goes_on_without_them() {
    let cloud = Cloud::usual();
    cloud.fake.event(Event::AddReplica { name: "reader".into() }).unwrap();
    cloud.run(&["plan", "--to", "2.0.0"]).code(0).says("reader");
    cloud.upgrade("1.5.0-nostart", &[]).code(6).says("replicas").says("reader");
    assert_eq!(cloud.fake.count("POST", "*/restoreBackup"), 0);
    assert_eq!(cloud.fake.migration(), "0008");
    cloud.fake.event(Event::RemoveReplicas).unwrap();
    cloud.run(&["resume", "--yes"]).code(5);
    cloud.assert_as_before();
}

#[test]
fn an_instance_that_is_stopped_is_refused() {
    let cloud = Cloud::usual();
    let stopped = Event::SetInstance { state: "RUNNABLE".into(), activation: "NEVER".into() };
    cloud.fake.event(stopped).unwrap();
    cloud.upgrade("2.0.0", &[]).code(3).says("NEVER");
    let running = Event::SetInstance { state: "RUNNABLE".into(), activation: "ALWAYS".into() };
    cloud.fake.event(running).unwrap();
    cloud.assert_untouched();
}

#[test]
fn an_installation_without_an_instance_is_upgraded_without_a_backup() {
    let cloud = Cloud::usual();
    let text = std::fs::read_to_string(cloud.path("tessallite-up.toml")).unwrap();
    let text = text.replace("instance = \"tessallite\"\n", "");
    std::fs::write(cloud.path("tessallite-up.toml"), text).unwrap();
    cloud.upgrade("2.0.0", &[]).code(0).says("no Cloud SQL instance");
    cloud.assert_serves("2.0.0");
    assert!(cloud.fake.backups().is_empty());
}
