//! The process is killed at every effect, before it, in the middle and after it: the run is
//! resumed, or rolled back, and nothing tells that it was.

use tessallite_up_gcp::setup::SERVICES;
use tessallite_up_tests::{Cloud, Outcome};

/// A backup, and a new revision and its traffic for each service.
const OF_UPGRADE: usize = 1 + 2 * SERVICES.len();
/// Traffic for each service, and the restore.
const OF_ROLLBACK: usize = SERVICES.len() + 1;
const MOMENTS: [&str; 5] = ["before", "begun", "noted", "done", "after"];

/// Runs the program with these arguments, and has it killed in each moment of each effect,
/// until it comes to its end. How often it was killed.
fn killed_all_the_way(cloud: &Cloud, first: &[&str]) -> (usize, Outcome) {
    let (mut args, mut kills, mut tried, mut done) =
        (first, 0, 0, cloud.recorded("effect_finished"));
    loop {
        let crash = format!("{}:{}", MOMENTS[tried], cloud.recorded("effect_started"));
        let outcome = cloud.program(args).env("TESSALLITE_UP_CRASH", &crash).run();
        if outcome.code.is_some() {
            return (kills, outcome);
        }
        kills += 1;
        assert!(kills < 200, "it never ends");
        args = &["resume", "--yes"];
        let now = cloud.recorded("effect_finished");
        tried = if now > done { 0 } else { (tried + 1) % MOMENTS.len() };
        done = now;
    }
}

#[test]
fn whatever_kills_an_upgrade_and_its_rollback_they_can_be_resumed_to_their_ends() {
    let cloud = Cloud::usual();
    let wanted = ["--yes", "--soak", "0", "--to", "2.0.0"];
    let (kills, outcome) = killed_all_the_way(&cloud, &wanted);
    outcome.code(0);
    assert!(kills >= 3 * OF_UPGRADE, "killed {kills} times only");
    cloud.assert_serves("2.0.0");
    cloud.assert_tidy();
    for service in SERVICES {
        let revisions = cloud.fake.revisions(service);
        assert_eq!(revisions.len(), 3, "{service}: {revisions:?}");
    }
    assert_eq!(cloud.fake.backups().len(), 1, "{:?}", cloud.fake.backups());

    let (more, outcome) = killed_all_the_way(&cloud, &["rollback", "--yes"]);
    outcome.code(5);
    assert!(more >= 3 * OF_ROLLBACK, "killed {more} times only");
    cloud.assert_as_before();
    // One that was killed between the second backup and the restore takes another one: what was
    // written meanwhile is not to be lost.
    let backups = cloud.fake.backups();
    assert!(
        backups.len() >= 2 && backups.iter().all(|(_, how)| how == "SUCCESSFUL"),
        "{backups:?}"
    );
    assert_eq!(cloud.fake.count("POST", "*/restoreBackup"), 1);
    println!("killed {kills} times on the way, and {more} times on the way back");
}

#[test]
fn whatever_kills_an_upgrade_it_can_be_rolled_back() {
    let moments = ["noted", "begun", "done", "after"];
    // From the first new revision on, there is something to go back from.
    for effect in (1..OF_UPGRADE).step_by(2) {
        let cloud = Cloud::usual();
        let crash = format!("{}:{effect}", moments[effect / 2 % moments.len()]);
        let args = ["--yes", "--soak", "0", "--to", "2.0.0"];
        let outcome = cloud.program(&args).env("TESSALLITE_UP_CRASH", &crash).run();
        assert_eq!(outcome.code, None, "it was to be killed at {crash}\n{outcome}");
        cloud.run(&["rollback", "--yes"]).code(0);
        cloud.assert_as_before();
    }
}

#[test]
fn after_a_crash_the_status_tells_how_to_go_on_and_how_to_go_back() {
    let cloud = Cloud::usual();
    let wanted = ["--yes", "--soak", "0", "--to", "2.0.0"];
    cloud.run(&["status"]).code(0).never_says("tessallite-up resume");
    let killed = cloud.program(&wanted).env("TESSALLITE_UP_CRASH", "after:2").run();
    assert_eq!(killed.code, None, "{killed}");
    let status = cloud.run(&["status"]);
    status.code(0).says("which has died").says("was cut off in the middle");
    status.says("tessallite-up resume ").says("tessallite-up rollback ");
    let json = cloud.run(&["status", "--output", "json"]).code(0).stdout.clone();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["unfinished"], json["locked_by"]);
    assert!(json["unfinished"].is_string(), "{json}");
    cloud.run(&["rollback", "--yes"]).code(0);
    cloud.assert_as_before();
    cloud.run(&["status"]).code(0).never_says("tessallite-up resume");
}
