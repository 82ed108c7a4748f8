//! The process is killed at every effect, just before it, in the middle and just after it:
//! the run is resumed, or rolled back, and nothing tells that it was.

use tessallite_up_tests::{Installation, Outcome, Template};

use crate::upgraded::{assert_migrated_to_0008, assert_runs};
use crate::way_back::assert_as_before;

/// Of an upgrade of `variable`: dump, pull, pin, three deployments.
const OF_UPGRADE: usize = 6;
/// Of a rollback after it: stop, stop, dump, restore, unpin, three deployments.
const OF_ROLLBACK: usize = 8;

/// Runs the program with these arguments until it has been killed in each moment of each
/// effect; then to its end. How often it was killed.
fn killed_all_the_way(
    installation: &Installation,
    first: &[&str],
    from: usize,
    effects: usize,
) -> (usize, Outcome) {
    let mut args = first;
    let (mut number, mut kills) = (from, 0);
    for _ in 0..effects {
        // An effect that was begun gets another number when it is begun again.
        for (moment, begun) in
            [("before", 0), ("begun", 1), ("begun", 1), ("done", 1), ("after", 1)]
        {
            let later = if kills % 5 == 2 { ":120" } else { "" };
            let crash = format!("{moment}:{number}{later}");
            let outcome = installation.program(args).env("TESSALLITE_UP_CRASH", &crash).run();
            assert_eq!(outcome.code, None, "it was to be killed at {crash}\n{outcome}");
            kills += 1;
            number += begun;
            args = &["resume", "--yes"];
        }
    }
    (kills, installation.program(args).run())
}

#[test]
fn whatever_kills_an_upgrade_and_its_rollback_they_can_be_resumed_to_their_ends() {
    let installation = Installation::borrow(Template::Variable);
    let wanted = ["--yes", "--to", "1.5.0", "--soak", "1"];
    let (kills, outcome) = killed_all_the_way(&installation, &wanted, 0, OF_UPGRADE);
    outcome.code(0);
    let after = installation.fingerprint();
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);

    let begun = kills / 5 * 4;
    let (more, outcome) =
        killed_all_the_way(&installation, &["rollback", "--yes"], begun, OF_ROLLBACK);
    outcome.code(5).says("The installation is as it was");
    assert_as_before(&installation);
    println!("killed {kills} times on the way, and {more} times on the way back");
}

#[test]
fn whatever_kills_an_upgrade_it_can_be_rolled_back() {
    let installation = Installation::borrow(Template::Variable);
    let mut kills = 0;
    // From the pin on, there is something to go back from.
    for effect in 2..OF_UPGRADE {
        for moment in ["begun", "done", "after"] {
            let crash = format!("{moment}:{effect}");
            let program = installation.program(["--yes", "--to", "1.5.0", "--soak", "1"]);
            let outcome = program.env("TESSALLITE_UP_CRASH", &crash).run();
            assert_eq!(outcome.code, None, "it was to be killed at {crash}\n{outcome}");
            kills += 1;
            installation.run(&["rollback", "--yes"]).code(0);
            assert_as_before(&installation);
        }
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
