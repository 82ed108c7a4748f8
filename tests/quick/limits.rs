//! A plugin that takes too much is stopped, with the reason, and nobody else is.

use std::time::{Duration, Instant};

use tessallite_up::capability::conduct::Notice;
use tessallite_up::plugin::{Error, Limits};

use crate::plugin::{Bench, step};

/// Far less than the real ones, so that the tests are quick.
fn tight() -> Limits {
    Limits { memory_bytes: 48 << 20, execution: Duration::from_millis(300), ..Limits::default() }
}

fn why(error: Error) -> String {
    match error {
        Error::Limit { why, .. } => why,
        other => panic!("not for a limit: {other:?}"),
    }
}

#[tokio::test]
async fn an_endless_loop_ends() {
    let bench = Bench::hostile(tight());
    let error = bench.make_plan("make-plan:loop").await.unwrap_err();
    assert_eq!(why(error), "it ran for longer than its limit");
    bench.is_well().await;
    let error = bench.apply("apply:loop", &step("s", 60), &[]).await.unwrap_err();
    assert_eq!(why(error), "it ran for longer than its limit");
    bench.is_well().await;
}

#[tokio::test]
async fn an_endless_loop_in_describe_ends() {
    let mut limits = tight();
    limits.describe = Duration::from_secs(20);
    let dir = tempfile::tempdir().unwrap();
    let file = crate::guide::hostile("describe:loop", dir.path());
    let bench = Bench::of(&file, limits);
    let error = bench.component.describe(&bench.caller()).await.unwrap_err();
    assert!(matches!(error, Error::Limit { call: "describe", .. }), "{error:?}");
}

/// On one thread: the loop has to give way.
#[tokio::test(flavor = "current_thread")]
async fn a_plugin_that_loops_does_not_hold_up_another() {
    let bench = Bench::hostile(tight());
    let began = Instant::now();
    let (looping, ()) = tokio::join!(bench.make_plan("make-plan:loop"), async {
        bench.is_well().await;
        assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    });
    assert!(looping.is_err());
}

#[tokio::test]
async fn memory_ends_at_the_limit() {
    let bench = Bench::hostile(tight());
    let error = bench.make_plan("make-plan:memory").await.unwrap_err();
    assert_eq!(why(error), "it asked for more memory than its limit");
    bench.is_well().await;
}

#[tokio::test]
async fn recursion_without_end_ends_at_the_stack() {
    let bench = Bench::hostile(tight());
    let error = bench.make_plan("make-plan:recursion").await.unwrap_err();
    assert_eq!(why(error), "it recursed deeper than its stack");
    bench.is_well().await;
}

/// Rust keeps what has an address on a stack of its own, in the plugin's memory, and that
/// one may end first: then nobody can tell it from any other bad address.
#[tokio::test]
async fn recursion_without_end_is_a_trap_where_the_plugins_own_stack_ends_first() {
    let bench = Bench::hostile(tight());
    let error = bench.make_plan("make-plan:large-recursion").await.unwrap_err();
    assert!(matches!(error, Error::Trap { .. }), "{error:?}");
    bench.is_well().await;
}

#[tokio::test]
async fn a_trap_is_the_plugins_own() {
    let bench = Bench::hostile(tight());
    let error = bench.apply("apply:trap", &step("s", 5), &[]).await.unwrap_err();
    assert!(matches!(error, Error::Trap { call: "apply", .. }), "{error:?}");
    bench.is_well().await;
}

#[tokio::test]
async fn a_step_that_sleeps_past_its_time_is_given_up() {
    let bench = Bench::hostile(tight());
    let began = Instant::now();
    let error = bench.apply("apply:sleep", &step("s", 1), &[]).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { call: "apply", .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    bench.is_well().await;
}

#[tokio::test]
async fn a_line_of_the_log_is_short_and_cannot_move_the_cursor() {
    let bench = Bench::hostile(Limits::default());
    bench.make_plan("make-plan:log").await.unwrap().unwrap();
    let told = bench.witness.told();
    let [Notice::Log { message, .. }] = told.as_slice() else { panic!("{} notices", told.len()) };
    assert!(message.len() <= 4096, "{}", message.len());
    assert!(
        message.starts_with("\u{fffd}[2J\u{fffd}  \u{fffd}31m\u{fffd}xx"),
        "{:?}",
        &message[..40]
    );
}

#[tokio::test]
async fn a_gate_cannot_move_the_cursor_either() {
    let bench = Bench::hostile(Limits::default());
    bench.make_plan("make-plan:gate").await.unwrap().unwrap();
    let told = bench.witness.told();
    assert_eq!(told.len(), 1);
    let text = format!("{:?}", told[0]);
    assert!(text.len() < 5_000, "{}", text.len());
    assert!(!text.contains("\\u{1b}") && !text.contains("\\u{202e}"), "{text}");
}

#[tokio::test]
async fn ten_million_lines_of_the_log_are_cut_short() {
    let bench = Bench::hostile(Limits::default());
    let error = bench.make_plan("make-plan:flood").await.unwrap_err();
    assert_eq!(why(error), "it wrote more to the log than its limit");
    assert_eq!(bench.witness.told().len(), 10_000);
    bench.is_well().await;
}

#[tokio::test]
async fn calls_without_end_come_to_one() {
    let bench = Bench::hostile(Limits::default());
    let error = bench.make_plan("make-plan:call-for-ever").await.unwrap_err();
    assert_eq!(why(error), "it made more calls to the host than its limit");
    bench.is_well().await;
}

#[tokio::test]
async fn a_plan_of_a_million_steps_stops_the_plugin() {
    let bench = Bench::hostile(Limits::default());
    let error = bench.make_plan("plan:million-steps").await.unwrap_err();
    assert!(matches!(error, Error::Trap { .. } | Error::Limit { .. }), "{error:?}");
    bench.is_well().await;
}

#[tokio::test]
async fn more_than_a_call_may_carry_stops_the_plugin() {
    let bench = Bench::hostile(Limits::default());
    for behaviour in ["make-plan:huge-log", "plan:huge-notes"] {
        let error = bench.make_plan(behaviour).await.unwrap_err();
        assert_eq!(why(error), "it handed over more in one call than its limit");
    }
    assert!(bench.witness.told().is_empty());
    bench.is_well().await;
}
