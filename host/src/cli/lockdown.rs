//! Locked mode: only what was approved beforehand, and nobody is asked anything.

use super::args::Command;
use super::backup;
use super::error::{Failure, Result};
use crate::confine;
use crate::settings::{Mode, Settings};

/// # Errors
/// The command is not one of locked mode, or this program is not confined as it should be.
pub fn check(settings: &Settings, command: Option<&Command>) -> Result<()> {
    if !settings.locked {
        return Ok(());
    }
    check_confined(settings)?;
    let is_confirmed = match command {
        None => {
            return Err(Failure::denied("locked: an upgrade takes a plan that was approved")
                .hint("tessallite-up plan --out FILE, tessallite-up approve FILE, tessallite-up apply FILE"));
        }
        Some(Command::Apply(apply)) => apply.consent.yes,
        Some(Command::Resume(resume)) => resume.consent.yes,
        Some(Command::Rollback(rollback)) => rollback.consent.yes || rollback.preview,
        Some(Command::Backup(backup)) if backup::takes_away(backup) => {
            return Err(Failure::denied("locked: nobody has approved that").hint(
                "a rollback brings the database back with its run; unlock the project for more",
            ));
        }
        Some(_) => true,
    };
    if is_confirmed {
        return Ok(());
    }
    Err(Failure::denied("locked: nobody is asked").hint("--yes does it without asking"))
}

fn check_confined(settings: &Settings) -> Result<()> {
    if settings.confine.mode != Mode::On {
        return Ok(());
    }
    let missing = match confine::status() {
        Some(status) if status.is_full() => return Ok(()),
        Some(status) => status.missing(),
        None => vec!["nothing is known of it".to_owned()],
    };
    Err(Failure::denied(format!("locked: this program is not confined: {}", missing.join("; ")))
        .hint("[confine] mode = \"best-effort\" in the configuration takes what the kernel can do"))
}
