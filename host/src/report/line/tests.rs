use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use insta::assert_snapshot;

use super::*;
use crate::report::sample;

/// `run` with `seconds` between the events.
fn written(run: &[Event], level: Level, seconds: u64) -> String {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let clock = Box::new(move || Duration::from_secs(clock.load(Ordering::Relaxed)));
    let mut out = Vec::new();
    let lines = Lines::with_clock(&mut out, level, clock);
    for event in run {
        lines.report(event);
        now.fetch_add(seconds, Ordering::Relaxed);
    }
    drop(lines);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_run_that_succeeds() {
    assert_snapshot!(written(&sample::success(), Level::Info, 3), @r#"
    [   0.0s] plan for tessallite, run 20260101T000000Z-7f3a: 4 services, 4 steps
    [   3.0s] run 20260101T000000Z-7f3a started
    [   6.0s] step 1 of 4: Back up the database
    [   9.0s]   dump internal as 20260101T000000Z-7f3a
    [  15.0s]   done in 12.3 s
    [  18.0s] step backup finished in 12.4 s
    [  21.0s] step 2 of 4: Pull the new images
    [  24.0s]   pull registry.example.com/tessallite/model-service:1.5.0, registry.example.com/tessallite/query-router:1.5.0, registry.example.com/tessallite/gateway:stable
    [  30.0s]   registry.example.com/tessallite/model-service:1.5.0: 50.0 MiB of 100.0 MiB (50 %)
    [  36.0s]   registry.example.com/tessallite/model-service:1.5.0: 100.0 MiB of 100.0 MiB (100 %)
    [  39.0s]   done in 1 min 03 s
    [  42.0s] step pull finished in 1 min 03 s
    [  45.0s] step 3 of 4: Recreate model-service, query-router and wait until healthy (at most 300 s)
    [  48.0s]   recreate model-service, query-router
    [  51.0s]   done in 8.0 s
    [  54.0s]   model-service: waiting: health check: starting
    [  60.0s]   model-service: 2 good answers
    [  63.0s]   model-service: healthy
    [  69.0s]   compose: WARNING: slow start
    [  72.0s]   query-router: healthy
    [  75.0s] step deploy/1 finished in 34.0 s
    [  78.0s] step 4 of 4: Verify migrations and images
    [  81.0s] step verify finished in 350 ms
    [  81.0s]   db_migration is 0042
    [  84.0s] run done and verified in 1 min 52 s
    "#);
}

#[test]
fn a_run_that_fails_shows_the_diagnosis() {
    let written = written(&sample::failure(), Level::Info, 3);
    let (_, end) = written.split_once("health check: starting\n").unwrap();
    assert_snapshot!(end, @r#"
    [  60.0s]   model-service: FAILED: exited with code 1
    [  63.0s] Diagnosis of model-service
    [  63.0s]   tessallite-model-service-1: restarting, exit code 1, out of memory, restarted 3 times
    [  63.0s]     Its health checks, the last one last:
    [  63.0s]       exit code 7: curl: (7) Failed to connect
    [  63.0s]         to localhost
    [  63.0s]     The last lines of its log:
    [  63.0s]       INFO migrating
    [  63.0s]       ERROR no such column
    [  66.0s] step deploy/1 FAILED after 5 min 08 s: model-service: not healthy after 300 s: exited with code 1
    [  69.0s] run FAILED after 1 min 52 s, the installation was changed: model-service: not healthy after 300 s: exited with code 1
    "#);
}

#[test]
fn a_run_that_is_interrupted() {
    let written = written(&sample::interrupted(), Level::Info, 3);
    let (_, end) = written.split_once("health check: starting\n").unwrap();
    assert_snapshot!(end, @r#"
    [  60.0s] stopping after the effect under way: interrupted by the operator
    [  63.0s] step deploy/1 FAILED after 9.0 s: interrupted
    [  66.0s] run interrupted after 1 min 52 s
    "#);
}

#[test]
fn debug_messages_are_shown_to_those_who_want_them() {
    assert!(written(&sample::success(), Level::Debug, 1).contains("compose: debug: port 8001"));
    assert!(!written(&sample::success(), Level::Error, 1).contains("slow start"));
}

#[test]
fn progress_is_a_line_in_ten_seconds_or_for_a_tenth() {
    let slow: Vec<Event> = (0..=100).map(|n| sample::progress("x", n, Some(1_000))).collect();
    assert_eq!(written(&slow, Level::Info, 1).lines().count(), 10);
    let fast: Vec<Event> = (0..=100).map(|n| sample::progress("x", n, Some(100))).collect();
    assert_eq!(written(&fast, Level::Info, 1).lines().count(), 10);
    let unknown: Vec<Event> = (0..=100).map(|n| sample::progress("x", n, None)).collect();
    assert_eq!(written(&unknown, Level::Info, 1).lines().count(), 10);
    let odd = [(0, Some(0)), (u64::MAX, Some(1)), (1, Some(u64::MAX))];
    let odd = odd.map(|(done, total)| sample::progress("x", done, total));
    written(&odd, Level::Info, 60);
}

#[test]
fn a_line_is_a_line_whatever_comes() {
    let event = Event::Incident {
        service: "a\nb".into(),
        container: "\x1b[2J".into(),
        what: "\u{9b}\r".into(),
    };
    assert_eq!(
        written(&[event], Level::Info, 0),
        "[   0.0s] INCIDENT: a b (\u{fffd}[2J): \u{fffd}\n"
    );
}

#[test]
fn a_closed_pipe_is_no_matter() {
    struct Closed(Arc<AtomicU64>);
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let attempts = Arc::new(AtomicU64::new(0));
    let lines = Lines::new(Closed(Arc::clone(&attempts)), Level::Info);
    sample::success().iter().for_each(|event| lines.report(event));
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}
