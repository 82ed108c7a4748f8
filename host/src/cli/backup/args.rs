//! What `backup` takes.

use std::path::PathBuf;

use crate::cli::args::{Consent, Global};
use crate::settings::Flags;

#[derive(Debug, clap::Args)]
pub struct Backup {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a backup of the database and read it back
    Create(Create),
    /// List the whole backups, newest first
    List,
    /// Read backups back: checksum and table of contents
    Verify(Verify),
    /// Bring a backup back; the database of now is kept under another name
    ///
    /// It is restored beside the database of now, compared with what it held, and takes
    /// its place in one moment. Stop the services first where what they write meanwhile counts.
    Restore(Restore),
    /// Remove old backups, what dumps that were given up left, and kept databases
    ///
    /// A backup that a rollback still needs stays, and one that was never verified is not
    /// counted among those that are kept.
    Prune(Prune),
}

/// As of the upgrade, under other names: what is global to `backup` would be taken for the
/// upgrade's own otherwise.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where backups are kept [default: backups in the state directory]
    #[arg(
        id = "of_backups_dir",
        long = "backup-dir",
        global = true,
        value_name = "DIR",
        env = "TESSALLITE_UP_BACKUP_DIR"
    )]
    backup_dir: Option<PathBuf>,
    /// Encrypt backups with age to this recipient; may be repeated
    #[arg(
        id = "of_backups_recipients",
        long = "recipient",
        global = true,
        value_name = "AGE",
        env = "TESSALLITE_UP_RECIPIENT"
    )]
    recipients: Vec<String>,
    /// The age identity that opens encrypted backups
    #[arg(
        id = "of_backups_identity",
        long = "identity",
        global = true,
        value_name = "FILE",
        env = "TESSALLITE_UP_IDENTITY"
    )]
    identity: Option<PathBuf>,
    /// A setting of the installation, such as database-service; may be repeated
    #[arg(id = "of_backups_set", long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its name [default: manual- and the time]
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Which [default: all]
    #[arg(value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Restore each into a throwaway server and compare every row
    #[arg(long)]
    pub full: bool,
}

#[derive(Debug, clap::Args)]
pub struct Restore {
    #[arg(value_name = "LABEL")]
    pub label: String,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Keep this many of the newest verified backups
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Keep those that are not older than this
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u32>,
    /// Drop these databases, which restores have kept
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub databases: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

impl Place {
    pub fn flags(&self, global: &Global) -> Flags {
        Flags {
            backup_dir: self.backup_dir.clone(),
            recipients: self.recipients.clone(),
            identity: self.identity.clone(),
            set: self.set.clone(),
            ..global.flags()
        }
    }
}
