//! What the commands take that are about plans from files, grants and the audit log.

use std::path::PathBuf;

use clap::{ArgAction, Subcommand};

use super::{Backups, Consent, OnFailure, Request};

#[derive(Debug, clap::Args)]
pub struct Approve {
    /// The plan's file; the approval stands beside it, as PLAN.KEY.minisig
    pub plan: PathBuf,
    /// The operator's secret key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    #[command(flatten)]
    pub password: crate::cli::plugin::args::Password,
    /// Do not ask
    #[arg(long, short = 'y', action = ArgAction::SetTrue)]
    pub yes: bool,
}

#[derive(Debug, clap::Args)]
pub struct Apply {
    /// The plan's file
    pub plan: PathBuf,
    #[command(flatten)]
    pub consent: Consent,
    /// What to do when it fails after it has changed the installation
    #[arg(long, value_enum, default_value_t = OnFailure::Rollback, value_name = "WHAT")]
    pub on_failure: OnFailure,
    #[command(flatten)]
    pub backups: Backups,
}

#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What each plugin may do: what it asks for, and what of that is granted
    Show {
        /// [default: those of the configuration]
        #[arg(value_name = "NAME|PATH")]
        plugins: Vec<String>,
    },
    /// Compare what plugins ask for with what is granted; print the lines that are missing
    Check {
        /// [default: those of the configuration]
        #[arg(value_name = "NAME|PATH")]
        plugins: Vec<String>,
    },
    /// Make the plan with every read allowed, and print the smallest grants that it takes
    Suggest(Box<Request>),
}

#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Every call of a run, with its outcome and duration
    Show {
        /// The run [default: the newest]
        run: Option<String>,
        /// Only what was denied
        #[arg(long, action = ArgAction::SetTrue)]
        denied: bool,
    },
    /// Check every file of the log against its hashes and its neighbours
    Verify,
}
