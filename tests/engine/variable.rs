//! Upgrades of an installation whose tag is a variable in `.env`.

use tessallite_up_tests::process::docker;
use tessallite_up_tests::{Installation, Project, Template, events};

use crate::registry::REGISTRY;
use crate::upgraded::{
    assert_files_as_before, assert_migrated_to_0008, assert_rewritten, assert_runs, revisions,
};

const SERVICES: [&str; 6] =
    ["model-service", "query-router", "optimizer", "scheduler", "frontend", "gateway"];

#[test]
fn the_documented_command_upgrades_services_and_data_and_a_second_one_finds_nothing_to_do() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0", "--expect-migration", "0008", "--soak", "2"];
    installation.upgrade(&wanted).code(0).says("Done and verified").says("db_migration is 0008");
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
    assert_rewritten(
        &installation,
        ".env",
        "\"1.4.0\"   # all services",
        "\"1.5.0\"   # all services",
        1,
    );
    assert_files_as_before(&installation, &["docker-compose.yml"]);

    let containers = installation.containers();
    installation.upgrade(&wanted).code(0).says("Nothing to do").says("1.5.0");
    installation.fingerprint().assert_same_as(&after);
    assert_eq!(installation.containers(), containers);
}

#[test]
fn an_env_file_that_names_compose_files_elsewhere_is_the_one_that_counts() {
    let installation = Installation::borrow(Template::Variable);
    let write = |name: &str, text: &str| std::fs::write(installation.path(name), text).unwrap();
    let project = installation.project();
    std::fs::create_dir(installation.path("deploy")).unwrap();
    let moved = installation.path("deploy/stack.yaml");
    std::fs::rename(installation.path("docker-compose.yml"), moved).unwrap();
    let env = String::from_utf8(installation.read(".env")).unwrap();
    let env = format!("COMPOSE_FILE=deploy/stack.yaml\nCOMPOSE_PROJECT_NAME={project}\n{env}");
    write(".env", &env);
    // Compose reads this one too, for what the other does not have.
    let beside = "TESSALLITE_VERSION=0.0.1\n";
    write("deploy/.env", beside);

    installation.upgrade(&["--to", "1.5.0", "--expect-migration", "0008", "--soak", "0"]).code(0);
    assert_runs(&installation, &installation.fingerprint(), "1.5.0");
    let now = String::from_utf8(installation.read(".env")).unwrap();
    assert_eq!(now, env.replacen("\"1.4.0\"", "\"1.5.0\"", 1));
    assert_eq!(installation.read("deploy/.env"), beside.as_bytes());
}

#[test]
fn images_that_are_not_there_are_pulled_and_the_current_health_paths_are_understood() {
    let installation = Installation::borrow(Template::Variable);
    let images = SERVICES.map(|service| format!("{REGISTRY}/tessallite/{service}:1.6.0"));
    let mut remove = vec!["rmi", "--force"];
    remove.extend(images.iter().map(String::as_str));
    docker(&remove);
    let wanted = ["--to", "1.6.0", "--soak", "2", "--timeout", "30", "--output", "json"];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(0).events();
    assert_eq!(events::summary(&events)["ending"], "done");
    assert_runs(&installation, &installation.fingerprint(), "1.6.0");
    assert_eq!(revisions(&installation), "0009 t0009 t0009 t0009");
    assert!(outcome.stdout.contains("db_migration is 0009"), "{outcome}");
}

#[test]
fn one_by_one_means_that_each_service_is_healthy_before_the_next_is_touched() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0", "--one-by-one", "--soak", "1", "--output", "json"];
    let events = installation.upgrade(&wanted).code(0).events();
    let mut deployed = Vec::new();
    let mut open: Option<String> = None;
    for event in &events {
        match events::name(event) {
            "effect_started" if event["function"] == "docker.deploy" => {
                let summary = event["summary"].as_str().unwrap();
                let service = summary.strip_prefix("recreate ").unwrap().to_owned();
                assert_eq!(open.replace(service.clone()), None, "{event}");
                deployed.push(service);
            }
            // The last step asks the frontend once more, now that all of its peers are new.
            "gate" if event["state"]["gate"] == "passed" => {
                open.take_if(|service| event["service"] == service.as_str());
            }
            _ => {}
        }
    }
    assert_eq!(open, None);
    assert_eq!(deployed.len(), SERVICES.len(), "{deployed:?}");
    let place = |service: &str| deployed.iter().position(|name| name == service).unwrap();
    assert_eq!(place("model-service"), 0, "{deployed:?}");
    assert!(place("query-router") < place("gateway"), "{deployed:?}");
    assert_runs(&installation, &installation.fingerprint(), "1.5.0");
}

#[test]
fn a_plan_shows_every_change_and_makes_none() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.run(&["plan", "--to", "1.5.0", "--expect-migration", "0008"]);
    outcome.code(0).says("TESSALLITE_VERSION 1.4.0 → 1.5.0").says("has to be 0008");
    for service in SERVICES {
        outcome.says(&format!("{service} …/{service}:1.4.0 → …/{service}:1.5.0"));
    }
    outcome.says("Back up the database").never_says("recreate postgres");
    installation.run(&["doctor", "--to", "1.5.0"]).code(0).says("Nothing is in the way");
    installation.run(&["status"]).code(0).says("no run is recorded");
    installation.assert_untouched();
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let project = Project::copy(Template::Variable);
    project.program(["--to", "1.5.0"]).run().code(2).says("--yes was not given");
    project.assert_untouched();
}
