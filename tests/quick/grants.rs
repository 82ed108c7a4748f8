//! `policy show` and `policy check`: what plugins may do, without an installation.

use std::fs;

use serde_json::Value;
use tessallite_up_tests::{Outcome, Program, guide};

struct Place(tempfile::TempDir);

impl Place {
    fn new(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::copy(guide::build("plugins/examples/announce"), place.0.path().join("announce.wasm"))
            .unwrap();
        fs::write(place.0.path().join("tessallite-up.toml"), config).unwrap();
        place
    }

    fn run(&self, args: &str) -> Outcome {
        Program::new(self.0.path()).args(args.split_whitespace()).run()
    }
}

#[test]
fn a_bundled_procedure_lacks_nothing() {
    let place = Place::new("");
    place.run("policy check").code(0).says("compose: everything that it asks for is granted");
    place.run("policy show").code(0).says("granted docker.deploy").never_says("denied");
}

#[test]
fn what_is_missing_is_told_with_the_lines_that_grant_it() {
    let place = Place::new("plugin = [\"compose\", \"./announce.wasm\"]\n");
    let outcome = place.run("policy check");
    outcome.code(4).says("announce: not granted: docker.get-service");
    place.run("policy show ./announce.wasm").code(0).says("nothing is granted");
    place.run("plugin inspect ./announce.wasm").code(0).says("denied docker.get-service");
    let line = outcome.stdout.lines().find(|line| line.starts_with("plugins.announce")).unwrap();
    let granted = Place::new(&format!("plugin = [\"compose\", \"./announce.wasm\"]\n{line}\n"));
    granted.run("policy check").code(0).never_says("not granted");
    let shown = granted.run("policy show ./announce.wasm --output json");
    let shown: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    assert_eq!(shown["granted"]["docker"]["actions"], serde_json::json!(["get-service"]));
    assert_eq!(shown["lacking"], serde_json::json!([]));
}

/// Of a bundled procedure, the configuration says all or nothing.
#[test]
fn a_configuration_takes_grants_away_from_a_bundled_procedure() {
    let place = Place::new(
        "[plugins.compose.allow]\nsql = { connections = [\"internal\"], read = true }\n",
    );
    place.run("policy check").code(4).says("docker.deploy").never_says("sql.query");
}

/// The name of a bundled procedure brings none of its grants.
#[test]
fn a_file_that_calls_itself_compose_is_granted_nothing() {
    let place = Place::new("");
    let hostile = guide::hostile("description:compose", place.0.path());
    let outcome = place.run(&format!("policy check {}", hostile.display()));
    outcome.code(4).says("compose: not granted: ").says("docker.deploy");
}

#[test]
fn what_cannot_be_enforced_is_refused_when_the_configuration_is_read() {
    for (allow, says) in [
        ("docker = { actions = [\"everything\"] }", "docker.actions: there is no"),
        ("docker = { services = [\"gate*\"] }", "a service is granted by its whole name"),
        ("files = [\"/etc\"]", "unknown field"),
    ] {
        let place = Place::new(&format!("[plugins.announce.allow]\n{allow}\n"));
        place.run("policy check").code(2).says(says);
    }
}
