//! What a run needs goes away in the middle of it: the registry, the database, the engine,
//! the disk of its records.

use std::process::Command;

use serde_json::Value;
use tessallite_up_tests::engine_proxy::EngineProxy;
use tessallite_up_tests::fake_registry::{FakeRegistry, Fault};
use tessallite_up_tests::process::docker;
use tessallite_up_tests::{Installation, Outcome, Template, events};

use crate::upgraded::{assert_migrated_to_0008, assert_runs};
use crate::way_back::assert_as_before;

const WANTED: [&str; 7] = ["--yes", "--to", "1.5.0", "--soak", "1", "--output", "json"];

fn is_deployment(event: &Value) -> bool {
    events::name(event) == "effect_started" && event["function"] == "docker.deploy"
}

/// There are two ends, and nothing in between.
#[track_caller]
fn assert_at_one_of_two_ends(installation: &Installation, outcome: &Outcome) {
    match outcome.code {
        Some(0) => {
            let after = installation.fingerprint();
            assert_migrated_to_0008(installation, &after);
        }
        Some(5) => assert_as_before(installation),
        _ => panic!("neither upgraded nor as it was\n{outcome}"),
    }
}

#[test]
fn a_registry_that_goes_away_after_the_plan_fails_the_run_before_anything_is_changed() {
    let installation = Installation::borrow(Template::Literal);
    let registry = FakeRegistry::failing(Fault::BrokenLayer);
    let image = format!("services.optimizer.image={}", registry.image("optimizer", "1.5.0"));
    let mut run = installation.program(WANTED).args(["--set", &image]).start();
    run.wait_for_event("the plan", |event| events::name(event) == "plan_made");
    registry.go_away();
    let outcome = run.finish();
    let events = outcome.code(3).events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "failed_untouched");
    assert!(
        summary["error"].as_str().unwrap().contains("/tessallite/optimizer@sha256:"),
        "{summary}"
    );
    installation.assert_untouched_but_recorded();
}

#[test]
fn a_database_that_is_restarted_under_a_run_leaves_it_at_one_of_two_ends() {
    let installation = Installation::borrow(Template::Variable);
    let mut run = installation.program(WANTED).start();
    run.wait_for_event("the first deployment", is_deployment);
    docker(&["restart", "--time", "1", &installation.container("postgres")]);
    let outcome = run.finish();
    assert_at_one_of_two_ends(&installation, &outcome);
}

#[test]
fn an_engine_that_goes_away_under_a_run_is_gone_on_with_when_it_is_back() {
    let installation = Installation::borrow(Template::Variable);
    let engine = EngineProxy::start();
    let mut run = installation.program(WANTED).env("DOCKER_HOST", engine.address()).start();
    run.wait_for_event("the first deployment", is_deployment);
    engine.go_away();
    let outcome = run.finish();
    let summary = events::summary(&outcome.code(6).events()).clone();
    assert!(summary["advice"].to_string().contains("tessallite-up resume"), "{summary}");
    engine.come_back();
    let resume = installation.program(["resume", "--yes"]).env("DOCKER_HOST", engine.address());
    let outcome = resume.run();
    assert_at_one_of_two_ends(&installation, &outcome);
    installation.wait_until_healthy();
}

#[test]
fn a_disk_without_room_for_the_record_is_told_before_anything_is_done() {
    let installation = Installation::borrow(Template::Variable);
    let (state, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, backups) = (state.path().to_str().unwrap(), backups.path().to_str().unwrap());
    let mounts = format!("mount -t tmpfs -o size=1m none {state}");
    let program = installation.program(WANTED).args(["--state", state, "--backup-dir", backups]);
    program.with_mounts(&mounts).run().code(3).says("free space");
    installation.assert_untouched();
}

/// The room for the journal was reserved: the run comes to its end.
#[test]
fn a_disk_that_fills_up_under_a_run_leaves_it_at_one_of_two_ends() {
    let installation = Installation::borrow(Template::Variable);
    let (state, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, backups) = (state.path().to_str().unwrap(), backups.path().to_str().unwrap());
    let mounts = format!("mount -t tmpfs -o size=8m none {state}");
    let program = installation.program(WANTED).args(["--state", state, "--backup-dir", backups]);
    let mut run = program.with_mounts(&mounts).start();
    run.wait_for_event("the first deployment", is_deployment);
    let there = format!("/proc/{}/root{state}/other", run.id());
    let mut filling = Command::new("dd");
    filling.args(["if=/dev/zero", "bs=64k"]).arg(format!("of={there}"));
    let filled = filling.output().unwrap();
    assert!(String::from_utf8_lossy(&filled.stderr).contains("No space left"), "{filled:?}");
    let outcome = run.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
}
