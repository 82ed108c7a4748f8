//! `resume`: go on with a run that was cut off or failed.

use super::args::{Global, Resume};
use super::display::Display;
use super::error::{Failure, Result};
use super::recorded::{self, Taken};
use super::{exit_code, session};
use crate::engine::progress::Direction;
use crate::engine::{Installation, Wanted};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Resume) -> Result<u8> {
    let settings = Settings::resolve(args.backups.with(global.flags()))?;
    if !args.consent.yes && !recorded::can_ask(global.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given")
            .hint(
                "tessallite-up status names the last run; --yes goes on with it without asking",
            ));
    }
    let run = recorded::name(&settings, args.run.as_deref(), Wanted::Resume)?;
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
    args: &Resume,
    run: &str,
) -> Result<u8> {
    let display = Display::new(global.output);
    let Taken { prepared, progress } =
        recorded::take_up(installation, settings, run, Wanted::Resume).await?;
    let view = prepared.plan.view();
    let back = progress.direction == Direction::Rollback;
    if back {
        display.rollback(&view);
    } else {
        display.plan(&view);
    }
    display.say(&recorded::how_far(&progress));
    let question = if back { "Go on with this rollback?" } else { "Go on with this run?" };
    if !args.consent.yes && !display.ask(question) {
        return Ok(recorded::nothing_done());
    }
    let orders = recorded::orders(args.on_failure, args.consent, &display)?;
    let summary = prepared.resume(display.reporter(), orders).await?;
    display.end(&summary);
    Ok(exit_code::of(summary.ending))
}
