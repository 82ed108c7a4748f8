//! What the program takes on its command line and from its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::settings::Flags;

mod cloud_run;
mod guarded;
mod recorded;

use cloud_run::CloudRun;

pub use guarded::{Apply, Approve, AuditArgs, AuditCommand, PolicyArgs, PolicyCommand};
pub use recorded::{Resume, Rollback, Show, SupportBundle, Unlock};

const EXIT_CODES: &str = "\
Exit codes: 0 done, or nothing to do; 1 a defect of this program; 2 usage or \
configuration; 3 refused, or failed before the installation was changed; 4 denied by \
policy; 5 failed and rolled back; 6 failed and not rolled back; 7 locked by another \
run; 130 interrupted.";

/// Upgrades a running Tessallite installation.
///
/// Without a command it makes a plan, shows it, asks, and carries it out.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub upgrade: Upgrade,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the plan and show it; change nothing
    Plan(Plan),
    /// Approve a plan's file with an operator's key
    Approve(Approve),
    /// Carry out a plan from its file: the very one that was approved
    Apply(Apply),
    /// Go on with a run that was cut off or failed
    Resume(Resume),
    /// Go back to what was before a run
    Rollback(Rollback),
    /// Make, list, verify, restore and prune backups of the database
    Backup(super::backup::args::Backup),
    /// Show what the installation is now, and its last run
    Status,
    /// List the recorded runs, newest first
    History,
    /// Show a recorded run: its plan, its steps and effects with their times, its end
    Show(Show),
    /// Check whether the installation could be upgraded; change nothing
    Doctor(Request),
    /// List, inspect, pin, sign and verify plugins
    Plugin(super::plugin::args::Plugin),
    /// Show what plugins may do, what they lack, and what a plan needs
    Policy(PolicyArgs),
    /// Show and verify the record of every call that a plugin made
    Audit(AuditArgs),
    /// Pack what is known of a run into one file, for support; without secrets
    SupportBundle(SupportBundle),
    /// Remove the lock that a run on a dead machine has left behind
    Unlock(Unlock),
    /// Print the completion script of a shell
    Completions(Completions),
    CompilePlugin(super::compile_plugin::CompilePlugin),
}

/// Where the installation is, and how to show things.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Installation")]
pub struct Global {
    /// The directory of the Compose project [default: this one]
    #[arg(long, global = true, value_name = "DIR", env = "TESSALLITE_UP_PROJECT_DIR")]
    project_dir: Option<PathBuf>,
    /// The configuration [default: tessallite-up.toml in the project, if there]
    #[arg(long, global = true, value_name = "FILE", env = "TESSALLITE_UP_CONFIG")]
    config: Option<PathBuf>,
    /// A Compose file, as for docker compose; may be repeated
    #[arg(short, long = "file", global = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The Compose project's name, as for docker compose
    #[arg(short, long, global = true, value_name = "NAME")]
    project_name: Option<String>,
    /// A Compose profile to enable; may be repeated
    #[arg(long = "profile", global = true, value_name = "NAME")]
    profiles: Vec<String>,
    /// An env file, as for docker compose; may be repeated
    #[arg(long = "env-file", global = true, value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// Where runs are recorded [default: .tessallite-up in the project]
    #[arg(long, global = true, value_name = "DIR", env = "TESSALLITE_UP_STATE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    cloud_run: CloudRun,
    /// Only approved plans, only plugins that are pinned and signed, no questions
    #[arg(long, global = true, action = ArgAction::SetTrue, env = "TESSALLITE_UP_LOCKED")]
    locked: bool,
    /// How to show things
    #[arg(long, global = true, value_enum, default_value_t = Output::Human, env = "TESSALLITE_UP_OUTPUT")]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: a live view on a terminal, plain lines elsewhere
    Human,
    /// One JSON object a line, on standard output
    Json,
}

/// What the installation is to become.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Upgrade")]
pub struct Request {
    /// The version to upgrade to
    #[arg(long, value_name = "VERSION", env = "TESSALLITE_UP_TO")]
    to: Option<String>,
    /// A release manifest, in TOML or JSON
    #[arg(long, value_name = "FILE", env = "TESSALLITE_UP_RELEASE")]
    release: Option<PathBuf>,
    /// The db_migration that the release notes promise
    #[arg(long, value_name = "MIGRATION", env = "TESSALLITE_UP_EXPECT_MIGRATION")]
    expect_migration: Option<String>,
    #[command(flatten)]
    backups: Backups,
    /// A plugin, by path or name; the first makes the plan, each next one extends it
    /// [default: the one for this installation]
    #[arg(long = "plugin", value_name = "NAME|PATH")]
    plugins: Vec<String>,
    /// How long a service may take to become healthy, in seconds [default: 180]
    #[arg(long, value_name = "SECONDS", env = "TESSALLITE_UP_TIMEOUT")]
    timeout: Option<u32>,
    /// How long to watch the services after the last one is healthy, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u32>,
    /// Recreate the services strictly one after the other
    #[arg(long, action = ArgAction::SetTrue)]
    one_by_one: bool,
    /// On Google Cloud: move the traffic in these steps, in percent [default: 100]
    #[arg(long, value_name = "PERCENT,…", env = "TESSALLITE_UP_TRAFFIC")]
    traffic: Option<String>,
    /// On Google Cloud: services that do not depend on each other go side by side
    #[arg(long, action = ArgAction::SetTrue)]
    parallel: bool,
    /// On Google Cloud: a service whose traffic is pinned to a revision stays pinned, to the new one
    #[arg(long, action = ArgAction::SetTrue)]
    keep_pins: bool,
    /// A tenant that the migration leaves behind is a warning, not a failure
    #[arg(long, action = ArgAction::SetTrue)]
    allow_stranded_tenants: bool,
    /// Stop the services before the backup, so that a rollback loses no write at all
    #[arg(long, action = ArgAction::SetTrue)]
    quiesce: bool,
    /// How the backup is proven before anything is changed [default: quick]
    #[arg(long, value_enum, value_name = "HOW")]
    verify_backup: Option<Proof>,
    /// A setting of the plugin; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Proof {
    /// Read it back: checksum, table of contents
    Quick,
    /// Restore it into a throwaway server as well, and compare every table
    Full,
}

#[derive(Debug, clap::Args)]
pub struct Upgrade {
    #[command(flatten)]
    pub request: Request,
    #[command(flatten)]
    pub consent: Consent,
    /// What to do when it fails after it has changed the installation
    #[arg(long, value_enum, default_value_t = OnFailure::Rollback, value_name = "WHAT")]
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Consent {
    /// Do not ask
    #[arg(long, short = 'y', action = ArgAction::SetTrue)]
    pub yes: bool,
    /// How long to wait while another run holds the lock, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub lock_wait: u32,
    /// Whether a rollback may bring the database back, and with it lose what was written since
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = RestoreDatabase::Ask)]
    pub restore_database: RestoreDatabase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestoreDatabase {
    /// Where the upgrade has changed it
    Yes,
    /// It stays as it is
    No,
    /// Ask when it comes to that; where nobody can be asked, the approval is the answer
    Ask,
}

/// Where backups are, and what closes and opens them.
#[derive(Debug, clap::Args)]
pub struct Backups {
    /// Where backups are kept [default: backups in the state directory]
    #[arg(long, value_name = "DIR", env = "TESSALLITE_UP_BACKUP_DIR")]
    backup_dir: Option<PathBuf>,
    /// Encrypt backups with age to this recipient; may be repeated
    #[arg(long = "recipient", value_name = "AGE", env = "TESSALLITE_UP_RECIPIENT")]
    recipients: Vec<String>,
    /// The age identity that opens encrypted backups
    #[arg(long, value_name = "FILE", env = "TESSALLITE_UP_IDENTITY")]
    identity: Option<PathBuf>,
}

impl Backups {
    pub fn with(&self, flags: Flags) -> Flags {
        Flags {
            backup_dir: self.backup_dir.clone(),
            recipients: self.recipients.clone(),
            identity: self.identity.clone(),
            ..flags
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// Carry out the rollback that was approved with the plan
    Rollback,
    /// Leave things as they are, for inspection
    Stop,
}

#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub request: Request,
    /// Write the plan to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

impl Args {
    /// # Errors
    /// What is wrong with the command line; help and version are among the errors.
    pub fn parse_from_line(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(line)?;
        if let Some(name) = matches.subcommand_name() {
            check_before_command(&command, &matches, name)?;
        }
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// What is said before a command and is not for all commands would be said for nothing.
fn check_before_command(
    command: &clap::Command,
    matches: &ArgMatches,
    name: &str,
) -> Result<(), clap::Error> {
    let stray = command.get_arguments().find(|argument| {
        let id = argument.get_id().as_str();
        !argument.is_global_set() && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    match stray.and_then(clap::Arg::get_long) {
        None => Ok(()),
        Some(long) => Err(command.clone().error(
            ErrorKind::ArgumentConflict,
            format!("--{long} goes behind the command: tessallite-up {name} --{long} …"),
        )),
    }
}

impl Global {
    pub fn flags(&self) -> Flags {
        Flags {
            project_dir: self.project_dir.clone(),
            config: self.config.clone(),
            files: self.files.clone(),
            project_name: self.project_name.clone(),
            profiles: self.profiles.clone(),
            env_files: self.env_files.clone(),
            state: self.state.clone(),
            locked: self.locked,
            cloud_run: self.cloud_run.flags(),
            ..Flags::default()
        }
    }
}

impl Request {
    pub fn flags(&self, global: &Global) -> Flags {
        let mut named = BTreeMap::new();
        let mut set = |name, value: Option<String>| {
            if let Some(value) = value {
                named.insert(name, value);
            }
        };
        set("timeout", self.timeout.map(|seconds| seconds.to_string()));
        set("soak", self.soak.map(|seconds| seconds.to_string()));
        set("one-by-one", self.one_by_one.then(|| "true".to_owned()));
        set("traffic", self.traffic.clone());
        set("parallel", self.parallel.then(|| "true".to_owned()));
        set("keep-pins", self.keep_pins.then(|| "true".to_owned()));
        set("quiesce", self.quiesce.then(|| "true".to_owned()));
        let proof = self.verify_backup.map(|proof| match proof {
            Proof::Quick => "quick".to_owned(),
            Proof::Full => "full".to_owned(),
        });
        set("verify-backup", proof);
        set("allow-stranded-tenants", self.allow_stranded_tenants.then(|| "true".to_owned()));
        let flags = Flags {
            plugins: self.plugins.clone(),
            to: self.to.clone(),
            release: self.release.clone(),
            expect_migration: self.expect_migration.clone(),
            set: self.set.clone(),
            named,
            ..global.flags()
        };
        self.backups.with(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_documented_command_is_taken() {
        let line = ["tessallite-up", "--to", "1.5.0", "--expect-migration", "0008"];
        let args = Args::parse_from_line(line.map(Into::into)).unwrap();
        assert!(args.command.is_none());
        assert_eq!(args.upgrade.request.to.as_deref(), Some("1.5.0"));
    }

    #[test]
    fn a_flag_of_the_upgrade_before_a_command_is_refused() {
        let line = ["tessallite-up", "--to", "1.5.0", "plan"];
        let error = Args::parse_from_line(line.map(Into::into)).unwrap_err();
        assert!(error.to_string().contains("tessallite-up plan --to"), "{error}");
    }

    #[test]
    fn flags_of_the_backups_go_behind_their_command() {
        for flag in [["--backup-dir", "/x"], ["--recipient", "age1"], ["--set", "a=b"]] {
            let line = ["tessallite-up", "backup", "list"].into_iter().chain(flag);
            let args = Args::parse_from_line(line.map(Into::into)).unwrap();
            assert!(args.command.is_some(), "{flag:?}");
        }
    }

    #[test]
    fn flags_of_the_installation_go_before_and_behind_a_command() {
        for line in [
            ["tessallite-up", "--project-dir", "/x", "plan", "--to", "1"],
            ["tessallite-up", "plan", "--to", "1", "--project-dir", "/x"],
        ] {
            let args = Args::parse_from_line(line.map(Into::into)).unwrap();
            assert_eq!(args.global.flags().project_dir, Some("/x".into()));
        }
    }
}
