//! `backup restore`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::args;
use super::show::{Counter, Show};
use super::{connect, stamp, under_lock};
use crate::capability::sql::types::{Backup, Restore, TableChange};
use crate::cli::display::Display;
use crate::cli::error::{Failure, Result};
use crate::cli::exit_code;
use crate::cli::recorded::{can_ask, nothing_done};
use crate::engine::{self, Installation};
use crate::settings::Settings;

/// Of a name in PostgreSQL, less what stands around it.
const LONGEST: usize = 36;

pub async fn run(settings: &Settings, show: Show, args: &args::Restore) -> Result<u8> {
    if !args.consent.yes && !can_ask(show.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given")
            .hint("tessallite-up backup list shows what there is; --yes does it without asking"));
    }
    let installation = connect(settings).await?;
    let work = locked(&installation, settings, show, args);
    under_lock(&installation, args.consent.lock_wait, work).await
}

/// What is done under the lock.
async fn locked(
    installation: &Installation,
    settings: &Settings,
    show: Show,
    args: &args::Restore,
) -> Result<u8> {
    engine::check_finished(&settings.state_dir)?;
    let backups = &installation.services.backups;
    let listing = backups.backups().await?;
    let found = listing.backups.into_iter().find(|backup| backup.label == args.label);
    let Some(backup) = found else {
        return Err(Failure::usage(format!("there is no whole backup {:?}", args.label))
            .hint("tessallite-up backup list shows those that are there"));
    };
    let display = Display::new(show.output);
    let asks = !args.consent.yes;
    let Backup { label, started_at, .. } = &backup;
    let question = format!("Put the backup {label} of {started_at} in the place of the database?");
    if asks && !display.ask(&question) {
        return Ok(nothing_done());
    }
    let wanted = names(&backup);
    let said_no = Arc::new(AtomicBool::new(false));
    let counter = Counter::new("restore");
    let agreed = |lost: Vec<TableChange>| {
        counter.end();
        show.lost(&lost);
        let (display, said_no) = (display.clone(), Arc::clone(&said_no));
        async move {
            let asked = move || display.ask("Go on, and leave this behind?");
            let goes_on = !asks || tokio::task::spawn_blocking(asked).await.unwrap_or(false);
            said_no.store(!goes_on, Ordering::SeqCst);
            goes_on
        }
        .boxed()
    };
    let restored = backups.restore(&wanted, &agreed, &|p| counter.tell(p)).await;
    counter.end();
    if said_no.load(Ordering::SeqCst) {
        return Ok(nothing_done());
    }
    restored?;
    show.restored(&backup.label, &wanted.keep_as);
    Ok(exit_code::DONE)
}

/// The backup's own name and checksum: when this is done again after it was cut off, what
/// has been restored is found. What is kept has a name of its own each time.
fn names(backup: &Backup) -> Restore {
    let short = |text: &str, longest: usize| text.chars().take(longest).collect::<String>();
    let label = short(&backup.label, LONGEST);
    Restore {
        label: backup.label.clone(),
        into: format!("restored_{label}_{}", short(&backup.sha256, 8)),
        keep_as: format!("kept_{}_{label}", stamp()),
        if_changed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_fit_and_tell_backups_apart() {
        let backup = |sha256: &str| Backup {
            label: "a".repeat(120),
            bytes: 1,
            sha256: sha256.into(),
            tables: 1,
            encrypted: false,
            started_at: "2026-01-01T00:00:00Z".into(),
            verified: None,
        };
        let (one, other) = (names(&backup("0123456789")), names(&backup("1123456789")));
        assert!(one.into.len() <= 63 && one.keep_as.len() <= 63, "{one:?}");
        assert_ne!(one.into, other.into);
    }
}
