//! The events as JSON, one object a line, for programs.
//!
//! Every object has `version` (1; see [`VERSION`]), `time` (RFC 3339, UTC, milliseconds),
//! `run` (null until the plan has been made) and `event`; the rest depends on `event`:
//!
//! | `event` | further fields |
//! |---|---|
//! | `confinement` | (of `doctor`) `confinement`: `abi` (null: no Landlock), `files`, `tcp`, `no_new_privileges` (each with `state`: `active`, `partly` or `absent`, and `why`), `write` (paths) |
//! | `plan_made` | `plan`: `run`, `project`, `services` (changes), `steps` (`id`, `title`, `plugin`, `effects`: texts), `rollback` (steps), `notes` |
//! | `run_started` | |
//! | `step_started` | `step` (its id), `title`, `number` (from 1), `of` |
//! | `step_finished` | `step`, `ms`, `report` (texts) |
//! | `step_failed` | `step`, `ms`, `error` |
//! | `effect_started` | `step`, `effect` (its number), `function` (`docker.pull` …), `summary` |
//! | `effect_finished` | `step`, `effect`, `ms` |
//! | `effect_failed` | `step`, `effect`, `ms`, `error` |
//! | `effect_answered` | `step`, `summary`: it had finished before the run was taken up again |
//! | `writes_would_be_lost` | `tables` (`schema`, `name`, `rows_then`, `rows_now`, `inserted`, `updated`, `deleted`; each may be null) |
//! | `rollback_started` | `why` |
//! | `progress` | `what`, `done`, `total` (bytes; `total` may be null) |
//! | `gate` | `service`, `state`: `gate` is `waiting` (`why`), `answering` (`answers`), `passed` or `failed` (`why`) |
//! | `log` | `plugin`, `level` (`debug`, `info`, `warn`, `error`), `message` |
//! | `incident` | `service`, `container`, `what` |
//! | `diagnosis` | `service`, `containers` (`container`, `state`, `exit_code`, `out_of_memory`, `restarts`, `health_log`, `log`) |
//! | `stopping` | `why` |
//! | `run_finished` | `summary`: `ending` (`done`, `nothing_to_do`, `denied`, `failed_untouched`, `rolled_back`, `failed`, `interrupted`), `ms`, `services` (changes), `downtimes` (`service`, `ms`; null: it has not come back), `backup` (`path`, `bytes`, `sha256`, `tables`, or null), `report`, `error`, `advice`, `by_hand` (commands that finish the way back without this program), `record` |
//!
//! A change of a service is `service`, `before`, `before_digest` (may be null), `after`,
//! `after_digest`. Readers should ignore events and fields that they do not know: such
//! are added without a new version.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::event::VERSION;
use super::outlet::Outlet;
use super::{Event, Reporter};
use crate::text;

pub struct Json<W> {
    state: Mutex<State<W>>,
    now: fn() -> Timestamp,
}

struct State<W> {
    outlet: Outlet<W>,
    run: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    time: String,
    /// Left out where the event has a field of the same name and value.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Option<&'a str>>,
    #[serde(flatten)]
    event: &'a Event,
}

impl<W: Write + Send> Json<W> {
    pub fn new(out: W) -> Self {
        Self::at(out, Timestamp::now)
    }

    fn at(out: W, now: fn() -> Timestamp) -> Self {
        Self { state: Mutex::new(State { outlet: Outlet::new(out), run: None }), now }
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn report(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PlanMade { plan } => state.run = Some(plan.run.clone()),
            Event::RunStarted { run } => state.run = Some(run.clone()),
            _ => {}
        }
        let run = (!matches!(event, Event::RunStarted { .. })).then_some(state.run.as_deref());
        let time = format!("{:.3}", (self.now)());
        let line = Line { version: VERSION, time, run, event };
        if let Ok(line) = serde_json::to_string(&line) {
            state.outlet.put(&(harmless(&line) + "\n"));
        }
    }
}

/// What could still do harm on a terminal (C1 and bidi controls) is escaped: such
/// characters stand inside of JSON strings only.
fn harmless(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for (is, safe) in json.chars().zip(text::printable(json).chars()) {
        if is == safe {
            escaped.push(is);
        } else {
            escaped += &format!("\\u{:04x}", u32::from(is));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn written(events: &[Event]) -> String {
        let mut out = Vec::new();
        let json = Json::at(&mut out, || Timestamp::from_millisecond(1_767_225_600_007).unwrap());
        events.iter().for_each(|event| json.report(event));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_event_is_one_object_on_one_line() {
        for run in [sample::success(), sample::failure(), sample::interrupted()] {
            let written = written(&run);
            assert_eq!(written.lines().count(), run.len());
            for line in written.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["version"], 1);
                assert_eq!(value["time"], "2026-01-01T00:00:00.007Z");
                assert_eq!(value["run"], "20260101T000000Z-7f3a");
                assert!(value["event"].is_string());
                assert_eq!(line.matches("\"run\":").count(), 1 + line.matches("plan_made").count());
            }
        }
    }

    #[test]
    fn the_fields_are_as_documented() {
        let events = [
            Event::Stopping { why: "Ctrl-C".into() },
            sample::plan_made(),
            Event::RunStarted { run: "20260101T000000Z-7f3a".into() },
            sample::waiting("gateway", "health check: starting"),
        ];
        let written = written(&events);
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"version":1,"time":"2026-01-01T00:00:00.007Z","run":null,"event":"stopping","why":"Ctrl-C"}"#
        );
        assert_eq!(
            lines[2],
            r#"{"version":1,"time":"2026-01-01T00:00:00.007Z","event":"run_started","run":"20260101T000000Z-7f3a"}"#
        );
        assert_eq!(
            lines[3],
            r#"{"version":1,"time":"2026-01-01T00:00:00.007Z","run":"20260101T000000Z-7f3a","event":"gate","service":"gateway","state":{"gate":"waiting","why":"health check: starting"}}"#
        );
    }

    #[test]
    fn nothing_reaches_a_terminal_that_could_control_it() {
        let why = "a\u{9b}2J\u{202e}\x1b\nb".to_owned();
        let line = written(&[Event::Stopping { why: why.clone() }]);
        assert!(line.contains(r"a\u009b2J\u202e\u001b\nb"), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["why"], why);
    }
}
