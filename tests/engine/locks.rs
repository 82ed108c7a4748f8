//! Runs that meet at the lock of one installation.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tessallite_up_tests::fake_registry::{FakeRegistry, Fault};
use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::{docker, succeeds, wait_for};
use tessallite_up_tests::program::Running;
use tessallite_up_tests::{Installation, Project, Template};

use crate::upgraded::{assert_migrated_to_0008, assert_runs};

const LIMIT: Duration = Duration::from_secs(60);
/// There is nothing to do: it takes the lock, and gives it back.
const NOTHING: [&str; 2] = ["--to", "1.4.0"];

fn name(installation: &Installation) -> String {
    format!("tessallite-up-lock-{}", installation.project())
}

fn is_locked(installation: &Installation) -> bool {
    succeeds(Command::new("docker").args(["container", "inspect", &name(installation)]))
}

fn labels(installation: &Installation) -> BTreeMap<String, String> {
    let format = "{{range $name, $value := .Config.Labels}}{{$name}} {{$value}}\n{{end}}";
    let lines = docker(&["container", "inspect", "--format", format, &name(installation)]);
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// As another program would: what is said here, and what else was said of `like`.
fn forge(installation: &Installation, like: &BTreeMap<String, String>, said: &[(&str, &str)]) {
    let image = &docker(&["inspect", "--format", "{{.Image}}", &installation.container("gateway")]);
    let mut labels = like.clone();
    labels.extend(
        said.iter().map(|(name, value)| (format!("tessallite-up.lock.{name}"), (*value).into())),
    );
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
    let name = name(installation);
    let mut args = vec!["create", "--name", &name];
    args.extend(labels.iter().map(String::as_str));
    args.push(image.trim());
    docker(&args);
}

fn forge_of_another_machine(installation: &Installation) {
    let said = [
        ("run", "20260101-000000-0001"),
        ("who", "anna@elsewhere"),
        ("since", "2026-01-01T00:00:00Z"),
        ("state", "/srv/tess/.tessallite-up"),
        ("machine", "another"),
        ("boot", "another"),
        ("pid-namespace", "pid:[1]"),
        ("pid", "1"),
        ("pid-started", "1"),
    ];
    forge(installation, &BTreeMap::new(), &said);
}

/// A run that holds the lock in the middle of its pull.
fn stalled(installation: &Installation) -> (Running, FakeRegistry) {
    let fake = FakeRegistry::failing(Fault::StalledLayer);
    let image = format!("services.optimizer.image={}", fake.image("optimizer", "1.5.0"));
    let run = installation.program(["--yes", "--to", "1.5.0", "--set", &image]).start();
    fake.wait_until_pulled();
    (run, fake)
}

fn entries(installation: &Installation, below: &str) -> Vec<String> {
    let entries = fs::read_dir(installation.path(STATE).join(below)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn of_sixteen_runs_at_once_that_find_a_dead_owner_one_works_and_fifteen_touch_nothing() {
    let installation = Installation::borrow(Template::Variable);
    let (run, _fake) = stalled(&installation);
    let left = labels(&installation);
    drop(run);
    installation.forget_records();
    assert_eq!(labels(&installation), left, "a run that is killed leaves its lock");

    // They start with what the first one has compiled.
    let cache = tempfile::tempdir().unwrap();
    let program =
        |args: &[&str]| installation.program(args).env("XDG_CACHE_HOME", cache.path().as_os_str());
    program(&["plan", "--to", "1.5.0"]).run().code(0);
    let wanted = ["--yes", "--to", "1.5.0", "--soak", "15"];
    let runs: Vec<Running> = (0..16).map(|_| program(&wanted).start()).collect();
    let outcomes: Vec<_> = runs.into_iter().map(Running::finish).collect();
    let (worked, refused): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|outcome| outcome.code == Some(0));
    for outcome in &refused {
        outcome.code(7).says("another run holds the lock").never_says("unlock");
    }
    assert_eq!((worked.len(), refused.len()), (1, 15));
    worked[0].says("Done and verified");

    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
    assert_eq!(entries(&installation, "runs").len(), 1, "only one run was begun");
    let dumps = entries(&installation, "backups").into_iter();
    assert_eq!(dumps.filter(|name| name.ends_with(".dump.zst")).count(), 1);
    assert!(!is_locked(&installation));
}

#[test]
fn two_directories_of_one_project_exclude_each_other() {
    let installation = Installation::borrow(Template::Literal);
    let (first, fake) = stalled(&installation);
    let other = Project::copy(Template::Literal);
    let refused = other.upgrade(&["--to", "1.5.0", "-p", &installation.project()]);
    refused.code(7).says("another run holds the lock");
    other.assert_untouched();

    // Compose sees nothing of it.
    let seen = installation.compose(&["ps", "--all", "--format", "{{.Name}}"]);
    assert!(!seen.contains("lock"), "{seen}");
    let dry = installation.compose(&["up", "--detach", "--no-recreate"]);
    assert!(!dry.contains("lock"), "{dry}");
    first.interrupt();
    first.wait_for_stderr("Stopping after the effect under way");
    fake.go_on();
    first.finish().code(130);
    assert!(!is_locked(&installation), "a run that is interrupted gives its lock back");
    installation.assert_untouched_but_recorded();
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_taken_over() {
    let installation = Installation::borrow(Template::Literal);
    let (run, _fake) = stalled(&installation);
    installation.run(&["unlock", &entries(&installation, "runs")[0]]).code(7).says("another run");
    drop(run);
    let left = labels(&installation);
    installation.upgrade(&NOTHING).code(0).says("Nothing to do");
    assert!(!is_locked(&installation));

    // The same process before the machine was started again, and another one that has
    // got its number.
    for (name, value) in [("boot", "before"), ("pid-started", "1")] {
        let own = std::process::id().to_string();
        forge(&installation, &left, &[("pid", &own), (name, value)]);
        installation.upgrade(&NOTHING).code(0).says("Nothing to do");
        assert!(!is_locked(&installation), "{name}");
    }
    installation.assert_untouched_but_recorded();
}

#[test]
fn the_lock_of_another_machine_stays_until_it_is_removed_by_the_name_of_its_run() {
    let installation = Installation::borrow(Template::Literal);
    forge_of_another_machine(&installation);
    let outcome = installation.upgrade(&NOTHING);
    for told in [
        "another run holds the lock of tess-literal",
        "20260101-000000-0001 of anna@elsewhere, since 2026-01-01T00:00:00Z",
        "/srv/tess/.tessallite-up",
        "--lock-wait SECONDS",
        "tessallite-up unlock 20260101-000000-0001",
    ] {
        outcome.code(7).says(told);
    }
    installation.run(&["status"]).code(0).says("locked by run 20260101-000000-0001 of anna");
    installation.run(&["unlock", "20260101-000000-0002"]).code(7).says("anna@elsewhere");
    assert!(is_locked(&installation));
    installation.run(&["unlock", "20260101-000000-0001"]).code(0).says("anna@elsewhere");
    assert!(!is_locked(&installation));
    installation.run(&["unlock", "20260101-000000-0001"]).code(0).says("Nothing is locked");
    installation.upgrade(&NOTHING).code(0);
    installation.assert_untouched();
}

#[test]
fn a_run_waits_as_long_as_it_is_told_to() {
    let installation = Installation::borrow(Template::Literal);
    forge_of_another_machine(&installation);
    let began = Instant::now();
    installation.upgrade(&["--to", "1.4.0", "--lock-wait", "2"]).code(7);
    assert!(began.elapsed() >= Duration::from_secs(2));

    let run = installation.program(["--yes", "--lock-wait", "60"]).args(NOTHING).start();
    run.wait_for_stderr("Waiting for run 20260101-000000-0001 of anna@elsewhere");
    std::thread::sleep(Duration::from_secs(1));
    docker(&["rm", &name(&installation)]);
    let outcome = run.finish();
    outcome.code(0).says("Nothing to do");
    assert_eq!(outcome.stderr.matches("Waiting for").count(), 1, "{outcome}");
    installation.assert_untouched();
}

#[test]
fn whoever_has_waited_plans_for_what_the_other_run_has_left() {
    let installation = Installation::borrow(Template::Literal);
    forge_of_another_machine(&installation);
    let wanted = ["--yes", "--lock-wait", "60", "--to", "1.5.0"];
    let run = installation.program(wanted).start();
    run.wait_for_stderr("Waiting for run 20260101-000000-0001 of anna@elsewhere");
    for file in ["compose.yml", "compose.override.yml"] {
        let text = String::from_utf8(installation.read(file)).unwrap();
        fs::write(installation.path(file), text.replace(":1.4.0", ":1.5.0")).unwrap();
    }
    installation.compose(&["pull", "--quiet"]);
    installation.compose(&["up", "--detach", "--wait"]);
    docker(&["rm", &name(&installation)]);
    run.finish().code(0).says("Nothing to do");
}

#[test]
fn a_run_that_is_interrupted_before_it_begins_gives_its_lock_back() {
    let installation = Installation::borrow(Template::Literal);
    let run = installation.program(["--yes", "--to", "1.5.0"]).start();
    wait_for("the lock", LIMIT, || is_locked(&installation).then_some(()));
    run.interrupt();
    run.finish().code(130).says("Nothing was done");
    assert!(!is_locked(&installation));
    installation.assert_untouched();
}

#[test]
fn a_container_that_is_no_lock_is_not_taken_for_one() {
    let installation = Installation::borrow(Template::Literal);
    forge(&installation, &BTreeMap::new(), &[]);
    let outcome = installation.upgrade(&NOTHING);
    outcome.code(3).says("and is no lock").says("docker inspect tessallite-up-lock-tess-literal");
    installation.run(&["unlock", "1"]).code(3).says("and is no lock");
    assert!(is_locked(&installation));
    docker(&["rm", &name(&installation)]);
    installation.assert_untouched();
}

#[test]
fn a_project_that_is_not_on_the_engine_cannot_be_locked() {
    let image = "127.0.0.1:5055/tessallite/not-there:1.4.0";
    let text = format!("name: tess-nowhere\nservices:\n  gateway:\n    image: {image}\n");
    let project = Project::of([("compose.yml".to_owned(), text)]);
    let outcome = project.upgrade(&NOTHING);
    outcome.code(3).says("neither a container nor an image of the Compose project tess-nowhere");
    project.assert_untouched();
}
