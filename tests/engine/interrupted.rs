//! Runs that meet another one, and runs that the operator stops.

use serde_json::Value;
use tessallite_up_tests::fake_registry::{FakeRegistry, Fault};
use tessallite_up_tests::{Installation, Template, events};

use crate::registry;
use crate::upgraded::{assert_migrated_to_0008, assert_runs};

#[test]
fn a_second_run_is_refused_and_the_first_one_stops_after_its_pull_when_interrupted() {
    let installation = Installation::borrow(Template::Literal);
    let fake = FakeRegistry::failing(Fault::StalledLayer);
    let image = format!("services.optimizer.image={}", fake.image("optimizer", "1.5.0"));
    let wanted = ["--yes", "--to", "1.5.0", "--set", &image, "--output", "json"];
    let first = installation.program(wanted).start();
    fake.wait_until_pulled();

    installation.upgrade(&["--to", "1.5.0"]).code(7).says("another run holds the lock");

    first.interrupt();
    first.wait_for_stderr("Stopping after the effect under way");
    fake.go_on();
    let outcome = first.finish();
    let events = outcome.code(130).events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "interrupted");
    let advice = summary["advice"].to_string();
    assert!(advice.contains("The installation is as it was"), "{advice}");
    installation.assert_untouched_but_recorded();
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let installation = Installation::borrow(Template::Literal);
    let fake = FakeRegistry::failing(Fault::StalledLayer);
    let image = format!("services.optimizer.image={}", fake.image("optimizer", "1.5.0"));
    let first = installation.program(["--yes", "--to", "1.5.0", "--set", &image]).start();
    fake.wait_until_pulled();
    first.interrupt();
    first.wait_for_stderr("Stopping after the effect under way");
    first.interrupt();
    first.finish().code(130);
    // The lock is gone with it, and the run is told of as one that was cut off.
    installation.run(&["status"]).code(0).says("was cut off");
    let history = installation.run(&["history"]);
    history.code(0).says("to 1.5.0").says("was cut off");
    let run = history.stdout.split_whitespace().next().unwrap();
    installation.run(&["show", run]).code(0).says("step backup finished").says("step pull started");
    installation.run(&["show", "20260101-120000-0000"]).code(2).says("there is no");
    installation.run(&["plan", "--to", "1.5.0"]).code(0);
    installation.assert_untouched_but_recorded();
}

#[test]
fn an_interrupt_during_the_backup_lets_it_finish_and_changes_nothing() {
    let installation = Installation::borrow(Template::Variable);
    let mut run = installation.program(["--yes", "--to", "1.5.0", "--output", "json"]).start();
    run.wait_for_event("the backup", |event| event["function"] == "sql.dump");
    run.interrupt();
    let outcome = run.finish();
    let events = outcome.code(130).events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "interrupted");
    assert!(std::path::Path::new(summary["backup"]["path"].as_str().unwrap()).is_file());
    assert!(summary["advice"].to_string().contains("The installation is as it was"), "{summary}");
    installation.assert_untouched_but_recorded();
}

#[test]
fn an_interrupt_at_a_gate_tells_the_state_and_the_run_goes_on_from_there() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0-slow", "--soak", "1", "--output", "json"];
    let mut run = installation.program(["--yes"]).args(wanted).start();
    let waiting =
        |event: &Value| events::name(event) == "gate" && event["service"] == "model-service";
    run.wait_for_event("the gate of model-service", waiting);
    run.interrupt();
    let outcome = run.finish();
    let events = outcome.code(130).events();
    let summary = events::summary(&events);
    let advice = summary["advice"].to_string();
    for told in [
        "The project's files name the new images.",
        "Recreated on the new image: model-service.",
        "Still on the old image: frontend, optimizer, query-router, gateway, scheduler.",
        "To go back",
    ] {
        assert!(advice.contains(told), "{told}: {advice}");
    }
    let after = installation.fingerprint();
    registry::assert_is(after.of("image")["model-service"], "model-service", "1.5.0-slow");
    assert_eq!(after.of("image")["gateway"], installation.before().of("image")["gateway"]);

    installation.wait_until_healthy();
    installation.upgrade(&wanted).code(3).says("tessallite-up resume");
    installation.run(&["resume", "--yes"]).code(0);
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0-slow");
    assert_migrated_to_0008(&installation, &after);
}
