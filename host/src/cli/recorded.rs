//! What the commands have in common that take up a recorded run.

use std::io::IsTerminal as _;
use std::sync::Arc;

use super::approval::PlanFile;
use super::args::{Consent, OnFailure, Output, RestoreDatabase};
use super::display::Display;
use super::error::{Failure, Result};
use super::{display, exit_code, interrupt, load, session};
use crate::engine::progress::{Direction, Progress};
use crate::engine::{
    self, Absent, Audit, Installation, Keeps, Operator, Orders, Prepared, Wanted, record,
};
use crate::report::event::PlanView;
use crate::settings::Settings;

pub fn can_ask(output: Output) -> bool {
    std::io::stdin().is_terminal() && output == Output::Human
}

pub fn nothing_done() -> u8 {
    display::note("Nothing was done.");
    exit_code::INTERRUPTED
}

/// The run that was named, or the last one that this can be done with.
///
/// # Errors
/// There is none.
pub fn name(settings: &Settings, named: Option<&str>, wanted: Wanted) -> Result<String> {
    match named {
        Some(run) => Ok(run.to_owned()),
        None => Ok(engine::newest(&settings.state_dir, wanted)?),
    }
}

/// The run's plan, for display.
///
/// # Errors
/// There is no such run, or this cannot be done with it.
pub fn view(settings: &Settings, run: &str, wanted: Wanted) -> Result<PlanView> {
    let recalled = record::recall(&settings.state_dir, run)?;
    engine::check(&recalled, wanted)?;
    Ok(recalled.plan.view())
}

/// A recorded run that can go on.
pub struct Taken {
    pub prepared: Prepared,
    pub progress: Progress,
}

/// Connects the run with the installation and with its plugins.
///
/// # Errors
/// The run cannot be taken up.
pub async fn take_up(
    installation: Installation,
    settings: &Settings,
    run: &str,
    wanted: Wanted,
) -> Result<Taken> {
    let recalled = record::recall(&settings.state_dir, run)?;
    engine::check(&recalled, wanted)?;
    if settings.locked {
        let path = record::directory(&settings.state_dir, run).join(record::PLAN);
        PlanFile::read(&path)?.check_approved(settings)?;
    }
    let progress = recalled.progress.clone();
    let runtime = session::runtime()?;
    let trust = match (load::trust(settings), wanted) {
        // A lock file that is damaged keeps nobody from going back.
        (Err(_), Wanted::Rollback) => None,
        (trust, _) => Some(trust?),
    };
    let mut links = Vec::new();
    for plugin in &recalled.plan.plugins {
        // A plugin that cannot be loaded is as good as none; whether that matters is
        // decided where the run is taken up.
        links.push(match &trust {
            Some(trust) => load::link(&runtime, trust, settings, &plugin.source).await.ok(),
            None => None,
        });
    }
    let state_dir = settings.state_dir.clone();
    let goes_back = wanted == Wanted::Rollback || progress.direction == Direction::Rollback;
    let audit = match Audit::begin(&state_dir, run) {
        Ok(audit) => audit,
        // The way back has to come to its end on a disk that is full, too.
        Err(error) if goes_back => {
            let failure = Failure::from(error);
            display::note(&format!("Nothing is written to the audit log: {}", failure.text));
            Audit::absent()?
        }
        Err(error) => return Err(error.into()),
    };
    let audit = Arc::new(audit);
    let prepared = engine::take_up(recalled, wanted, links, installation, state_dir, audit).await?;
    Ok(Taken { prepared, progress })
}

pub fn how_far(progress: &Progress) -> String {
    let steps: Vec<&str> = progress.finished.iter().map(|(step, _)| step.as_str()).collect();
    match steps[..] {
        [] => "No step of it has finished.".to_owned(),
        _ => format!("Finished before: {}.", steps.join(", ")),
    }
}

/// What the operator wants of a run, and whether there is somebody to be asked.
///
/// # Errors
/// The signal handlers cannot be installed.
pub fn orders(on_failure: OnFailure, consent: Consent, display: &Display) -> Result<Orders> {
    let on_failure = match on_failure {
        OnFailure::Rollback => engine::OnFailure::Rollback,
        OnFailure::Stop => engine::OnFailure::Stop,
    };
    let is_there = !consent.yes && can_ask(display.output());
    let operator: Arc<dyn Operator> = match consent.restore_database {
        RestoreDatabase::No => Arc::new(Keeps),
        RestoreDatabase::Ask if is_there => Arc::new(display.clone()),
        // The approval of the plan is the answer.
        RestoreDatabase::Ask | RestoreDatabase::Yes => Arc::new(Absent),
    };
    Ok(Orders { on_failure, interrupt: interrupt::listen()?, operator })
}
