//! Flags, environment and configuration file, resolved into one thing.
//!
//! A flag wins over its environment variable (clap sees to that), both win over the file.

mod cloud_run;
mod file;
mod locked;
mod release;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use cloud_run::{CloudRun, Flags as CloudRunFlags, Named, PLUGIN as FOR_CLOUD_RUN};
pub use file::{Confine, File, Mode, SecretText};
pub use release::Release;

use crate::policy::Grants;
use crate::signature::PublicKey;

/// The name of the configuration file in the project's directory.
pub const CONFIG_FILE: &str = "tessallite-up.toml";
/// The name of the file with the pins of plugins, beside the configuration.
pub const LOCK_FILE: &str = "tessallite-up.lock";
/// State and backups stand here, in the project's directory, so that whoever operates
/// the installation next finds them.
pub const STATE_DIR: &str = ".tessallite-up";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a valid {what}")]
    Parse {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("check the path, and that the file may be read".to_owned()),
            Self::Parse { .. } => Some("mend the file; README.md shows every key".to_owned()),
            Self::Invalid(_) => None,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the command line and the environment say.
#[derive(Debug, Default, Clone)]
pub struct Flags {
    pub project_dir: Option<PathBuf>,
    pub config: Option<PathBuf>,
    pub files: Vec<PathBuf>,
    pub project_name: Option<String>,
    pub profiles: Vec<String>,
    pub env_files: Vec<PathBuf>,
    pub plugins: Vec<String>,
    pub to: Option<String>,
    pub release: Option<PathBuf>,
    pub expect_migration: Option<String>,
    pub backup_dir: Option<PathBuf>,
    pub recipients: Vec<String>,
    pub identity: Option<PathBuf>,
    pub state: Option<PathBuf>,
    pub locked: bool,
    pub cloud_run: CloudRunFlags,
    /// Plugin settings, `KEY=VALUE`.
    pub set: Vec<String>,
    /// Plugin settings that have a flag of their own.
    pub named: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub project_dir: PathBuf,
    pub files: Vec<PathBuf>,
    pub project_name: Option<String>,
    pub profiles: Vec<String>,
    pub env_files: Vec<PathBuf>,
    /// Where it is, if it is on Google Cloud.
    pub cloud_run: Option<CloudRun>,
    pub plugins: Vec<String>,
    pub version: Option<String>,
    pub migration: Option<String>,
    pub oldest: Option<String>,
    pub release: Release,
    pub backup_dir: PathBuf,
    /// Of age, whom backups are encrypted to.
    pub recipients: Vec<String>,
    /// The file with the age identity that opens them.
    pub identity: Option<PathBuf>,
    pub state_dir: PathBuf,
    pub confine: Confine,
    /// For the plugins.
    pub settings: BTreeMap<String, String>,
    /// What plugins may do, by their names.
    pub grants: BTreeMap<String, Grants>,
    /// Data source names, by the names that plugins use.
    pub connections: BTreeMap<String, SecretText>,
    /// The file with the pins of plugins.
    pub plugin_lock: PathBuf,
    /// Whose signatures of plugins count.
    pub plugin_keys: Vec<PublicKey>,
    /// Whose signatures of plans count.
    pub operator_keys: Vec<PublicKey>,
    /// How many operators have to approve a plan, where that is said.
    approvals: Option<u32>,
    /// Only approved plans, only plugins that are pinned and signed, no questions.
    pub locked: bool,
}

impl Settings {
    /// How many approvals a plan's file needs.
    pub fn approvals(&self) -> usize {
        let wanted = self.approvals.unwrap_or(u32::from(self.locked));
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// # Errors
    /// A file that cannot be read or is not valid; values that contradict each other.
    pub fn resolve(flags: Flags) -> Result<Self> {
        let project_dir =
            absolute(flags.project_dir.clone().unwrap_or_else(|| PathBuf::from(".")))?;
        if !project_dir.is_dir() {
            return Err(Error::Invalid(format!(
                "the project directory {} does not exist",
                project_dir.display()
            )));
        }
        locked::check_project(&flags, &project_dir)?;
        let file = match &flags.config {
            Some(path) => File::read(path)?,
            None => File::read_if_there(&project_dir.join(CONFIG_FILE))?,
        };
        if flags.locked || file.locked {
            locked::check_flags(&flags)?;
        }
        // Paths in the file are meant from where the file is.
        let config_dir = flags.config.as_deref().and_then(Path::parent).unwrap_or(&project_dir);
        let from_file = |path: PathBuf| config_dir.join(path);
        let release_path = flags.release.or(file.release.clone().map(from_file));
        let release =
            release_path.map(|path| Release::read(&path)).transpose()?.unwrap_or_default();
        let state_dir = match flags.state.or(file.state.clone().map(from_file)) {
            Some(path) => absolute(path)?,
            None => project_dir.join(STATE_DIR),
        };
        let backup_dir = match flags.backup_dir.or(file.backup_dir.clone().map(from_file)) {
            Some(path) => absolute(path)?,
            None => state_dir.join("backups"),
        };
        let identity = flags.identity.or(file.backup.identity.clone().map(from_file));
        let identity = identity.map(absolute).transpose()?;
        let plugins = or(flags.plugins, file.plugin.clone());
        let (cloud_run, mut settings) =
            cloud_run::find(&plugins, file.cloudrun.as_ref(), &flags.cloud_run)?;
        if cloud_run.is_some() && file.sql.connections.contains_key(cloud_run::DATABASE) {
            settings.insert("connection".to_owned(), cloud_run::DATABASE.to_owned());
        }
        settings.extend(file.plugin_settings());
        add_flags(&mut settings, &flags.set, &flags.named)?;
        let cloud_run = cloud_run.map(|found| found.with(&settings)).transpose()?;
        let is_locked = flags.locked || file.locked;
        if is_locked && file.trust.approvals == Some(0) {
            return Err(Error::Invalid("locked, a plan needs one approval at least".into()));
        }
        let version = agree("version", flags.to.or(file.to.clone()), release.version.clone())?;
        let migration = flags.expect_migration.or(file.expect_migration.clone());
        let migration = agree("migration", migration, release.migration.clone())?;
        Ok(Self {
            files: paths(flags.files, file.files, config_dir)?,
            project_name: flags.project_name.or(file.project_name),
            profiles: or(flags.profiles, file.profiles),
            env_files: paths(flags.env_files, file.env_files, config_dir)?,
            cloud_run,
            plugins,
            version,
            migration,
            oldest: release.oldest.clone(),
            release,
            backup_dir,
            recipients: or(flags.recipients, file.backup.recipients),
            identity,
            state_dir,
            confine: Confine {
                write: paths(Vec::new(), file.confine.write, config_dir)?,
                ..file.confine
            },
            settings,
            grants: file.plugins.into_iter().map(|(name, of)| (name, of.allow)).collect(),
            connections: file.sql.connections,
            plugin_lock: absolute(config_dir.join(LOCK_FILE))?,
            plugin_keys: keys("plugin-keys", &file.trust.plugin_keys)?,
            approvals: file.trust.approvals,
            locked: is_locked,
            operator_keys: keys("operator-keys", &file.trust.operator_keys)?,
            project_dir,
        })
    }
}

/// What the command line says of the plugins' settings wins.
fn add_flags(
    settings: &mut BTreeMap<String, String>,
    set: &[String],
    named: &BTreeMap<&'static str, String>,
) -> Result<()> {
    for pair in set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::Invalid(format!("--set takes KEY=VALUE, not {pair:?}")))?;
        settings.insert(name.trim().to_owned(), value.to_owned());
    }
    settings.extend(named.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Ok(())
}

fn or<T>(flag: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flag.is_empty() { file } else { flag }
}

fn keys(name: &str, texts: &[String]) -> Result<Vec<PublicKey>> {
    let read = |text: &String| {
        PublicKey::parse(text).map_err(|why| Error::Invalid(format!("{name} under [trust]: {why}")))
    };
    texts.iter().map(read).collect()
}

/// As for docker compose, those of the command line are meant from where it was given.
fn paths(flags: Vec<PathBuf>, file: Vec<PathBuf>, config_dir: &Path) -> Result<Vec<PathBuf>> {
    let file = file.into_iter().map(|path| config_dir.join(path)).collect();
    or(flags, file).into_iter().map(absolute).collect()
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).map_err(|source| Error::Read { path, source })
}

/// What the operator says and what the release says must not differ.
fn agree(what: &str, said: Option<String>, release: Option<String>) -> Result<Option<String>> {
    match (said, release) {
        (Some(said), Some(release)) if said != release => Err(Error::Invalid(format!(
            "the {what} asked for is {said}, but the release manifest says {release}"
        ))),
        (said, release) => Ok(said.or(release)),
    }
}

#[cfg(test)]
mod tests;
