//! `audit show` and `audit verify`: what plugins did, and whether the log still says it.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{AuditArgs, AuditCommand, Global, Output};
use super::display::print;
use super::error::{Failure, Result};
use super::exit_code;
use crate::engine::audit::{self, Entry, Outcome, Record, Session};
use crate::settings::Settings;
use crate::text::one_line;

pub fn run(global: &Global, args: &AuditArgs) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let sessions = audit::sessions(&settings.state_dir)?;
    match &args.command {
        AuditCommand::Show { run, denied } => {
            show(&sessions, run.as_deref(), *denied, global.output)
        }
        AuditCommand::Verify => Ok(verify(&sessions, global.output)),
    }
}

/// The calls of a run, of the newest where none is named.
fn show(sessions: &[Session], run: Option<&str>, denied: bool, output: Output) -> Result<u8> {
    let newest = sessions.last().map(|session| session.run.as_str());
    let run =
        run.or(newest).ok_or_else(|| Failure::usage("nothing is recorded in the audit log"))?;
    let of_run: Vec<&Session> = sessions.iter().filter(|session| session.run == run).collect();
    if of_run.is_empty() {
        return Err(Failure::usage(format!("the audit log has nothing of the run {run:?}"))
            .hint("tessallite-up audit verify lists what it has"));
    }
    for session in of_run {
        let entries = session.entries.iter();
        let wanted = entries.filter(|entry| !denied || is_denied(entry));
        print(&wanted.map(|entry| line(entry, output)).collect::<String>());
        if let Some(damage) = &session.damage {
            return Err(Failure::refused(format!(
                "{} is damaged at line {}: {}",
                session.name, damage.line, damage.why
            )));
        }
    }
    Ok(exit_code::DONE)
}

fn is_denied(entry: &Entry) -> bool {
    matches!(entry.record, Record::Call { outcome: Outcome::Denied, .. })
}

fn line(entry: &Entry, output: Output) -> String {
    let Record::Call { plugin, phase, call, arguments, outcome, us } = &entry.record else {
        return String::new();
    };
    if output == Output::Json {
        return format!(
            "{}\n",
            json!({"seq": entry.seq, "at": entry.at.to_string(), "data": entry.record})
        );
    }
    let outcome = in_words(*outcome);
    let short: String = arguments.chars().take(12).collect();
    let ms = *us as f64 / 1000.0;
    format!(
        "{:.3}  {:<12} {:<16} {:<22} {outcome:<9} {ms:>9.3} ms  {short}\n",
        entry.at,
        one_line(plugin),
        one_line(phase),
        one_line(call),
    )
}

fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Denied => "denied",
        Outcome::Began => "began",
        Outcome::Answered => "answered",
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Abandoned => "abandoned",
    }
}

/// A line a file, and whether each is what was written.
fn verify(sessions: &[Session], output: Output) -> u8 {
    let mut text = String::new();
    for session in sessions {
        let calls = session.entries.iter().filter(|e| matches!(e.record, Record::Call { .. }));
        let (calls, damage) = (calls.count(), session.damage.as_ref());
        let _ = match (output, damage) {
            (Output::Json, _) => writeln!(
                text,
                "{}",
                json!({
                    "file": session.name, "run": session.run, "calls": calls, "ended": session.has_ended(),
                    "damage": damage.map(|d| json!({"line": d.line, "why": d.why})),
                })
            ),
            (Output::Human, Some(damage)) => writeln!(
                text,
                "{}: DAMAGED at line {}: {}",
                one_line(&session.name),
                damage.line,
                damage.why
            ),
            (Output::Human, None) => {
                let end = if session.has_ended() {
                    "whole"
                } else {
                    "whole so far; it was cut off, or still goes on"
                };
                writeln!(text, "{}: {calls} calls, {end}", one_line(&session.name))
            }
        };
    }
    if sessions.is_empty() && output == Output::Human {
        text.push_str("nothing is recorded\n");
    }
    print(&text);
    let damaged = sessions.iter().any(|session| session.damage.is_some());
    if damaged { exit_code::REFUSED } else { exit_code::DONE }
}
