//! What the operator sees.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::sync::Arc;
use std::time::Duration;

use super::args::Output;
use crate::capability::conduct::Level;
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

pub fn prompt(text: &str) {
    let _ = stderr().write_all(text.as_bytes()).and_then(|()| stderr().flush());
}

/// How a command shows things.
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

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|_| stdout().is_terminal());
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH)
}

fn colour() -> bool {
    stdout().is_terminal() && report::colour_is_allowed()
}
