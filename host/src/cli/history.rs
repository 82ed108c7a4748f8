//! `history` and `show`: the recorded runs, and one of them.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Global, Output, Show};
use super::display::Display;
use super::error::Result;
use super::{display, exit_code};
use crate::contract::Intent;
use crate::engine::journal::{self, Entry, Record};
use crate::engine::{Plan, history, record};
use crate::report::event::Ending;
use crate::report::format;
use crate::settings::Settings;
use crate::text::one_line;

/// A run in a line.
struct Run {
    name: String,
    version: Option<String>,
    begun: Option<Timestamp>,
    ms: Option<u64>,
    how: String,
}

/// All runs, the newest first.
pub fn list(global: &Global) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let runs: Vec<Run> = history::runs(&settings.state_dir)?
        .into_iter()
        .map(|recorded| {
            let entries = journal::entries(&recorded.directory.join(record::JOURNAL));
            let recalled = record::recall(&settings.state_dir, &recorded.name);
            let how = match recorded.ending {
                Ok(ending) => in_words(ending),
                Err(error) => error.to_string(),
            };
            let version = recalled.ok().and_then(|recalled| version(&recalled.plan));
            let (begun, ms) = span(entries.as_deref().unwrap_or_default());
            Run { name: recorded.name, version, begun, ms, how }
        })
        .collect();
    display::print(&match global.output {
        Output::Json => runs.iter().map(|run| format!("{}\n", as_json(run))).collect(),
        Output::Human if runs.is_empty() => "no run is recorded\n".to_owned(),
        Output::Human => runs.iter().map(|run| format!("{}\n", line(run))).collect(),
    });
    Ok(exit_code::DONE)
}

/// One run: its plan, and what was recorded of it.
pub fn show(global: &Global, args: &Show) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let recalled = record::recall(&settings.state_dir, &args.run)?;
    let directory = record::directory(&settings.state_dir, &args.run);
    let entries = journal::entries(&directory.join(record::JOURNAL))
        .map_err(crate::engine::Error::Journal)?;
    let plan = &recalled.plan;
    let display = Display::new(global.output);
    display.plan(&plan.view());
    display::print(&match global.output {
        Output::Json => {
            let records: Vec<Value> =
                entries.iter().map(|e| json!({"at": e.at.to_string(), "data": e.record})).collect();
            let ending = recalled.progress.ending;
            format!("{}\n", json!({"plan": plan, "records": records, "ending": ending}))
        }
        Output::Human => {
            let mut text = "\n  What was recorded\n".to_owned();
            for Entry { at, record } in &entries {
                let _ = writeln!(text, "    {at:.1}  {}", one_line(&told(record, plan)));
            }
            let _ = writeln!(text, "  {}", in_words(recalled.progress.ending));
            text
        }
    });
    Ok(exit_code::DONE)
}

fn version(plan: &Plan) -> Option<String> {
    let Intent::Upgrade(upgrade) = &plan.request.intent;
    upgrade.version.clone()
}

/// When it began, and how long it took so far, pauses before a resume included.
fn span(entries: &[Entry]) -> (Option<Timestamp>, Option<u64>) {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return (None, None) };
    let ms = last.at.duration_since(first.at).as_millis();
    (Some(first.at), u64::try_from(ms).ok())
}

/// How a run ended.
pub fn in_words(ending: Option<Ending>) -> String {
    match ending.and_then(|ending| serde_json::to_value(ending).ok()) {
        Some(ending) => {
            format!("ended: {}", ending.as_str().unwrap_or_default().replace('_', " "))
        }
        None => "has not ended, or was cut off".to_owned(),
    }
}

fn line(run: &Run) -> String {
    let begun = run.begun.map(|at| format!("{at:.0}")).unwrap_or_default();
    let took = run.ms.map(format::duration).unwrap_or_default();
    let version = run.version.as_deref().unwrap_or("-");
    one_line(&format!("{}  {begun}  to {version:<10}  {took:>12}  {}", run.name, run.how))
}

fn as_json(run: &Run) -> Value {
    let Run { name, version, begun, ms, how } = run;
    let begun = begun.map(|at| at.to_string());
    json!({"run": name, "to": version, "begun": begun, "ms": ms, "how": how})
}

fn told(record: &Record, plan: &Plan) -> String {
    match record {
        Record::RunStarted { run, .. } => format!("run {run} started"),
        Record::RunResumed => "taken up again".to_owned(),
        Record::RollbackStarted { why } => format!("rollback: {why}"),
        Record::StepStarted { step } => format!("step {step} started"),
        Record::EffectStarted { step, effect, declared } => {
            let mut steps = plan.steps.iter().chain(&plan.rollback);
            let planned = steps.find(|planned| planned.step.id == *step);
            let declared = planned.and_then(|planned| planned.step.effects.get(*declared));
            let what = declared.map_or_else(|| "?".to_owned(), |effect| effect.summary());
            format!("  {effect}: {what}")
        }
        Record::EffectNoted { effect, operation } => format!("  {effect}: {operation}"),
        Record::EffectFinished { effect, .. } => format!("  {effect}: done"),
        Record::EffectFailed { effect, error } => format!("  {effect}: failed: {error}"),
        Record::StepFinished { step, .. } => format!("step {step} finished"),
        Record::StepFailed { step, error } => format!("step {step} failed: {error}"),
        Record::RunFinished { .. } => "the run ended".to_owned(),
    }
}
