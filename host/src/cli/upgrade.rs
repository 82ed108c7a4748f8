//! The bare command: plan, show, ask, carry out.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use super::args::{Global, Output, Upgrade};
use super::display::{self, Display};
use super::error::{Failure, Result};
use super::session::{self, Session};
use super::{exit_code, interrupt};
use crate::report::event::Ending;
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Upgrade) -> Result<u8> {
    let settings = Settings::resolve(args.request.flags(global))?;
    if settings.settings.contains_key("check-only") {
        return Err(Failure::usage("check-only is for tessallite-up doctor"));
    }
    let can_ask = std::io::stdin().is_terminal() && global.output == Output::Human;
    if !args.yes && !can_ask {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given")
            .hint("tessallite-up plan shows what would be done; --yes does it without asking"));
    }
    // Whether there is anything to do is decided under the lock: in the middle of another
    // run, some services are at the new version already.
    let session = Session::open(&settings).await?;
    let lock = session.lock(Duration::from_secs(args.lock_wait.into())).await?;
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
    let display = Display::new(global.output);
    let Some(prepared) = session.prepare(settings, &display).await? else {
        return Ok(exit_code::DONE);
    };
    display.plan(&prepared.plan.view());
    if !args.yes && !ask() {
        display::note("Nothing was done.");
        return Ok(exit_code::INTERRUPTED);
    }
    let interrupt = interrupt::listen()?;
    let summary = prepared.run(display.reporter(), interrupt).await?;
    display.end(&summary);
    Ok(match summary.ending {
        Ending::Done | Ending::NothingToDo => exit_code::DONE,
        Ending::Denied => exit_code::DENIED,
        Ending::FailedUntouched => exit_code::REFUSED,
        Ending::Failed => exit_code::FAILED,
        Ending::Interrupted => exit_code::INTERRUPTED,
    })
}

/// Only a plain yes is a yes.
fn ask() -> bool {
    display::prompt("Carry out this plan? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if !answer.ends_with('\n') {
        display::note("");
    }
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
