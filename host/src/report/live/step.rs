//! The step under way, as lines that move.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::Stage;
use super::rows::{self, Gate, Header, Transfer};
use crate::report::format::{cut, duration, image_name, image_names};
use crate::text::one_line;

/// How often a line is drawn anew.
const TICK: Duration = Duration::from_millis(120);
/// Before that much time has passed, a rate is a guess.
const FIRST_RATE: Duration = Duration::from_secs(2);

pub(super) enum GateNews {
    Waiting(String),
    Passed,
    Failed(String),
}

/// Its lines vanish with it.
pub(super) struct Step {
    stage: Stage,
    header: Header,
    row: Row,
    effects: Vec<(usize, Row)>,
    errors: Vec<String>,
    transfers: Vec<(String, Row)>,
    gates: Vec<(String, Gate, Row)>,
}

impl Step {
    pub fn begin(stage: Stage, header: Header) -> Self {
        let row = Row::new(&stage);
        let (effects, errors, transfers, gates) = (vec![], vec![], vec![], vec![]);
        let mut step = Self { stage, header, row, effects, errors, transfers, gates };
        step.show_header();
        step
    }

    /// The lines that stay when it is over.
    pub fn outcome(&self, mark: &str, ms: u64) -> String {
        let (paint, width) = (self.stage.paint, self.stage.screen.text_width());
        let count = format!("{}/{}", self.header.number, self.header.of);
        // A wrapped line looks worse than a cut one: the plan has it in full.
        let time = duration(ms);
        let room = width.saturating_sub(2 + count.len() + 2 + 2 + time.len());
        let (title, time) = (cut(&self.header.title, room), paint.dim(&time));
        let mut lines = vec![format!("{mark} {count}  {title}  {time}")];
        for (service, gate, row) in &self.gates {
            lines.push(rows::gate(service, gate, row.began.elapsed(), width, paint, true));
        }
        lines.join("\n")
    }

    pub fn take_errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.errors)
    }

    pub fn stopping(&mut self) {
        self.header.stopping = true;
        self.show_header();
    }

    pub fn effect_started(&mut self, effect: usize, summary: &str) {
        let mut row = Row::new(&self.stage);
        let (summary, began) = (image_names(&one_line(summary)), Instant::now());
        row.show(move |_, stage| {
            rows::effect(&summary, began.elapsed(), stage.screen.line_width(), stage.paint)
        });
        self.effects.push((effect, row));
    }

    pub fn effect_finished(&mut self, effect: usize) {
        self.effects.retain(|(other, _)| *other != effect);
        if self.effects.is_empty() {
            self.transfers.clear();
        }
    }

    pub fn effect_failed(&mut self, effect: usize, error: &str) {
        self.effect_finished(effect);
        self.errors.push(error.to_owned());
    }

    pub fn progress(&mut self, what: &str, done: u64, total: Option<u64>) {
        let known = self.transfers.iter().position(|(other, _)| other == what);
        let index = known.unwrap_or_else(|| {
            let mut row = Row::new(&self.stage);
            let name = image_name(&one_line(what));
            row.show(move |state, stage| {
                transfer(state).line(&name, stage.screen.line_width(), stage.paint)
            });
            self.transfers.push((what.to_owned(), row));
            self.transfers.len() - 1
        });
        if let Some((_, row)) = self.transfers.get(index) {
            match total {
                Some(total) => row.bar.set_length(total),
                None => row.bar.unset_length(),
            }
            row.bar.set_position(done);
        }
    }

    pub fn gate(&mut self, service: &str, news: GateNews) {
        let known = self.gates.iter().position(|(other, ..)| other == service);
        let index = known.unwrap_or_else(|| {
            let gate = Gate::Waiting(String::new());
            self.gates.push((service.to_owned(), gate, Row::new(&self.stage)));
            self.gates.len() - 1
        });
        let Some((service, gate, row)) = self.gates.get_mut(index) else { return };
        let began = row.began;
        let state = match news {
            GateNews::Waiting(text) => Gate::Waiting(text),
            GateNews::Passed if matches!(gate, Gate::Healthy(_)) => return,
            GateNews::Passed => Gate::Healthy(began.elapsed()),
            GateNews::Failed(why) => Gate::Failed(why),
        };
        if *gate == state {
            return;
        }
        gate.clone_from(&state);
        let service = one_line(service);
        row.show(move |_, stage| {
            let (elapsed, width) = (began.elapsed(), stage.screen.line_width());
            rows::gate(&service, &state, elapsed, width, stage.paint, false)
        });
    }

    fn show_header(&mut self) {
        let (header, began) = (self.header.clone(), self.row.began);
        self.row.show(move |_, stage| {
            header.line(began.elapsed(), stage.screen.line_width(), stage.paint)
        });
    }
}

/// A line that is drawn anew while it lives.
struct Row {
    stage: Stage,
    bar: ProgressBar,
    began: Instant,
    ticks: bool,
}

impl Row {
    fn new(stage: &Stage) -> Self {
        let bar = stage.multi.add(ProgressBar::no_length());
        Self { stage: stage.clone(), bar, began: Instant::now(), ticks: false }
    }

    /// From now on it shows what `line` answers.
    fn show<F>(&mut self, line: F)
    where
        F: Fn(&ProgressState, &Stage) -> String + Clone + Send + Sync + 'static,
    {
        let stage = self.stage.clone();
        let key = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&line(state, &stage));
        };
        let style = ProgressStyle::with_template("{line}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("line", key);
        self.bar.set_style(style);
        if !std::mem::replace(&mut self.ticks, true) {
            self.bar.enable_steady_tick(TICK);
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.bar.disable_steady_tick();
        self.stage.multi.remove(&self.bar);
    }
}

fn transfer(state: &ProgressState) -> Transfer {
    let elapsed = state.elapsed();
    let rate = state.per_sec();
    let is_told = elapsed >= FIRST_RATE && rate >= 1.0;
    Transfer {
        done: state.pos(),
        total: state.len(),
        rate: is_told.then_some(rate as u64),
        left: is_told.then(|| state.eta()),
        elapsed,
    }
}
