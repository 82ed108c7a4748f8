//! Releases with a fault: it is found, shown, and told with what the state is now.

use tessallite_up_tests::{Installation, Outcome, Template, events};

use crate::registry;
use crate::upgraded::{assert_migrated_to_0008, assert_runs, revisions};

/// So that what is left can be looked at.
const STOP: [&str; 2] = ["--on-failure", "stop"];

/// What an operator has to be told after the first change.
fn assert_tells_what_now(outcome: &Outcome) {
    outcome
        .code(6)
        .says("the installation was changed")
        .says("The project's files name the new images.")
        .says("The database of before is in")
        .says("To go back to what was before: tessallite-up rollback")
        .says("docker tag sha256:");
}

#[test]
fn a_service_that_crashes_after_its_gate_ends_the_run() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.upgrade(&[
        "--to",
        "1.5.0-crash",
        "--soak",
        "6",
        "--timeout",
        "20",
        STOP[0],
        STOP[1],
    ]);
    assert_tells_what_now(&outcome);
    // Exited before the watch of it began, or after.
    outcome
        .says("INCIDENT: query-router (variable-")
        .says("query-router-1 exited with code 1 after it was deployed")
        .says("Diagnosis of query-router")
        .says("fatal: cannot allocate the plan cache")
        .says("Recreated on the new image: model-service, frontend, optimizer, query-router");
}

#[test]
fn a_service_that_never_gets_healthy_ends_the_run_after_the_timeout() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = [
        "--to",
        "1.5.0-sick",
        "--soak",
        "1",
        "--timeout",
        "6",
        "--output",
        "json",
        STOP[0],
        STOP[1],
    ];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(6).events();
    let summary = events::summary(&events);
    let error = summary["error"].as_str().unwrap();
    assert!(error.contains("query-router after 6 s"), "{error}");
    assert!(error.contains("503"), "{error}");
    let diagnosis = events::named(&events, "diagnosis");
    assert_eq!(diagnosis.len(), 1);
    assert_eq!(diagnosis[0]["service"], "query-router");
    assert!(!diagnosis[0]["containers"][0]["log"].as_array().unwrap().is_empty());
    let advice = summary["advice"].to_string();
    assert!(advice.contains("Still on the old image: gateway."), "{advice}");
    // It is as the summary says: gateway was never touched.
    let after = installation.fingerprint();
    assert_eq!(after.of("image")["gateway"], installation.before().of("image")["gateway"]);
    registry::assert_is(after.of("image")["query-router"], "query-router", "1.5.0-sick");
}

#[test]
fn a_migration_that_fails_half_way_stops_the_run_at_model_service() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.upgrade(&[
        "--to",
        "1.5.0-halfway",
        "--soak",
        "1",
        "--timeout",
        "20",
        STOP[0],
        STOP[1],
    ]);
    assert_tells_what_now(&outcome);
    outcome
        .says("model-service-1 exited with code 1")
        .says("Diagnosis of model-service")
        .says("migration of tess_system to 0008: could not extend file: No space left on device")
        .says("Still on the old image: frontend, optimizer, query-router, gateway, scheduler.")
        .says("model-service 1.4.0 → 1.5.0-halfway has not come back");
    // The engine forgets the code of a container that it has started again by then.
    let told = ["model-service-1: restarting, exit code 1", "model-service-1: running, restarted"];
    assert!(told.iter().any(|told| outcome.to_string().contains(told)), "no state: {outcome}");
    let (before, after) = (installation.before().of("image"), installation.fingerprint());
    for service in ["frontend", "optimizer", "query-router", "gateway", "scheduler", "postgres"] {
        assert_eq!(after.of("image")[service], before[service], "{service}");
    }
}

#[test]
fn a_tenant_that_is_left_behind_is_named_and_fails_the_run() {
    let installation = Installation::borrow(Template::Variable);
    let outcome =
        installation.upgrade(&["--to", "1.5.0-stranded", "--soak", "1", STOP[0], STOP[1]]);
    assert_tells_what_now(&outcome);
    outcome.says("globex-eu_meta at t0007").says("--allow-stranded-tenants");
    outcome.never_says("acme_meta at").never_says("initech_meta at");
    assert_eq!(revisions(&installation), "0008 t0008 t0007 t0008");
}

#[test]
fn a_tenant_may_be_left_behind_when_the_operator_allows_it() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0-stranded", "--soak", "1", "--allow-stranded-tenants"];
    let outcome = installation.upgrade(&wanted);
    outcome.code(0).says("WARNING: tenants left behind by the migration: globex-eu_meta at t0007");
    assert_runs(&installation, &installation.fingerprint(), "1.5.0-stranded");
    assert_eq!(revisions(&installation), "0008 t0008 t0007 t0008");
}

#[test]
fn a_service_that_takes_its_time_is_waited_for() {
    let installation = Installation::borrow(Template::Variable);
    installation.upgrade(&["--to", "1.5.0-slow", "--soak", "1", "--timeout", "40"]).code(0);
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0-slow");
    assert_migrated_to_0008(&installation, &after);
}

#[test]
fn a_service_that_dies_in_the_soak_ends_the_run() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0-late", "--soak", "8", "--output", "json", STOP[0], STOP[1]];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(6).events();
    let incidents = events::named(&events, "incident");
    assert_eq!(incidents[0]["service"], "gateway");
    let failed = events::named(&events, "step_failed");
    assert_eq!(failed[0]["step"], "soak", "{failed:?}");
    let diagnosis = events::named(&events, "diagnosis");
    assert_eq!(diagnosis[0]["service"], "gateway");
    assert!(
        diagnosis[0].to_string().contains("fatal: session table corrupted"),
        "{}",
        diagnosis[0]
    );
    assert!(!diagnosis[0]["containers"][0]["health_log"].as_array().unwrap().is_empty());
}

#[test]
fn a_release_without_all_images_is_refused_before_anything_is_touched() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.upgrade(&["--to", "1.5.0-missing"]);
    outcome
        .code(3)
        .says("127.0.0.1:5055/tessallite/optimizer:1.5.0-missing")
        .says("manifest unknown")
        .never_says("gateway:1.5.0-missing");
    installation.assert_untouched();
}

#[test]
fn a_migration_other_than_the_promised_one_fails_the_run() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0", "--expect-migration", "0099", "--soak", "1", STOP[0], STOP[1]];
    let outcome = installation.upgrade(&wanted);
    outcome.code(6).says("db_migration has to be 0099").says("model-service 0008");
    assert_runs(&installation, &installation.fingerprint(), "1.5.0");
}
