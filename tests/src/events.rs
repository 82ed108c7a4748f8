//! The events of a run as `--output json` writes them.

use std::collections::BTreeSet;

use serde_json::Value;

/// The events of standard output, one a line.
///
/// # Panics
/// A line is not what is documented.
pub fn parse(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
            assert_eq!(event["version"], 1, "{line}");
            assert!(event["event"].is_string(), "{line}");
            event
        })
        .collect()
}

pub fn name(event: &Value) -> &str {
    event["event"].as_str().unwrap_or_default()
}

pub fn named<'a>(events: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| name(event) == wanted).collect()
}

/// What `RunFinished` says.
///
/// # Panics
/// The run did not finish.
pub fn summary(events: &[Value]) -> &Value {
    let last = events.last().expect("a run has events");
    assert_eq!(name(last), "run_finished", "{last}");
    &last["summary"]
}

/// The guarantees that `report/event.rs` gives.
///
/// # Panics
/// They do not hold.
pub fn assert_in_order(events: &[Value]) {
    assert_of_one_run(events);
    let mut step: Option<&Value> = None;
    let mut under_way = BTreeSet::new();
    for event in events {
        match name(event) {
            "step_started" => {
                assert!(step.replace(&event["step"]).is_none(), "two steps at once: {event}");
            }
            "step_finished" | "step_failed" => {
                assert_eq!(step.take(), Some(&event["step"]), "{event}");
                assert!(under_way.is_empty(), "ended before its effects: {event}");
            }
            "effect_started" => {
                assert_eq!(step, Some(&event["step"]), "outside of its step: {event}");
                assert!(under_way.insert(event["effect"].as_u64()), "{event}");
            }
            "effect_finished" | "effect_failed" => {
                assert!(under_way.remove(&event["effect"].as_u64()), "never began: {event}");
            }
            _ => {}
        }
    }
    assert!(step.is_none() && under_way.is_empty(), "left open: {step:?} {under_way:?}");
}

fn assert_of_one_run(events: &[Value]) {
    let place = |wanted: &str| {
        let all: Vec<usize> =
            (0..events.len()).filter(|place| name(&events[*place]) == wanted).collect();
        assert_eq!(all.len(), 1, "{wanted} has to come once: {all:?}");
        all[0]
    };
    let run = &events[place("plan_made")]["run"];
    for event in &events[place("plan_made")..] {
        assert_eq!(&event["run"], run, "{event}");
    }
    let first_of_run = events
        .iter()
        .position(|event| name(event).starts_with("step_") || name(event).starts_with("effect_"));
    assert!(place("plan_made") < place("run_started"));
    assert!(first_of_run.is_none_or(|first| place("run_started") < first));
    assert_eq!(place("run_finished") + 1, events.len(), "nothing comes after the end");
}
