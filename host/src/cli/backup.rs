//! `backup`: create, list, verify, restore, prune.

pub mod args;
mod prune;
mod restore;
mod show;

use std::io::{BufRead as _, IsTerminal as _};

use self::args::{Backup, Command, Create, Verify};
use self::show::{Counter, Show};
use super::args::{Global, Output};
use super::error::{Failure, Result};
use super::{display, exit_code, session};
use crate::capability::sql::types::Facts;
use crate::engine::{Installation, Lock};
use crate::settings::Settings;

/// The installation's own database.
const CONNECTION: &str = "internal";

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
    let _lock = Lock::take(&settings.project_dir)?;
    let installation = connect(settings).await?;
    let label = args.label.clone().unwrap_or_else(|| format!("manual-{}", stamp()));
    let counter = Counter::new("backup");
    let backups = &installation.services.backups;
    backups.check_same(&installation.services.sql).await?;
    let made = backups.dump(CONNECTION, &label, Facts::new(), &|p| counter.tell(p)).await;
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
    if labels.is_empty() {
        let listing = backups.backups().await?;
        labels = listing.backups.into_iter().map(|backup| backup.label).collect();
        failures = listing.warnings;
    }
    for label in &labels {
        let counter = Counter::new(label);
        let verified = if args.full {
            let tell = |p| counter.tell(p);
            tokio::select! {
                verified = backups.verify_full(label, &tell) => verified,
                _ = tokio::signal::ctrl_c() => {
                    counter.end();
                    return Ok(interrupted().await);
                }
            }
        } else {
            backups.verify(label).await
        };
        counter.end();
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

/// The throwaway server is taken away in the background.
async fn interrupted() -> u8 {
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    display::note("Interrupted; nothing was changed.");
    exit_code::INTERRUPTED
}

async fn connect(settings: &Settings) -> Result<Installation> {
    Ok(Installation::connect(session::target(settings)).await?)
}

fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}

/// Whether there is somebody to ask.
fn can_ask(output: Output) -> bool {
    std::io::stdin().is_terminal() && output == Output::Human
}

/// Only a plain yes is a yes.
fn ask(question: &str) -> bool {
    display::prompt(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if !answer.ends_with('\n') {
        display::note("");
    }
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
