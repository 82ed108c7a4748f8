//! What the operator sees.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdout};
use std::sync::Arc;
use std::time::Duration;

use super::args::Output;
use crate::capability::conduct::Level;
use crate::confine;
use crate::engine::Operator;
use crate::report::event::{PlanView, Summary};
use crate::report::{self, Background, Event, Json, Lines, Live, Reporter, table};

/// Where the width of the terminal is not known.
const WIDTH: usize = 100;

/// How long a display that hangs is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes to standard output; a reader that is gone is nobody's business.
pub fn print(text: &str) {
    let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
}

/// A line for the operator, beside the output.
pub fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// As [`note`], where the line goes on.
pub fn prompt(text: &str) {
    let _ = stderr().write_all(text.as_bytes()).and_then(|()| stderr().flush());
}

/// How a command shows things.
#[derive(Clone)]
pub struct Display {
    output: Output,
    reporter: Arc<Background>,
}

impl Display {
    pub fn new(output: Output) -> Self {
        let reporter = match output {
            Output::Json => Background::new(Json::new(stdout())),
            Output::Human => match Live::on_stderr(Level::Info) {
                Some(live) => Background::new(live),
                None => Background::new(Lines::new(stderr(), Level::Info)),
            },
        };
        Self { output, reporter: Arc::new(reporter) }
    }

    pub fn output(&self) -> Output {
        self.output
    }

    pub fn reporter(&self) -> Arc<dyn Reporter> {
        self.reporter.clone()
    }

    /// For people, on standard output, behind everything that was reported so far.
    fn show(&self, text: impl FnOnce() -> String) {
        if self.output == Output::Human {
            self.reporter.catch_up(PATIENCE);
            print(&text());
        }
    }

    /// Shows the plan. As JSON it has been told already, as an event.
    pub fn plan(&self, plan: &PlanView) {
        self.show(|| table::plan(plan, width(), colour()));
    }

    /// Shows the way back of a plan. As JSON it is told as the plan.
    pub fn rollback(&self, plan: &PlanView) {
        if self.output == Output::Json {
            self.reporter.report(&Event::PlanMade { plan: plan.clone() });
        }
        self.show(|| table::rollback(plan, width(), colour()));
    }

    /// How this process is confined.
    pub fn confinement(&self, status: &confine::Status) {
        self.reporter.report(&Event::Confinement { confinement: status.clone() });
        self.show(|| table::confinement(status, width(), colour()));
    }

    pub fn say(&self, text: &str) {
        self.show(|| format!("\n{text}\n"));
    }

    /// Asks at the terminal, behind everything that was reported so far. Only a plain yes is
    /// a yes.
    pub fn ask(&self, question: &str) -> bool {
        self.reporter.catch_up(PATIENCE);
        prompt(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if !answer.ends_with('\n') {
            note("");
        }
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// The preflight found nothing in the way.
    pub fn healthy(&self, plan: &PlanView) {
        let notes: String = plan.notes.iter().map(|note| format!("  {note}\n")).collect();
        self.show(|| format!("Nothing is in the way of this upgrade.\n{notes}"));
    }

    pub fn nothing_to_do(&self, why: &str) {
        self.reporter.report(&Event::NothingToDo { why: why.to_owned() });
        self.show(|| format!("Nothing to do: {why}.\n"));
    }

    /// Shows the end of a run. As JSON it has been told already, as an event.
    pub fn end(&self, summary: &Summary) {
        self.show(|| table::summary(summary, width(), colour()));
    }
}

impl Operator for Display {
    fn agrees_to_loss(&self) -> bool {
        self.ask("These writes stay in what is kept of the database, and are lost from the one that comes back. Go on?")
    }
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|_| stdout().is_terminal());
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH)
}

fn colour() -> bool {
    stdout().is_terminal() && report::colour_is_allowed()
}
