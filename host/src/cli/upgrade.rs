//! The bare command: plan, show, ask, carry out.

use super::args::{Global, Upgrade};
use super::display::Display;
use super::error::{Failure, Result};
use super::session::{self, Session};
use super::{exit_code, recorded};
use crate::engine;
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Upgrade) -> Result<u8> {
    let settings = Settings::resolve(args.request.flags(global))?;
    if settings.settings.contains_key("check-only") {
        return Err(Failure::usage("check-only is for tessallite-up doctor"));
    }
    if !args.consent.yes && !recorded::can_ask(global.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given")
            .hint("tessallite-up plan shows what would be done; --yes does it without asking"));
    }
    // Whether there is anything to do is decided under the lock: in the middle of another
    // run, some services are at the new version already.
    let session = Session::open(&settings).await?;
    let lock = session::lock(&session.installation, &session.run, args.consent.lock_wait).await?;
    let ended = locked(session, &settings, global, args).await;
    session::release(lock).await;
    ended
}

/// What is done under the lock.
async fn locked(
    session: Session,
    settings: &Settings,
    global: &Global,
    args: &Upgrade,
) -> Result<u8> {
    engine::check_finished(&settings.state_dir)?;
    let display = Display::new(global.output);
    let Some(prepared) = session.prepare(settings, &display).await? else {
        return Ok(exit_code::DONE);
    };
    display.plan(&prepared.plan.view());
    if !args.consent.yes && !display.ask("Carry out this plan?") {
        return Ok(recorded::nothing_done());
    }
    let orders = recorded::orders(args.on_failure, args.consent, &display)?;
    let summary = prepared.run(display.reporter(), orders).await?;
    display.end(&summary);
    Ok(exit_code::of(summary.ending))
}
