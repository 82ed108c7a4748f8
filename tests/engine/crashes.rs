//! The process is killed at every effect, just before it, in the middle and just after it:
//! the run is resumed, or rolled back, and nothing tells that it was.

use std::fs;

use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::{Installation, Outcome, Template};

use crate::upgraded::{assert_migrated_to_0008, assert_runs};
use crate::way_back::assert_as_before;

/// Of an upgrade of `variable`: dump, pull, pin, three deployments.
const OF_UPGRADE: usize = 6;
/// Of a rollback after it: stop, stop, dump, restore, unpin, three deployments.
const OF_ROLLBACK: usize = 8;
/// For one effect, one after the other; the delay lets it come some way.
const MOMENTS: [&str; 5] = ["before:", "begun:", "begun:+120", "done:", "after:"];

/// Runs the program with these arguments, and has it killed in each moment of each effect,
/// until it comes to its end. How often it was killed.
fn killed_all_the_way(installation: &Installation, first: &[&str]) -> (usize, Outcome) {
    let (mut args, mut kills, mut tried, mut done) = (first, 0, 0, finished(installation));
    loop {
        let (moment, later) = MOMENTS[tried].split_once('+').unwrap_or((MOMENTS[tried], ""));
        let later = if later.is_empty() { String::new() } else { format!(":{later}") };
        let crash = format!("{moment}{}{later}", begun(installation));
        let outcome = installation.program(args).env("TESSALLITE_UP_CRASH", &crash).run();
        if outcome.code.is_some() {
            return (kills, outcome);
        }
        kills += 1;
        assert!(kills < 200, "it never ends");
        args = &["resume", "--yes"];
        // What came to its end in spite of all is followed by another one.
        let now = finished(installation);
        tried = if now > done { 0 } else { (tried + 1) % MOMENTS.len() };
        done = now;
    }
}

fn begun(installation: &Installation) -> usize {
    count(installation, "\"effect_started\"")
}

fn finished(installation: &Installation) -> usize {
    count(installation, "\"effect_finished\"")
}

/// Records of this kind in the only run there is.
fn count(installation: &Installation, kind: &str) -> usize {
    let runs = fs::read_dir(installation.path(STATE).join("runs")).into_iter().flatten().flatten();
    let journals = runs.map(|run| fs::read_to_string(run.path().join("journal.jsonl")).unwrap());
    journals.map(|journal| journal.matches(kind).count()).sum()
}

#[test]
fn whatever_kills_an_upgrade_and_its_rollback_they_can_be_resumed_to_their_ends() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--yes", "--to", "1.5.0", "--soak", "1"];
    let (kills, outcome) = killed_all_the_way(&installation, &wanted);
    outcome.code(0);
    assert!(kills >= 3 * OF_UPGRADE, "killed {kills} times only");
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);

    let (more, outcome) = killed_all_the_way(&installation, &["rollback", "--yes"]);
    outcome.code(5).says("The installation is as it was");
    assert!(more >= 3 * OF_ROLLBACK, "killed {more} times only");
    assert_as_before(&installation);
    println!("killed {kills} times on the way, and {more} times on the way back");
}

#[test]
fn whatever_kills_an_upgrade_it_can_be_rolled_back() {
    let installation = Installation::borrow(Template::Variable);
    let mut kills = 0;
    // From the pin on, there is something to go back from.
    for (effect, moment) in (2..OF_UPGRADE).zip(["done", "begun", "after", "begun"]) {
        let crash = format!("{moment}:{effect}");
        let program = installation.program(["--yes", "--to", "1.5.0", "--soak", "1"]);
        let outcome = program.env("TESSALLITE_UP_CRASH", &crash).run();
        assert_eq!(outcome.code, None, "it was to be killed at {crash}\n{outcome}");
        kills += 1;
        installation.run(&["rollback", "--yes"]).code(0);
        assert_as_before(&installation);
    }
    println!("killed {kills} times, rolled back each time");
}

#[test]
fn a_kill_before_anything_was_changed_leaves_nothing_to_go_back_from() {
    let installation = Installation::borrow(Template::Variable);
    let program = installation.program(["--yes", "--to", "1.5.0", "--soak", "1"]);
    let killed = program.env("TESSALLITE_UP_CRASH", "begun:0").run();
    assert_eq!(killed.code, None, "{killed}");
    installation.run(&["rollback", "--yes"]).code(2).says("there is no run");
    installation.run(&["plan", "--to", "1.5.0"]).code(0);
    installation.assert_untouched_but_recorded();
}
