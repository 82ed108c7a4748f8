//! `rollback`: go back to what was before a run.

use super::args::{Global, OnFailure, Rollback};
use super::display::Display;
use super::error::{Failure, Result};
use super::recorded::{self, Taken};
use super::{exit_code, session};
use crate::engine::{Installation, Wanted};
use crate::report::event::Ending;
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Rollback) -> Result<u8> {
    let settings = Settings::resolve(args.backups.with(global.flags()))?;
    let run = recorded::name(&settings, args.run.as_deref(), Wanted::Rollback)?;
    if args.preview {
        let view = recorded::view(&settings, &run, Wanted::Rollback)?;
        Display::new(global.output).rollback(&view);
        return Ok(exit_code::DONE);
    }
    if !args.consent.yes && !recorded::can_ask(global.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given")
            .hint("--preview shows what would be done; --yes does it without asking"));
    }
    let installation = Installation::connect(session::target(&settings)).await?;
    let lock = session::lock(&installation, &run, args.consent.lock_wait).await?;
    let ended = locked(installation, &settings, global, args, &run).await;
    session::release(lock).await;
    ended
}

/// What is done under the lock.
async fn locked(
    installation: Installation,
    settings: &Settings,
    global: &Global,
    args: &Rollback,
    run: &str,
) -> Result<u8> {
    let display = Display::new(global.output);
    let Taken { prepared, progress } =
        recorded::take_up(installation, settings, run, Wanted::Rollback).await?;
    display.rollback(&prepared.plan.view());
    display.say(&recorded::how_far(&progress));
    if !args.consent.yes && !display.ask("Carry out this rollback?") {
        return Ok(recorded::nothing_done());
    }
    let orders = recorded::orders(OnFailure::Stop, args.consent, &display)?;
    let summary = prepared.roll_back(display.reporter(), orders).await?;
    display.end(&summary);
    Ok(match summary.ending {
        // This time, it is what was wanted.
        Ending::RolledBack => exit_code::DONE,
        ending => exit_code::of(ending),
    })
}
