//! Why the engine could not prepare or carry out a run.

use std::path::PathBuf;

use super::{Holder, journal};
use crate::{capability, plugin};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's settings make no sense.
    #[error("{0}")]
    Usage(String),
    /// The installation cannot or must not be upgraded as it is. Nothing was touched.
    #[error("{}", list(.0))]
    Preflight(Vec<String>),
    /// The installation is where the request wants it already.
    #[error("{0}")]
    NothingToDo(String),
    #[error("the plan of {plugin} is not valid: {why}")]
    InvalidPlan { plugin: String, why: String },
    #[error(transparent)]
    Plugin(#[from] plugin::Error),
    /// Effects of the plan that are not granted, and the lines of a configuration that
    /// would grant them.
    #[error("{}", list(.texts))]
    NotGranted { texts: Vec<String>, lines: Vec<String> },
    /// A plugin gave up while it made its plan.
    #[error("making the plan: {message}")]
    Planning { kind: capability::Kind, message: String },
    #[error("{doing}")]
    Capability {
        doing: &'static str,
        #[source]
        source: capability::Error,
    },
    #[error("another run holds the lock of {project}: {holder}")]
    Locked {
        project: String,
        holder: Box<Holder>,
        /// Whether it is still alive cannot be seen from here.
        is_out_of_sight: bool,
    },
    #[error("{doing} {path}")]
    State {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("there is no run in {state} that this could be done with")]
    NoRun { state: PathBuf },
    #[error("there is no run {run:?} in {state}")]
    NoSuchRun { run: String, state: PathBuf },
    /// It changed the installation, and neither ended well nor was rolled back.
    #[error("the run {run} {how}")]
    Unfinished { run: String, how: String },
    /// What is asked for makes no sense for this run.
    #[error("the run {run} {how}")]
    NotNow { run: String, how: String },
    #[error("the plugin {plugin} is not the one that made the plan of {run}")]
    OtherPlugin { plugin: String, run: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

fn list(problems: &[String]) -> String {
    match problems {
        [one] => one.clone(),
        many => {
            let lines: Vec<String> = many.iter().map(|line| format!("\n  - {line}")).collect();
            format!("{} things are in the way:{}", many.len(), lines.concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_gets_a_line() {
        let text = Error::Preflight(vec!["one".into(), "two".into()]).to_string();
        assert_eq!(text, "2 things are in the way:\n  - one\n  - two");
        assert_eq!(Error::Preflight(vec!["one".into()]).to_string(), "one");
    }
}
