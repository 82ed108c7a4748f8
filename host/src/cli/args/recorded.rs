//! What the commands take that are about runs which were recorded.

use std::path::PathBuf;

use clap::ArgAction;

use super::{Backups, Consent, OnFailure};

#[derive(Debug, clap::Args)]
pub struct SupportBundle {
    /// The run that it is about [default: the newest]
    pub run: Option<String>,
    /// The file to write [default: tessallite-up-support-RUN.tar.zst, here]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where backups are kept [default: backups in the state directory]
    #[arg(long, value_name = "DIR", env = "TESSALLITE_UP_BACKUP_DIR")]
    pub backup_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The run; history lists them
    pub run: String,
}

#[derive(Debug, clap::Args)]
pub struct Unlock {
    /// The run that the lock is held for
    pub run: String,
}

#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The run [default: the last one]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub consent: Consent,
    /// What to do when it fails after it has changed the installation
    #[arg(long, value_enum, default_value_t = OnFailure::Rollback, value_name = "WHAT")]
    pub on_failure: OnFailure,
    #[command(flatten)]
    pub backups: Backups,
}

#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The run [default: the last one]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub consent: Consent,
    /// Show what would be done, and do nothing
    #[arg(long, action = ArgAction::SetTrue)]
    pub preview: bool,
    #[command(flatten)]
    pub backups: Backups,
}
