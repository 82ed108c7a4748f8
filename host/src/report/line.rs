//! The events as plain lines, for logs and pipes: nothing here needs a terminal.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Ending, PlanView, Summary};
use super::format::{bytes, duration};
use super::outlet::Outlet;
use super::{Event, Reporter, table};
use crate::capability::GateState;
use crate::capability::conduct::Level;
use crate::text::one_line;

/// Of one thing there is no more than a line in this time, …
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// … unless it goes fast: then one for each tenth of the whole, in this time.
const FAST_PROGRESS_EVERY: Duration = Duration::from_secs(2);

pub struct Lines<W> {
    state: Mutex<State<W>>,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    level: Level,
}

struct State<W> {
    outlet: Outlet<W>,
    /// When and at which percentage each thing was last told.
    progress: HashMap<String, (Duration, Option<u64>)>,
    gates: HashMap<String, GateState>,
}

impl<W: Write + Send> Lines<W> {
    /// Time runs from here. Log messages below `level` are left out.
    pub fn new(out: W, level: Level) -> Self {
        let began = Instant::now();
        Self::with_clock(out, level, Box::new(move || began.elapsed()))
    }

    fn with_clock(out: W, level: Level, clock: Box<dyn Fn() -> Duration + Send + Sync>) -> Self {
        let outlet = Outlet::new(out);
        let state = State { outlet, progress: HashMap::new(), gates: HashMap::new() };
        Self { state: Mutex::new(state), clock, level }
    }
}

impl<W: Write + Send> Reporter for Lines<W> {
    fn report(&self, event: &Event) {
        let now = (self.clock)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match event {
            Event::Progress { what, done, total } => state.progress(now, what, *done, *total),
            Event::Gate { service, state: gate } => state.gate(service, gate),
            Event::StepStarted { .. } => {
                state.progress.clear();
                state.gates.clear();
                told(event)
            }
            Event::Log { level, .. } if *level < self.level => return,
            _ => told(event),
        };
        let mut text = String::new();
        for line in lines {
            text += format!("[{:6.1}s] {}", now.as_secs_f64(), one_line(&line)).trim_end();
            text.push('\n');
        }
        if !text.is_empty() {
            state.outlet.put(&text);
        }
    }
}

impl<W> State<W> {
    fn progress(
        &mut self,
        now: Duration,
        what: &str,
        done: u64,
        total: Option<u64>,
    ) -> Vec<String> {
        let of_total = |total: u64| u128::from(done) * 100 / u128::from(total);
        let percent = total.filter(|&t| t > 0).and_then(|t| u64::try_from(of_total(t)).ok());
        let Some((when, before)) = self.progress.get(what) else {
            self.progress.insert(what.to_owned(), (now, percent));
            return vec![];
        };
        let passed = now.saturating_sub(*when);
        let tenths = |percent: Option<u64>| percent.unwrap_or(0) / 10;
        let is_fast = passed >= FAST_PROGRESS_EVERY && tenths(percent) > tenths(*before);
        if passed < PROGRESS_EVERY && !is_fast {
            return vec![];
        }
        self.progress.insert(what.to_owned(), (now, percent));
        vec![match (total, percent) {
            (Some(total), Some(percent)) => {
                format!("  {what}: {} of {} ({percent} %)", bytes(done), bytes(total))
            }
            _ => format!("  {what}: {}", bytes(done)),
        }]
    }

    fn gate(&mut self, service: &str, gate: &GateState) -> Vec<String> {
        if self.gates.get(service) == Some(gate) {
            return vec![];
        }
        self.gates.insert(service.to_owned(), gate.clone());
        vec![match gate {
            GateState::Waiting { why } => format!("  {service}: waiting: {why}"),
            GateState::Answering { answers: 1 } => format!("  {service}: 1 good answer"),
            GateState::Answering { answers } => format!("  {service}: {answers} good answers"),
            GateState::Passed => format!("  {service}: healthy"),
            GateState::Failed { why } => format!("  {service}: FAILED: {why}"),
        }]
    }
}

/// What does not depend on anything before it.
fn told(event: &Event) -> Vec<String> {
    match event {
        Event::PlanMade { plan } => vec![planned(plan)],
        // The command says it, as its result.
        Event::Confinement { .. } | Event::NothingToDo { .. } => vec![],
        Event::RunStarted { run } => vec![format!("run {run} started")],
        Event::StepStarted { title, number, of, .. } => {
            vec![format!("step {number} of {of}: {title}")]
        }
        Event::StepFinished { step, ms, report } => {
            let mut lines = vec![format!("step {step} finished in {}", duration(*ms))];
            lines.extend(report.iter().map(|line| format!("  {line}")));
            lines
        }
        Event::StepFailed { step, ms, error } => {
            vec![format!("step {step} FAILED after {}: {error}", duration(*ms))]
        }
        Event::EffectStarted { summary, .. } => vec![format!("  {summary}")],
        Event::EffectFinished { ms, .. } => vec![format!("  done in {}", duration(*ms))],
        Event::EffectFailed { ms, error, .. } => {
            vec![format!("  FAILED after {}: {error}", duration(*ms))]
        }
        Event::Log { plugin, level, message } => vec![log(plugin, *level, message)],
        Event::Incident { service, container, what } => {
            vec![format!("INCIDENT: {service} ({container}): {what}")]
        }
        Event::Diagnosis { service, containers } => {
            lines_of(&table::diagnosis(service, containers))
        }
        Event::EffectAnswered { summary, .. } => vec![format!("  done before: {summary}")],
        Event::WritesWouldBeLost { since: Some(since), .. } => {
            vec![format!("what was written since the backup of {since} would not be in it")]
        }
        Event::WritesWouldBeLost { tables, since: None } => {
            let heading = "written since the backup, and not in it:".to_owned();
            [heading].into_iter().chain(lines_of(&table::writes(tables))).collect()
        }
        Event::RollbackStarted { why } => vec![format!("ROLLING BACK: {why}")],
        Event::Stopping { why } => {
            vec![format!("stopping after the effect under way: {why}")]
        }
        Event::RunFinished { summary } => vec![finished(summary)],
        Event::Progress { .. } | Event::Gate { .. } => vec![],
    }
}

fn log(plugin: &str, level: Level, message: &str) -> String {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "WARNING",
        Level::Error => "ERROR",
    };
    match plugin {
        "" => format!("  {level}: {message}"),
        _ => format!("  {plugin}: {level}: {message}"),
    }
}

/// The whole plan and the whole summary are texts of their own: see [`table`].
fn planned(plan: &PlanView) -> String {
    let (services, steps) = (plan.services.len(), plan.steps.len());
    format!("plan for {}, run {}: {services} services, {steps} steps", plan.project, plan.run)
}

fn finished(summary: &Summary) -> String {
    let time = duration(summary.ms);
    let ending = match summary.ending {
        Ending::Done => format!("run done and verified in {time}"),
        Ending::NothingToDo => "there was nothing to do".into(),
        Ending::Denied => format!("run DENIED after {time}, the installation was not changed"),
        Ending::FailedUntouched => {
            format!("run FAILED after {time}, the installation was not changed")
        }
        Ending::RolledBack => {
            format!("run rolled back after {time}")
        }
        Ending::Failed => format!("run FAILED after {time}, the installation was changed"),
        Ending::Interrupted => format!("run interrupted after {time}"),
    };
    match &summary.error {
        Some(error) => format!("{ending}: {error}"),
        None => ending,
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
