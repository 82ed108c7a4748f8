//! What locked mode makes of a command line.

use std::path::Path;

use super::{CONFIG_FILE, Error, File, Flags, Result};

/// A project that is locked by its own configuration takes no other one in its place: that
/// would bring other keys and other grants.
pub(super) fn check_project(flags: &Flags, project_dir: &Path) -> Result<()> {
    let named = flags.config.as_deref().map(Path::to_owned);
    let taken = named.unwrap_or_else(|| project_dir.join(CONFIG_FILE)).canonicalize().ok();
    let beside = flags
        .files
        .iter()
        .filter_map(|file| file.canonicalize().ok()?.parent().map(Path::to_owned));
    for directory in std::iter::once(project_dir.to_owned()).chain(beside) {
        let own = directory.join(CONFIG_FILE);
        if own.canonicalize().ok() != taken && File::read_if_there(&own)?.locked {
            return Err(Error::Invalid(format!(
                "the project is locked by its own configuration, {}: no other one is taken",
                own.display()
            )));
        }
    }
    Ok(())
}

/// What was approved is not changed by flags.
pub(super) fn check_flags(flags: &Flags) -> Result<()> {
    let given = [
        ("--state", flags.state.is_some()),
        ("--backup-dir", flags.backup_dir.is_some()),
        ("--recipient", !flags.recipients.is_empty()),
        ("--identity", flags.identity.is_some()),
        ("--gcp-…", flags.cloud_run != super::CloudRunFlags::default()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => {
            Err(Error::Invalid(format!("locked: {flag} is taken from the configuration only")))
        }
    }
}
