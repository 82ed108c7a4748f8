//! `backup prune`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::args::Prune;
use super::show::Show;
use super::{NO_WAIT, connect, under_lock};
use crate::capability::sql::types::Keep;
use crate::cli::error::{Failure, Result};
use crate::cli::exit_code;
use crate::engine::{self, Installation};
use crate::settings::Settings;

pub async fn run(settings: &Settings, show: Show, args: &Prune) -> Result<u8> {
    if args.keep.is_none() && args.older_than.is_none() && args.databases.is_empty() {
        return Err(Failure::usage("what is to be removed was not said")
            .hint("--keep N, --older-than DAYS, --databases NAME; --dry-run only shows it"));
    }
    let installation = connect(settings).await?;
    under_lock(&installation, NO_WAIT, locked(&installation, settings, show, args)).await
}

/// What is done under the lock.
async fn locked(
    installation: &Installation,
    settings: &Settings,
    show: Show,
    args: &Prune,
) -> Result<u8> {
    let backups = &installation.services.backups;
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    let keep = Keep { newest: args.keep, younger_than: args.older_than.map(days) };
    let needed: BTreeSet<String> = engine::needed_backups(&settings.state_dir)?;
    if !args.databases.is_empty() {
        // A run that goes on looks for the database that it has kept.
        engine::check_finished(&settings.state_dir)?;
        // A name that is wrong is told before anything is removed.
        backups.drop_databases(&args.databases, true).await?;
    }
    let pruned = backups.prune(keep, needed, args.dry_run).await?;
    show.warnings(&pruned.warnings);
    if !args.databases.is_empty() {
        backups.drop_databases(&args.databases, args.dry_run).await?;
    }
    show.pruned(&pruned, &args.databases, args.dry_run);
    Ok(exit_code::DONE)
}
