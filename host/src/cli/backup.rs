//! `backup`: create, list, verify, restore, prune.

pub mod args;
mod prune;
mod restore;
mod show;

use tokio::sync::watch;

use self::args::{Backup, Command, Create, Verify};
use self::show::{Counter, Show};
use super::args::Global;
use super::error::{Failure, Result};
use super::{display, exit_code, interrupt, session};
use crate::capability::sql::types::Facts;
use crate::engine::Installation;
use crate::settings::Settings;

/// The installation's own database.
const CONNECTION: &str = "internal";

/// Seconds: a run that is at work is told of at once.
const NO_WAIT: u32 = 0;

/// Whether something that is there now goes.
pub fn takes_away(backup: &args::Backup) -> bool {
    matches!(backup.command, args::Command::Restore(_) | args::Command::Prune(_))
}

pub async fn run(global: &Global, args: &Backup) -> Result<u8> {
    let settings = Settings::resolve(args.place.flags(global))?;
    let show = Show { output: global.output };
    match &args.command {
        Command::Create(create) => self::create(&settings, show, create).await,
        Command::List => list(&settings, show).await,
        Command::Verify(verify) => self::verify(&settings, show, verify).await,
        Command::Restore(restore) => restore::run(&settings, show, restore).await,
        Command::Prune(prune) => prune::run(&settings, show, prune).await,
    }
}

async fn create(settings: &Settings, show: Show, args: &Create) -> Result<u8> {
    let installation = connect(settings).await?;
    let label = args.label.clone().unwrap_or_else(|| format!("manual-{}", stamp()));
    let counter = Counter::new("backup");
    let backups = &installation.services.backups;
    let work = async {
        backups.check_same(&installation.services.sql).await?;
        Ok(backups.dump(CONNECTION, &label, Facts::new(), &|p| counter.tell(p)).await?)
    };
    let made = under_lock(&installation, NO_WAIT, work).await;
    counter.end();
    show.made(&made?, &settings.backup_dir);
    Ok(exit_code::DONE)
}

async fn list(settings: &Settings, show: Show) -> Result<u8> {
    let listing = connect(settings).await?.services.backups.backups().await?;
    show.warnings(&listing.warnings);
    show.list(&listing.backups, &settings.backup_dir);
    Ok(exit_code::DONE)
}

/// All of them are tried, whichever fails.
async fn verify(settings: &Settings, show: Show, args: &Verify) -> Result<u8> {
    let installation = connect(settings).await?;
    let backups = &installation.services.backups;
    let mut labels = args.labels.clone();
    let mut failures = Vec::new();
    let interrupt = if args.full { Some(interrupt::listen()?) } else { None };
    if labels.is_empty() {
        let listing = backups.backups().await?;
        labels = listing.backups.into_iter().map(|backup| backup.label).collect();
        failures = listing.warnings;
    }
    for label in &labels {
        let counter = Counter::new(label);
        let verified = match &interrupt {
            Some(interrupt) => {
                let given_up = asked_to_stop(interrupt.clone());
                backups.verify_full(label, given_up, &|p| counter.tell(p)).await
            }
            None => backups.verify(label).await,
        };
        counter.end();
        if interrupt.as_ref().is_some_and(|interrupt| *interrupt.borrow()) {
            display::note("Nothing was changed.");
            return Ok(exit_code::INTERRUPTED);
        }
        match verified {
            Ok(verified) => show.verified(label, &verified),
            Err(error) => {
                let failure = Failure::from(error);
                show.not_verified(label, &failure);
                failures.push(failure.text);
            }
        }
    }
    if failures.is_empty() {
        return Ok(exit_code::DONE);
    }
    Err(Failure::refused(format!("not every backup is good: {}", failures.join("; ")))
        .hint("tessallite-up backup create makes a new one"))
}

async fn asked_to_stop(mut interrupt: watch::Receiver<bool>) {
    // Without a sender nobody asks any longer.
    if interrupt.wait_for(|asked| *asked).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Nothing else works on the installation meanwhile.
async fn under_lock<T>(
    installation: &Installation,
    wait_s: u32,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let lock = session::lock(installation, &format!("backup-{}", stamp()), wait_s).await?;
    let ended = work.await;
    session::release(lock).await;
    ended
}

async fn connect(settings: &Settings) -> Result<Installation> {
    Ok(Installation::connect(session::target(settings)).await?)
}

fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}
