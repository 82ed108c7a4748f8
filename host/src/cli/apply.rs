//! `apply`: carry out a plan from its file, if it is approved and nothing has drifted.

use super::approval::PlanFile;
use super::args::{Apply, Global};
use super::display::Display;
use super::error::{Failure, Result};
use super::session::{self, Session};
use super::{exit_code, recorded};
use crate::engine::{self, record};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Apply) -> Result<u8> {
    let mut settings = Settings::resolve(args.backups.with(global.flags()))?;
    let file = PlanFile::read(&args.plan)?;
    file.check_approved(&settings)?;
    if !args.consent.yes && !recorded::can_ask(global.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given"));
    }
    settings.plugins = file.plan.plugins.iter().map(|plugin| plugin.source.clone()).collect();
    let session = Session::open_for(&settings, &file.plan.run).await?;
    let run = file.plan.run.clone();
    let lock = session::lock(&session.installation, &run, args.consent.lock_wait).await?;
    let ended = locked(session, &settings, global, args, &file).await;
    session::release(lock).await;
    ended
}

/// What is done under the lock.
async fn locked(
    session: Session,
    settings: &Settings,
    global: &Global,
    args: &Apply,
    file: &PlanFile,
) -> Result<u8> {
    engine::check_finished(&settings.state_dir)?;
    let directory = record::directory(&settings.state_dir, &file.plan.run);
    if directory.join(record::JOURNAL).exists() {
        return Err(Failure::refused(format!("the plan {} was applied before", file.plan.run))
            .hint("tessallite-up show tells how it ended; a new upgrade takes a new plan"));
    }
    let display = Display::new(global.output);
    let request = file.plan.request.clone();
    let Some(mut prepared) = session.prepare_as(request, settings, &display).await? else {
        return Ok(exit_code::DONE);
    };
    let drift = prepared.plan.drift(&file.plan);
    if !drift.is_empty() {
        return Err(Failure::refused(format!(
            "the plan would be another one now: nothing was done\n  - {}",
            drift.join("\n  - ")
        ))
        .hint("make a new plan, and have it approved"));
    }
    prepared.plan = file.plan.clone();
    display.plan(&prepared.plan.view());
    if !args.consent.yes && !display.ask("Carry out this plan?") {
        return Ok(recorded::nothing_done());
    }
    file.keep_approvals(settings, &directory.join(record::PLAN))?;
    let orders = recorded::orders(args.on_failure, args.consent, &display)?;
    let summary = prepared.run(display.reporter(), orders).await?;
    display.end(&summary);
    Ok(exit_code::of(summary.ending))
}
