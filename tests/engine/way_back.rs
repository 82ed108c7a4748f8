//! Going back: whatever happens, the installation ends where it was, and nothing that ever
//! was is gone.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};

use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::docker;
use tessallite_up_tests::{Fingerprint, Installation, Outcome, Template, events, place};

use crate::upgraded::{assert_migrated_to_0008, assert_runs, revisions};

/// All that has to be as it was; a database that is kept comes on top.
const KINDS: [&str; 6] = ["file", "image", "database", "schema", "sequence", "table"];

#[track_caller]
pub fn assert_as_before(installation: &Installation) {
    let (now, before) = (installation.fingerprint(), installation.before());
    now.only(&KINDS).assert_same_as(&before.only(&KINDS));
    installation.wait_until_healthy();
}

/// The name of the database that the upgrade left behind.
fn kept(fingerprint: &Fingerprint) -> String {
    let others = fingerprint.of("other-database");
    let kept: Vec<_> = others.keys().filter(|name| name.contains("_replaced_")).collect();
    assert_eq!(kept.len(), 1, "{others:?}");
    assert_eq!(others.len(), 1, "half a restore is left: {others:?}");
    (*kept[0]).to_owned()
}

fn run_of(outcome: &Outcome) -> String {
    let text = outcome.stdout.split("runs/").nth(1).expect("the record of the run");
    text.split_whitespace().next().expect("its name").to_owned()
}

/// Somebody who writes one row after the other, wherever the services lead.
struct Writer {
    postgres: String,
    client: Child,
}

impl Writer {
    fn start(installation: &Installation) -> Self {
        let postgres = installation.container("postgres");
        let script = "n=0; while [ ! -e /tmp/enough ]; do n=$((n + 1)); psql -XqAt -U tessallite -d tessallite \
            -c \"INSERT INTO public.writes VALUES ($n) RETURNING n\" 2>/dev/null; done";
        let mut client = Command::new("docker");
        client.args(["exec", &postgres, "sh", "-c", script]);
        let client = client.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self { postgres, client }
    }

    /// What the database has said to have written.
    fn end(self) -> BTreeSet<u64> {
        docker(&["exec", &self.postgres, "touch", "/tmp/enough"]);
        let said = self.client.wait_with_output().unwrap();
        docker(&["exec", &self.postgres, "rm", "/tmp/enough"]);
        numbers(&String::from_utf8(said.stdout).unwrap())
    }
}

fn numbers(lines: &str) -> BTreeSet<u64> {
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

/// One after the other in the same installation, while somebody writes: each has to leave it
/// as it was, and every row that was written is in the database or in the one that is kept.
#[test]
fn broken_releases_are_rolled_back() {
    let installation = Installation::borrow(Template::Variable);
    installation.query("CREATE TABLE public.writes (n bigint)");
    let without_writes = |fingerprint: Fingerprint| {
        let lines = fingerprint.only(&KINDS);
        let lines = lines.text().lines().filter(|line| !line.starts_with("table public.writes "));
        Fingerprint::new(lines.map(|line| format!("{line}\n")).collect())
    };
    let before = without_writes(installation.fingerprint());
    for (release, says) in [
        ("1.5.0-crash", "query-router-1 exited with code 1"),
        ("1.5.0-sick", "query-router after 6 s"),
        ("1.5.0-halfway", "model-service-1 exited with code 1"),
        ("1.5.0-stranded", "globex-eu_meta at t0007"),
    ] {
        let timeout = if release == "1.5.0-sick" { "6" } else { "30" };
        let writer = Writer::start(&installation);
        let outcome = installation.upgrade(&["--to", release, "--soak", "3", "--timeout", timeout]);
        let acknowledged = writer.end();
        outcome.code(5).says(says).says("Rolled back").says("The installation is as it was");
        without_writes(installation.fingerprint()).assert_same_as(&before);
        installation.wait_until_healthy();
        let kept = kept(&installation.fingerprint());
        outcome.says(&kept);
        let mut there = numbers(&installation.query("SELECT n FROM public.writes"));
        let psql = format!("exec psql -XqAt -U \"$POSTGRES_USER\" -d {kept} -c \"$0\"");
        let rows = ["exec", "-T", "postgres", "sh", "-c", &psql, "SELECT n FROM public.writes"];
        there.extend(numbers(&installation.compose(&rows)));
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty() && acknowledged.len() > 50, "{lost:?} of {acknowledged:?}");
        installation.query("TRUNCATE public.writes");
        installation.query(&format!("DROP DATABASE \"{kept}\""));
    }
}

#[test]
fn what_clients_wrote_meanwhile_is_in_the_database_that_is_kept() {
    let installation = Installation::borrow(Template::Variable);
    let env = fs::read_to_string(installation.path(".env")).unwrap();
    fs::write(installation.path(".env"), format!("{env}\nWRITES=1\n")).unwrap();
    installation.compose(&["up", "--detach", "--no-deps", "scheduler"]);
    installation.wait_until_healthy();
    let count = "SELECT count(*) FROM tess_system.builds";
    let wanted = ["--to", "1.5.0-sick", "--timeout", "6", "--output", "json"];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(5).events();
    let lost = events::named(&events, "writes_would_be_lost");
    let tables = lost[0]["tables"].as_array().unwrap();
    let builds = tables.iter().find(|table| table["name"] == "builds").unwrap();
    let then = builds["rows_then"].as_u64().unwrap();
    let now = builds["rows_now"].as_u64().unwrap();
    assert!(now > then, "{builds}");
    // The scheduler goes on writing in the one that came back.
    let restored: u64 = installation.query(count).parse().unwrap();
    assert!(restored >= then, "{restored} {then}");
    let kept = kept(&installation.fingerprint());
    let psql = format!("exec psql -XqAt -U \"$POSTGRES_USER\" -d {kept} -c \"$0\"");
    let there = installation.compose(&["exec", "-T", "postgres", "sh", "-c", &psql, count]);
    assert_eq!(there.trim().parse::<u64>().unwrap(), now);
}

#[test]
fn a_run_that_went_well_can_be_taken_back_by_hand_and_only_once() {
    let installation = Installation::borrow(Template::Variable);
    let outcome = installation.upgrade(&["--to", "1.5.0", "--soak", "1"]);
    let run = run_of(outcome.code(0));
    let upgraded = installation.fingerprint();
    let preview = installation.run(&["rollback", "--preview"]);
    preview.code(0).says("Bring the database back").says(&run);
    installation.fingerprint().assert_same_as(&upgraded);
    installation.run(&["rollback"]).code(2).says("--yes");
    installation.run(&["rollback", "--yes", &run]).code(0).says("Rolled back");
    assert_as_before(&installation);
    let running = installation.containers();
    installation.compose(&["up", "--detach"]);
    assert_eq!(installation.containers(), running, "a plain up changes nothing");
    installation.run(&["rollback", "--yes", &run]).code(2).says("rolled back already");
    installation.run(&["resume", "--yes", &run]).code(2).says("rolled back already");
    installation
        .run(&["rollback", "--yes", "20200101-000000-0000"])
        .code(2)
        .says("there is no run");
    installation.upgrade(&["--to", "1.5.0", "--soak", "1"]).code(0);
    assert_runs(&installation, &installation.fingerprint(), "1.5.0");
}

#[test]
fn a_moving_tag_leads_to_the_former_images_again() {
    let installation = Installation::borrow(Template::Moving);
    let mut move_stable = Command::new(place::command("move-stable"));
    tessallite_up_tests::process::run(move_stable.arg("1.5.0"));
    installation.upgrade(&["--soak", "1"]).code(0);
    installation.run(&["rollback", "--yes"]).code(0);
    assert_as_before(&installation);
    let running = installation.containers();
    installation.compose(&["up", "--detach"]);
    assert_eq!(installation.containers(), running, "a plain up changes nothing");
    assert_eq!(installation.compose(&["ps", "--quiet", "query-router"]).lines().count(), 2);
}

#[test]
fn literal_tags_come_back_in_every_file() {
    let installation = Installation::borrow(Template::Literal);
    installation.upgrade(&["--to", "1.5.0", "--soak", "1"]).code(0);
    installation.run(&["rollback", "--yes"]).code(0);
    assert_as_before(&installation);
}

#[test]
fn a_run_that_was_left_in_the_middle_stands_in_the_way_of_the_next() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0-sick", "--timeout", "5", "--on-failure", "stop"];
    let run = run_of(installation.upgrade(&wanted).code(6));
    let next = installation.upgrade(&["--to", "1.5.0"]);
    next.code(3).says(&format!("tessallite-up resume {run}")).says("tessallite-up rollback");
    // What a rollback keeps, or will keep, is nobody's to drop meanwhile.
    installation.run(&["backup", "prune", "--databases", "kept_x"]).code(3).says("resume");
    installation.run(&["resume", "--yes", "--on-failure", "stop"]).code(6).says("query-router");
    installation.run(&["rollback", "--yes"]).code(0);
    assert_as_before(&installation);
    installation.run(&["plan", "--to", "1.5.0"]).code(0);
}

#[test]
fn quiesced_services_lose_no_write() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--to", "1.5.0-sick", "--timeout", "5", "--quiesce", "--output", "json"];
    let outcome = installation.upgrade(&wanted);
    let events = outcome.code(5).events();
    let plan = events::named(&events, "plan_made")[0]["plan"].to_string();
    assert!(plan.contains("no service answers from before the backup"), "{plan}");
    assert_as_before(&installation);
}

#[test]
fn a_file_that_somebody_changed_meanwhile_is_kept() {
    let installation = Installation::borrow(Template::Variable);
    let run = run_of(installation.upgrade(&["--to", "1.5.0", "--soak", "1"]).code(0));
    let mut env = installation.read(".env");
    env.extend_from_slice(b"\n# written by somebody\n");
    fs::write(installation.path(".env"), &env).unwrap();
    installation.run(&["rollback", "--yes"]).code(0);
    assert_as_before(&installation);
    let replaced = installation.path(STATE).join(format!("runs/{run}/files/0.replaced-0"));
    assert_eq!(fs::read(replaced).unwrap(), env);
}

#[test]
fn a_release_whose_database_suits_the_former_services_leaves_it() {
    let installation = Installation::borrow(Template::Variable);
    let release = tempfile::NamedTempFile::new().unwrap();
    let manifest = "version = \"1.5.0\"\nkeeps_compatibility = true\n";
    fs::write(release.path(), manifest).unwrap();
    let path = release.path().to_str().unwrap();
    let plan = installation.run(&["plan", "--release", path]);
    plan.code(0).says("the database stays as it is then").never_says("Bring the database back");
}

#[test]
fn a_run_that_is_interrupted_can_be_resumed_to_its_end() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--yes", "--to", "1.5.0", "--soak", "1", "--output", "json"];
    let mut run = installation.program(wanted).start();
    run.wait_for_event("the pin", |event| event["function"] == "docker.pin");
    run.interrupt();
    let outcome = run.finish();
    let summary = events::summary(&outcome.code(130).events()).clone();
    assert!(summary["advice"].to_string().contains("tessallite-up resume"), "{summary}");
    installation.run(&["resume", "--yes"]).code(0).says("Finished before: backup, pull");
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
    assert_eq!(revisions(&installation), "0008 t0008 t0008 t0008");
    let left = docker(&["ps", "--all", "--quiet", "--filter", "name=tessallite-up-lock-variable"]);
    assert!(left.lines().count() <= 1, "the lock was given back");
}
