//! The Docker Engine and `docker compose`, for one installation.
//!
//! The engine is asked through its API; whatever has Compose's meaning (merging,
//! interpolation, profiles, recreation) is left to the operator's own
//! `docker compose`. Only this module knows bollard.

mod compose;
mod containers;
mod credentials;
mod deploy;
mod diagnose;
mod endpoint;
mod engine;
mod exec;
mod failure;
pub(super) mod files;
mod health;
mod images;
mod mark;
mod model;
mod progress;
mod pull;
mod registry;
mod routes;
mod services;
mod sources;
mod support;
mod throwaway;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use tokio::sync::Mutex;

use self::compose::Compose;
use self::model::{Model, ServiceModel};
use self::sources::Stamp;
use super::types::Location;
use crate::capability::error::{Error, Result};

pub use self::exec::{ExecEnd, ExecStream, Input};
pub use self::throwaway::{Throw, Throwaway};
pub use self::watch::{Watch, WatchHandle};

/// How long a pull may show no sign of life.
const PULL_STALL: Duration = Duration::from_secs(60);

/// A connection to the engine and the Compose project of one installation. Clones
/// share it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    pull_stall: Duration,
}

struct Inner {
    docker: Docker,
    compose: Compose,
    facts: engine::Facts,
    /// Where the engine's published ports are reached.
    host: String,
    model: Mutex<Option<Known>>,
}

/// The Compose model, and the files that it was read from, where they are known.
struct Known {
    model: Arc<Model>,
    /// What Compose compares containers' labels with, by service, once it was asked for.
    hashes: Option<Arc<BTreeMap<String, String>>>,
    stamp: Option<Stamp>,
}

impl Client {
    /// Finds the engine that the operator's `docker` command would use, and makes
    /// sure that it and `docker compose` can be worked with.
    ///
    /// Errors: `Unavailable` when no engine answers; `Failed` when the engine refuses
    /// this user or is too old, or when there is no `docker compose` of version 2.
    pub async fn connect(location: Location) -> Result<Self> {
        let compose = Compose::new(location);
        // What is wrong with the project is told to whoever asks for its model.
        let known = async { read_model(&compose).await.ok() };
        let (compose_version, endpoint, known) =
            tokio::join!(compose.version(), endpoint::find(), known);
        let (compose_version, endpoint) = (compose_version?, endpoint?);
        let facts = engine::Facts::learn(&endpoint, compose_version).await?;
        let inner = Inner {
            docker: endpoint.docker,
            compose,
            facts,
            host: endpoint.host,
            model: Mutex::new(known),
        };
        Ok(Self { inner: Arc::new(inner), pull_stall: PULL_STALL })
    }

    /// A pull that shows no sign of life for this long is given up.
    #[must_use]
    pub fn with_pull_stall(mut self, limit: Duration) -> Self {
        self.pull_stall = limit;
        self
    }

    /// Forgets the Compose model: the next question reads the project's files anew.
    /// To be called after every change to them.
    pub async fn forget_model(&self) {
        *self.inner.model.lock().await = None;
    }

    /// As [`Client::forget_model`], and reads at once what a deployment is about to ask for.
    ///
    /// Errors: `Invalid` when Compose does not accept the project.
    pub async fn reread_model(&self) -> Result<()> {
        let mut slot = self.inner.model.lock().await;
        *slot = None;
        let compose = &self.inner.compose;
        let (known, hashes) = tokio::join!(read_model(compose), compose.hashes());
        // Without them, they are asked for again where they are needed.
        *slot = Some(Known { hashes: hashes.ok().map(Arc::new), ..known? });
        Ok(())
    }

    /// Forgets the Compose model where somebody may have changed the project's files since
    /// it was read.
    pub async fn refresh_model(&self) {
        let now = stamp(self.inner.compose.location().clone()).await;
        let mut slot = self.inner.model.lock().await;
        if now.is_none() || slot.as_ref().is_some_and(|known| known.stamp != now) {
            *slot = None;
        }
    }

    /// The Compose files in effect, in the order in which Compose merges them; without
    /// those that they include.
    ///
    /// Errors: `Invalid` when there is no Compose project here.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        files::in_effect(self.inner.compose.location())
    }

    /// Where Compose starts from with the relative paths of the project.
    pub fn project_dir(&self) -> PathBuf {
        files::project_dir(self.inner.compose.location())
    }

    /// The env files that are there, of those that Compose interpolates from; later
    /// ones win.
    pub fn env_files(&self) -> Vec<PathBuf> {
        files::env_files(self.inner.compose.location())
    }

    /// The environment that the Compose model gives the service: what the image
    /// sets by itself is not in it.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub async fn environment(&self, service: &str) -> Result<BTreeMap<String, String>> {
        let model = self.model().await?;
        Ok(Self::modelled(&model, service)?.environment.clone())
    }

    fn docker(&self) -> &Docker {
        &self.inner.docker
    }

    /// The Compose model, read when it is not known yet.
    async fn model(&self) -> Result<Arc<Model>> {
        let mut slot = self.inner.model.lock().await;
        if let Some(known) = slot.as_ref() {
            return Ok(Arc::clone(&known.model));
        }
        let known = read_model(&self.inner.compose).await?;
        Ok(Arc::clone(&slot.insert(known).model))
    }

    /// What Compose compares the label of a container with, by service; only active services
    /// have one.
    async fn hashes(&self) -> Result<Arc<BTreeMap<String, String>>> {
        let mut slot = self.inner.model.lock().await;
        if let Some(hashes) = slot.as_ref().and_then(|known| known.hashes.as_ref()) {
            return Ok(Arc::clone(hashes));
        }
        let hashes = Arc::new(self.inner.compose.hashes().await?);
        if let Some(known) = slot.as_mut() {
            known.hashes = Some(Arc::clone(&hashes));
        }
        Ok(hashes)
    }

    /// Every service name that comes from outside passes here before it goes anywhere
    /// else: what is not in the model is not a service.
    fn modelled<'a>(model: &'a Model, service: &str) -> Result<&'a ServiceModel> {
        model.services.get(service).ok_or_else(|| {
            let name: String = service.chars().take(100).flat_map(char::escape_debug).collect();
            Error::not_found(format!(
                "the Compose project {} has no service \"{name}\"",
                model.project
            ))
        })
    }
}

async fn read_model(compose: &Compose) -> Result<Known> {
    // Asked first because Compose's own answer does not say where it looked.
    files::in_effect(compose.location())?;
    // Before it is read: a change meanwhile is one since.
    let stamp = stamp(compose.location().clone()).await;
    let model = Arc::new(model::read(compose).await?);
    Ok(Known { model, hashes: None, stamp })
}

/// `None` where it is not known, which is as if all had changed.
async fn stamp(location: Location) -> Option<Stamp> {
    tokio::task::spawn_blocking(move || Stamp::of(&location)).await.ok().flatten()
}
