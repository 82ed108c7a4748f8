//! The live view on a terminal: what is done stays as lines, what is under way moves
//! below them.

mod rows;
mod screen;
mod step;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressDrawTarget};

use self::screen::{Screen, Size};
use self::step::Step;
use super::format::wrap;
use super::paint::{self, Paint};
use super::{Event, Reporter, table};
use crate::capability::GateState;
use crate::capability::conduct::Level;
use crate::capability::sql::types::TableChange;
use crate::text::one_line;

/// Drawings a second at most.
const RATE: u8 = 12;

/// Shows a run on a terminal; the plan before it and the summary after it are whole
/// texts of their own: see [`table`]. It draws whenever an event comes, and while a step is
/// under way also in between. What it cannot write it drops.
///
/// A terminal can make it wait: put it into a [`super::background::Background`].
pub struct Live {
    view: Mutex<View>,
}

impl Live {
    /// Absent where standard error is no terminal, or one that cannot move its cursor.
    /// Log messages below `level` are left out.
    pub fn on_stderr(level: Level) -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if is_dumb || !std::io::stderr().is_terminal() {
            return None;
        }
        let terminal = console::Term::stderr();
        let size: Size = Box::new(move || terminal.size());
        Some(Self::new(Box::new(std::io::stderr()), size, level, Paint::new(paint::allowed())))
    }

    fn new(out: Box<dyn Write + Send>, size: Size, level: Level, paint: Paint) -> Self {
        let screen = Screen::new(out, size);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), RATE);
        let stage = Stage { screen, multi: MultiProgress::with_draw_target(target), paint };
        let view = View { stage, level, began: Instant::now(), step: None };
        Self { view: Mutex::new(view) }
    }
}

impl Reporter for Live {
    fn report(&self, event: &Event) {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).show(event);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let view = self.view.get_mut().unwrap_or_else(PoisonError::into_inner);
        view.step = None;
        view.stage.close();
    }
}

/// Where it is shown, and how.
#[derive(Clone)]
struct Stage {
    screen: Screen,
    multi: MultiProgress,
    paint: Paint,
}

impl Stage {
    /// Writes text that stays, above what is live.
    fn say(&self, text: &str) {
        self.screen.hold(true);
        self.multi.suspend(|| self.screen.say(text));
        self.screen.hold(false);
    }

    /// As [`Stage::say`], wrapped right of a mark.
    fn say_marked(&self, mark: &str, text: &str) {
        let columns = console::measure_text_width(mark) + 1;
        let width = self.screen.text_width().saturating_sub(columns);
        let lines = wrap(&one_line(text), width);
        self.say(&format!("{mark} {}", lines.join(&format!("\n{}", " ".repeat(columns)))));
    }

    fn close(&self) {
        let _ = self.multi.clear();
        self.screen.close();
    }
}

struct View {
    stage: Stage,
    level: Level,
    /// When the run began, as soon as it has.
    began: Instant,
    step: Option<Step>,
}

impl View {
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { .. } => self.began = Instant::now(),
            Event::StepStarted { title, number, of, .. } => self.begin(title, *number, *of),
            Event::StepFinished { ms, .. } => self.finished(*ms),
            Event::StepFailed { ms, error, .. } => self.failed(*ms, error),
            Event::Log { level, message, .. } => self.log(*level, message),
            Event::Incident { service, container, what } => {
                let text = format!("{service} ({container}): {what}");
                self.stage.say_marked(&self.stage.paint.bad("✗"), &text);
            }
            Event::Diagnosis { service, containers } => {
                self.stage
                    .say(&format!("\n{}\n", table::diagnosis(service, containers).trim_end()));
            }
            Event::WritesWouldBeLost { tables, since } => self.writes(tables, since.as_deref()),
            Event::RollbackStarted { why } => {
                let text = format!("Rolling back: {why}");
                self.stage.say_marked(&self.stage.paint.warning("!"), &text);
            }
            Event::Stopping { why } => self.stopping(why),
            Event::RunFinished { .. } => self.end_run(),
            _ => self.within_step(event),
        }
    }

    fn within_step(&mut self, event: &Event) {
        let Some(step) = &mut self.step else { return };
        match event {
            Event::EffectStarted { effect, summary, .. } => step.effect_started(*effect, summary),
            Event::EffectAnswered { summary, .. } => {
                let mark = format!("  {}", self.stage.paint.dim("·"));
                self.stage.say_marked(&mark, &format!("done before: {summary}"));
            }
            Event::EffectFinished { effect, .. } => step.effect_finished(*effect),
            Event::EffectFailed { effect, error, .. } => step.effect_failed(*effect, error),
            Event::Progress { what, done, total } => step.progress(what, *done, *total),
            Event::Gate { service, state } => step.gate(service, gate(state)),
            _ => {}
        }
    }

    fn begin(&mut self, title: &str, number: usize, of: usize) {
        self.step = None;
        let header = rows::Header {
            number,
            of,
            title: one_line(title),
            run: self.began.elapsed(),
            stopping: false,
        };
        self.step = Some(Step::begin(self.stage.clone(), header));
    }

    fn finished(&mut self, ms: u64) {
        let Some(mut step) = self.step.take() else { return };
        let paint = self.stage.paint;
        let mut text = step.outcome(&paint.good("✓"), ms);
        for error in step.take_errors() {
            text += &format!("\n  {} {}", paint.warning("!"), one_line(&error));
        }
        self.end(step, &text);
    }

    fn failed(&mut self, ms: u64, error: &str) {
        let Some(step) = self.step.take() else { return };
        let text = step.outcome(&self.stage.paint.bad("✗"), ms);
        self.end(step, &text);
        self.stage.say_marked("     ", error);
    }

    /// The live lines give way to the ones that stay, in one drawing.
    fn end(&self, step: Step, text: &str) {
        self.stage.screen.hold(true);
        drop(step);
        self.stage.say(text);
    }

    fn log(&self, level: Level, message: &str) {
        if level < self.level {
            return;
        }
        let paint = self.stage.paint;
        let mark = match level {
            Level::Debug | Level::Info => paint.dim("·"),
            Level::Warn => paint.warning("!"),
            Level::Error => paint.bad("!"),
        };
        self.stage.say_marked(&format!("  {mark}"), message);
    }

    /// A question may follow: nothing moves until the next step begins.
    fn writes(&mut self, tables: &[TableChange], since: Option<&str>) {
        self.step = None;
        let text = match since {
            Some(since) => {
                format!("What was written since the backup of {since} would not be in it.")
            }
            None => format!("Written since the backup, and not in it:\n{}", table::writes(tables)),
        };
        self.stage.say(text.trim_end());
    }

    fn end_run(&mut self) {
        self.step = None;
        self.stage.close();
    }

    fn stopping(&mut self, why: &str) {
        let text = format!("Stopping after what is under way: {why}");
        self.stage.say_marked(&self.stage.paint.warning("!"), &text);
        if let Some(step) = &mut self.step {
            step.stopping();
        }
    }
}

fn gate(state: &GateState) -> step::GateNews {
    use step::GateNews::{Failed, Passed, Waiting};
    match state {
        GateState::Waiting { why } => Waiting(format!("waiting: {}", one_line(why))),
        GateState::Answering { answers: 1 } => Waiting("1 good answer".into()),
        GateState::Answering { answers } => Waiting(format!("{answers} good answers")),
        GateState::Passed => Passed,
        GateState::Failed { why } => Failed(one_line(why)),
    }
}

#[cfg(test)]
mod tests;
