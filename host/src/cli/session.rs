//! What the commands begin with: settings, plugins, the installation.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::display::{self, Display};
use super::error::{Failure, Result};
use super::{interrupt, load};
use crate::capability::docker::types::Location;
use crate::capability::gcloud::types::{Named, Patience, Place};
use crate::contract::{Intent, Request, Setting, Upgrade};
use crate::engine::{self, Audit, Holder, Installation, Kind, Link, Lock, Prepared, Target};
use crate::plugin::{Compiler, Limits, Runtime};
use crate::policy::Policy;
use crate::settings::{CloudRun, FOR_CLOUD_RUN, SecretText, Settings};

/// The plugin for a Compose project, where none is named.
const FOR_COMPOSE: &str = "compose";
/// The kinds of installations, as plugins name them.
const COMPOSE: &str = "compose";
const CLOUD_RUN: &str = "cloudrun";
/// The program's own directory below those of the user.
const OWN: &str = "tessallite-up";

/// # Errors
/// The runtime cannot be set up.
pub fn runtime() -> Result<Runtime> {
    Ok(Runtime::new(cache(), Limits::default(), Compiler::this_program())?)
}

/// Where compiled plugins are kept.
pub fn cache() -> Option<PathBuf> {
    Some(user_dir("XDG_CACHE_HOME", ".cache")?.join(OWN).join("components"))
}

/// Where the operator keeps plugins: `NAME.wasm`.
pub fn installed_plugins() -> PathBuf {
    let data = user_dir("XDG_DATA_HOME", ".local/share");
    data.map_or_else(|| PathBuf::from("/nonexistent"), |dir| dir.join(OWN).join("plugins"))
}

/// One of the user's directories.
pub fn user_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    path(variable).or_else(|| Some(path("HOME")?.join(below_home)))
}

pub fn target(settings: &Settings) -> Target {
    let dsn = |(name, text): (&String, &SecretText)| (name.clone(), text.reveal().to_owned());
    Target {
        kind: match &settings.cloud_run {
            Some(cloud_run) => Kind::CloudRun(place(cloud_run)),
            None => Kind::Compose(location(settings)),
        },
        project_dir: settings.project_dir.clone(),
        state_dir: settings.state_dir.clone(),
        backup_dir: settings.backup_dir.clone(),
        recipients: settings.recipients.clone(),
        identity: settings.identity.clone(),
        connections: settings.connections.iter().map(dsn).collect(),
        database_service: settings.settings.get("database-service").cloned(),
    }
}

pub fn location(settings: &Settings) -> Location {
    Location {
        project_dir: settings.project_dir.clone(),
        files: settings.files.clone(),
        project_name: settings.project_name.clone(),
        profiles: settings.profiles.clone(),
        env_files: settings.env_files.clone(),
    }
}

fn place(cloud_run: &CloudRun) -> Place {
    let CloudRun { project, region, instance, repository, impersonate, services, timeouts } =
        cloud_run.clone();
    let named = |service: crate::settings::Named| Named {
        name: service.name,
        external: service.external,
        url: service.url,
    };
    let usual = Patience::default();
    let or = |seconds: Option<u32>, usual| seconds.map_or(usual, |s| Duration::from_secs(s.into()));
    let patience = Patience {
        revision: or(timeouts.revision, usual.revision),
        database: or(timeouts.database, usual.database),
        busy: or(timeouts.busy, usual.busy),
        request: or(timeouts.request, usual.request),
    };
    let services = services.into_iter().map(named).collect();
    Place { project, region, instance, repository, services, impersonate, patience }
}

/// The plugins are loaded and the engine answers; nothing has been read or decided yet.
pub struct Session {
    links: Vec<Link>,
    pub installation: Installation,
    pub run: String,
    audit: Arc<Audit>,
}

impl Session {
    /// # Errors
    /// A plugin cannot be used, or there is no engine.
    pub async fn open(settings: &Settings) -> Result<Self> {
        Self::open_for(settings, &new_run()).await
    }

    /// For a run that has its name already.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_for(settings: &Settings, run: &str) -> Result<Self> {
        let links = links(settings).await?;
        check_first(&links, settings)?;
        let installation = Installation::connect(target(settings)).await?;
        let audit = Arc::new(Audit::begin(&settings.state_dir, run)?);
        Ok(Self { links, installation, run: run.to_owned(), audit })
    }

    /// The smallest grants that the plan takes.
    ///
    /// # Errors
    /// Why there is no plan.
    pub async fn suggest(self, settings: &Settings) -> Result<Vec<Policy>> {
        let Self { links, installation, run, audit } = self;
        Ok(engine::suggest(&installation, &links, &request(settings, run), &audit).await?)
    }

    /// Makes the plan that the settings ask for; `None` where there is nothing to do, which
    /// has been said then.
    ///
    /// # Errors
    /// Why there is no plan.
    pub async fn prepare(self, settings: &Settings, display: &Display) -> Result<Option<Prepared>> {
        let request = request(settings, self.run.clone());
        self.prepare_as(request, settings, display).await
    }

    /// As [`Session::prepare`], for a request that was made before.
    ///
    /// # Errors
    /// Why there is no plan.
    pub async fn prepare_as(
        self,
        request: Request,
        settings: &Settings,
        display: &Display,
    ) -> Result<Option<Prepared>> {
        let Self { links, installation, audit, .. } = self;
        let (state_dir, reporter) = (settings.state_dir.clone(), display.reporter());
        match engine::prepare(installation, links, request, state_dir, reporter, audit).await {
            Ok(prepared) => Ok(Some(prepared)),
            Err(engine::Error::NothingToDo(why)) => {
                display.nothing_to_do(&why);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes the lock of the installation for a run, waiting at most so many seconds. A signal
/// gives it back, until the run listens for signals itself.
///
/// # Errors
/// Another run holds it.
pub async fn lock(installation: &Installation, run: &str, wait_s: u32) -> Result<Lock> {
    let waiting = |holder: &Holder| display::note(&format!("Waiting for {holder}."));
    let wait = Duration::from_secs(wait_s.into());
    let lock = Lock::take(installation, run, wait, waiting).await?;
    interrupt::before_the_run(lock.clone())?;
    Ok(lock)
}

/// Gives a lock back. One that cannot be given back is told of, and stops nothing.
pub async fn release(lock: Lock) {
    if let Err(error) = lock.release().await {
        let failure = Failure::from(error);
        display::note(&format!(
            "The lock stays behind, and the next run takes it: {}",
            failure.text
        ));
    }
}

/// The plugins that an upgrade is made with, as the operator names them.
pub fn plugins(settings: &Settings) -> Vec<String> {
    match (settings.plugins.is_empty(), &settings.cloud_run) {
        (true, None) => vec![FOR_COMPOSE.to_owned()],
        (true, Some(_)) => vec![FOR_CLOUD_RUN.to_owned()],
        (false, _) => settings.plugins.clone(),
    }
}

/// The plugins that the settings name.
///
/// # Errors
/// One of them cannot be used.
pub async fn links(settings: &Settings) -> Result<Vec<Link>> {
    let (runtime, trust) = (runtime()?, load::trust(settings)?);
    let mut links = Vec::new();
    for name in &plugins(settings) {
        links.push(load::link(&runtime, &trust, settings, name).await?);
    }
    Ok(links)
}

fn check_first(links: &[Link], settings: &Settings) -> Result<()> {
    let kind = if settings.cloud_run.is_some() { CLOUD_RUN } else { COMPOSE };
    match links.first() {
        Some(link) if !matches!(link.description.target.as_str(), "" | COMPOSE | CLOUD_RUN) => {
            let (name, target) = (&link.description.name, &link.description.target);
            Err(Failure::usage(format!("the plugin {name} is for {target:?}, which is not known")))
        }
        Some(link) if !link.description.target.is_empty() && link.description.target != kind => {
            let (name, target) = (&link.description.name, &link.description.target);
            Err(Failure::usage(format!(
                "the plugin {name} is for installations on {target}, and this one is on {kind}"
            ))
            .hint("a [cloudrun] table in tessallite-up.toml makes it one on Google Cloud"))
        }
        Some(link) if link.description.target.is_empty() => {
            let name = &link.description.name;
            Err(Failure::usage(format!("the plugin {name} only extends another one's plan")).hint(
                format!(
                    "name the procedure first: --plugin {FOR_COMPOSE} --plugin {}",
                    link.source
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn request(settings: &Settings, run: String) -> Request {
    let setting =
        |(name, value): (&String, &String)| Setting { name: name.clone(), value: value.clone() };
    Request {
        run,
        intent: Intent::Upgrade(Upgrade {
            version: settings.version.clone(),
            migration: settings.migration.clone(),
            oldest: settings.oldest.clone(),
            keeps_compatibility: settings.release.keeps_compatibility,
            images: settings.release.images(),
        }),
        settings: settings.settings.iter().map(setting).collect(),
        base: None,
    }
}

/// When, and something that two runs of the same second do not share.
fn new_run() -> String {
    let now = jiff::Timestamp::now();
    let id = u64::from(std::process::id()) ^ u64::from(now.subsec_nanosecond().unsigned_abs());
    format!("{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), id & 0xffff)
}
