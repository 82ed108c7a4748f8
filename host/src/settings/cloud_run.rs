//! Where an installation on Google Cloud is: `[cloudrun]`, flags, environment, and what
//! gcloud itself is set to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Error, Result};

/// In the order of the procedure.
const SERVICES: [&str; 6] =
    ["model-service", "query-router", "optimizer", "scheduler", "frontend", "gateway"];
/// The connection under `[sql.connections]` that is the installation's own database.
pub const DATABASE: &str = "internal";
/// The plugin that is for such an installation.
pub const PLUGIN: &str = "cloudrun";

/// `[cloudrun]`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    project: Option<String>,
    region: Option<String>,
    instance: Option<String>,
    repository: Option<String>,
    /// A service account to act as.
    impersonate: Option<String>,
    services: Option<Vec<Entry>>,
    /// Percentages, in steps.
    traffic: Option<Vec<u32>>,
    parallel: Option<bool>,
    keep_pins: Option<bool>,
    #[serde(default)]
    timeouts: Timeouts,
}

/// A service: its name alone, or more.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(String),
    Table(Service),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Service {
    name: String,
    external: Option<bool>,
    url: Option<String>,
    health: Option<String>,
    healthy: Option<String>,
    migration_field: Option<String>,
    image: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
    timeout: Option<u32>,
}

/// In seconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    pub revision: Option<u32>,
    pub database: Option<u32>,
    pub busy: Option<u32>,
    pub request: Option<u32>,
}

/// Flags, each over its variable.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Flags {
    pub project: Option<String>,
    pub region: Option<String>,
    pub instance: Option<String>,
    pub repository: Option<String>,
    pub impersonate: Option<String>,
}

/// Where the installation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudRun {
    pub project: String,
    pub region: String,
    pub instance: Option<String>,
    pub repository: Option<String>,
    pub impersonate: Option<String>,
    pub services: Vec<Named>,
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub external: bool,
    pub url: Option<String>,
}

/// Whether the installation is on Google Cloud: the first plugin says so by its name, else
/// there are settings for that.
fn is_wanted(plugins: &[String], table: Option<&Table>, flags: &Flags) -> bool {
    let first = plugins.first().map(|text| Path::new(text).file_stem().unwrap_or_default());
    match first.and_then(|stem| stem.to_str()) {
        Some(PLUGIN) => true,
        Some("compose") => false,
        _ => table.is_some() || *flags != Flags::default(),
    }
}

/// Where it is, if it is on Google Cloud, and what the plugin is to know of that.
///
/// # Errors
/// As [`CloudRun::resolve`].
pub fn find(
    plugins: &[String],
    table: Option<&Table>,
    flags: &Flags,
) -> Result<(Option<CloudRun>, BTreeMap<String, String>)> {
    if !is_wanted(plugins, table, flags) {
        return Ok((None, BTreeMap::new()));
    }
    let table = table.cloned().unwrap_or_default();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = CloudRun::resolve(&table, flags, &variable)?;
    Ok((Some(found), table.plugin_settings()))
}

/// Variables by their names; empty ones count as absent.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl CloudRun {
    /// # Errors
    /// Project or region are nowhere to be found; a service is named twice.
    pub fn resolve(table: &Table, flags: &Flags, variable: Variables<'_>) -> Result<Self> {
        let own = |flag: &Option<String>, file: &Option<String>| flag.clone().or(file.clone());
        let gcloud = Gcloud::read(variable);
        let project = own(&flags.project, &table.project)
            .or_else(|| variable("CLOUDSDK_CORE_PROJECT"))
            .or_else(|| variable("GOOGLE_CLOUD_PROJECT"))
            .or_else(|| gcloud.get("core", "project"));
        let region = own(&flags.region, &table.region)
            .or_else(|| variable("CLOUDSDK_RUN_REGION"))
            .or_else(|| gcloud.get("run", "region"))
            .or_else(|| variable("CLOUDSDK_COMPUTE_REGION"))
            .or_else(|| gcloud.get("compute", "region"));
        let missing = |what: &str, flag: &str| {
            Error::Invalid(format!(
                "the {what} of the installation on Google Cloud is not known: {what} in \
                 [cloudrun] of tessallite-up.toml, {flag}, or gcloud's own configuration names it"
            ))
        };
        Ok(Self {
            project: project.ok_or_else(|| missing("project", "--gcp-project"))?,
            region: region.ok_or_else(|| missing("region", "--gcp-region"))?,
            instance: own(&flags.instance, &table.instance),
            repository: own(&flags.repository, &table.repository),
            impersonate: own(&flags.impersonate, &table.impersonate),
            services: table.named()?,
            timeouts: table.timeouts,
        })
    }
}

impl CloudRun {
    /// With what the plugin's settings say of the services: these may come from elsewhere.
    ///
    /// # Errors
    /// A service is named twice, or none is.
    pub fn with(self, settings: &BTreeMap<String, String>) -> Result<Self> {
        let mut services = self.services;
        if let Some(list) = settings.get("services") {
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            let known = |name: &str| {
                let known = services.iter().find(|service| service.name == name).cloned();
                known.unwrap_or_else(|| Named { name: name.into(), external: false, url: None })
            };
            services = names.map(known).collect();
        }
        for service in &mut services {
            let own = |key: &str| settings.get(&format!("services.{}.{key}", service.name));
            if let Some(external) = own("external") {
                service.external = matches!(external.as_str(), "true" | "yes" | "1");
            }
            service.url = own("url").cloned().or(service.url.take());
        }
        check(&services)?;
        Ok(Self { services, ..self })
    }
}

fn check(services: &[Named]) -> Result<()> {
    for (place, Named { name, .. }) in services.iter().enumerate() {
        if services[..place].iter().any(|known| known.name == *name) {
            return Err(Error::Invalid(format!("[cloudrun] services names {name:?} twice")));
        }
    }
    if services.is_empty() {
        return Err(Error::Invalid("[cloudrun] services is empty".into()));
    }
    Ok(())
}

impl Table {
    fn entries(&self) -> Vec<Service> {
        let names = || SERVICES.iter().map(|name| Entry::Name((*name).to_owned())).collect();
        let entries = self.services.clone().unwrap_or_else(names);
        entries.into_iter().map(Service::from).collect()
    }

    fn named(&self) -> Result<Vec<Named>> {
        let named = |Service { name, external, url, .. }| Named {
            name,
            external: external.unwrap_or(false),
            url,
        };
        let services: Vec<Named> = self.entries().into_iter().map(named).collect();
        check(&services)?;
        Ok(services)
    }

    /// What of it is for the plugin.
    pub fn plugin_settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        let mut set = |name: String, value: Option<String>| {
            if let Some(value) = value {
                settings.insert(name, value);
            }
        };
        let services = self.entries();
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        set("services".into(), Some(names.join(",")));
        set("repository".into(), self.repository.clone());
        let steps =
            |steps: &Vec<u32>| steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        set("traffic".into(), self.traffic.as_ref().map(steps));
        set("parallel".into(), self.parallel.map(|flag| flag.to_string()));
        set("keep-pins".into(), self.keep_pins.map(|flag| flag.to_string()));
        for service in services {
            let mut own = |key: &str, value: Option<String>| {
                set(format!("services.{}.{key}", service.name), value);
            };
            own("external", service.external.map(|flag| flag.to_string()));
            own("url", service.url);
            own("health", service.health);
            own("healthy", service.healthy);
            own("migration-field", service.migration_field);
            own("image", service.image);
            own("tag", service.tag);
            own("digest", service.digest);
            own("timeout", service.timeout.map(|seconds| seconds.to_string()));
        }
        settings
    }
}

impl From<Entry> for Service {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Table(service) => service,
            Entry::Name(name) => Self {
                name,
                external: None,
                url: None,
                health: None,
                healthy: None,
                migration_field: None,
                image: None,
                tag: None,
                digest: None,
                timeout: None,
            },
        }
    }
}

/// The active configuration of gcloud.
#[derive(Default)]
struct Gcloud(BTreeMap<(String, String), String>);

impl Gcloud {
    /// Nothing where there is none, or it cannot be read: it only fills in.
    fn read(variable: Variables<'_>) -> Self {
        let text = file(variable).and_then(|path| std::fs::read_to_string(path).ok());
        text.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut section = String::new();
        let mut values = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.trim().to_owned();
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with(['#', ';'])
            {
                values.insert((section.clone(), key.trim().to_owned()), value.trim().to_owned());
            }
        }
        Self(values)
    }

    fn get(&self, section: &str, key: &str) -> Option<String> {
        let value = self.0.get(&(section.to_owned(), key.to_owned()))?;
        (!value.is_empty()).then(|| value.clone())
    }
}

fn file(variable: Variables<'_>) -> Option<PathBuf> {
    let home = || Some(Path::new(&variable("HOME")?).join(".config/gcloud"));
    let directory = variable("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(home)?;
    let active = || std::fs::read_to_string(directory.join("active_config")).ok();
    let name = variable("CLOUDSDK_ACTIVE_CONFIG_NAME").or_else(active);
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "default".to_owned());
    Some(directory.join("configurations").join(format!("config_{name}")))
}

#[cfg(test)]
mod tests;
