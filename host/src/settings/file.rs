//! The configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cloud_run::Table;
use super::{Error, Result};
use crate::policy::Grants;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The plugins of an upgrade; the first makes the plan.
    #[serde(default)]
    pub plugin: Vec<String>,
    /// What is said of each plugin, by its name.
    #[serde(default)]
    pub plugins: BTreeMap<String, OfPlugin>,
    /// Only approved plans, only plugins that are pinned and signed, no questions.
    #[serde(default)]
    pub locked: bool,
    pub to: Option<String>,
    pub release: Option<PathBuf>,
    pub expect_migration: Option<String>,
    pub backup_dir: Option<PathBuf>,
    #[serde(default)]
    pub backup: Backup,
    #[serde(default)]
    pub confine: Confine,
    pub state: Option<PathBuf>,
    /// The Compose files.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    pub project_name: Option<String>,
    #[serde(default)]
    pub profiles: Vec<String>,
    #[serde(default)]
    pub env_files: Vec<PathBuf>,
    /// For the plugins.
    #[serde(default)]
    settings: BTreeMap<String, Scalar>,
    /// For the plugins, one table a service: `services.NAME.KEY`.
    #[serde(default)]
    services: BTreeMap<String, BTreeMap<String, Scalar>>,
    /// Where the installation is, if it is on Google Cloud.
    pub cloudrun: Option<Table>,
    #[serde(default)]
    pub sql: Sql,
    #[serde(default)]
    pub trust: Trust,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfPlugin {
    #[serde(default)]
    pub allow: Grants,
}

/// Encryption with age.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    #[serde(default)]
    pub recipients: Vec<String>,
    pub identity: Option<PathBuf>,
}

/// What this process may reach.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confine {
    #[serde(default)]
    pub mode: Mode,
    /// Where it may write, beside what it knows of.
    #[serde(default)]
    pub write: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// As far as the kernel can; locked, it has to be whole.
    #[default]
    On,
    /// As far as the kernel can, also locked.
    BestEffort,
    Off,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    #[serde(default)]
    pub connections: BTreeMap<String, SecretText>,
}

/// Public keys of minisign.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trust {
    #[serde(default)]
    pub plugin_keys: Vec<String>,
    #[serde(default)]
    pub operator_keys: Vec<String>,
    /// How many operators have to approve a plan.
    pub approvals: Option<u32>,
}

/// Contains a password, and is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// For the one place that makes a connection of it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Where and why, but neither the line, which `Display` would quote, nor a value: both may
/// be a data source name with its password. So may a key that is not known.
fn without_secrets(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    // A value stands in quotes, and may contain some.
    let message = without_quoted(error.message(), '"', |_| false);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " `,-_".contains(c);
    let message = without_quoted(&message, '`', |keys| keys.chars().all(is_plain));
    format!("line {line}: {message}")
}

/// Without what stands between the first such sign and the last, unless it may stay.
fn without_quoted(message: &str, sign: char, may_stay: impl Fn(&str) -> bool) -> String {
    match (message.find(sign), message.rfind(sign)) {
        (Some(first), Some(last)) if !may_stay(&message[first..last]) => {
            format!("{}…{}", &message[..first], &message[last + 1..])
        }
        _ => message.to_owned(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Flag(bool),
    List(Vec<String>),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => items.join(","),
        }
    }
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| Error::Parse {
            path: path.to_owned(),
            what: "configuration",
            source: without_secrets(&text, &error).into(),
        })
    }

    pub(super) fn read_if_there(path: &Path) -> Result<Self> {
        match Self::read(path) {
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            other => other,
        }
    }

    pub(super) fn plugin_settings(&self) -> BTreeMap<String, String> {
        let general = self.settings.iter().map(|(name, value)| (name.clone(), value.text()));
        let of_services = self.services.iter().flat_map(|(service, values)| {
            values
                .iter()
                .map(move |(key, value)| (format!("services.{service}.{key}"), value.text()))
        });
        general.chain(of_services).collect()
    }
}
