//! A container that nobody else uses or reaches, of the image of one of the services, gone once
//! it is not needed any longer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, RemoveContainerOptions, StartContainerOptions,
};
use tokio::runtime::Handle;

use super::{Client, ExecStream, Input, failure};
use crate::capability::error::Result;

/// Whose it is, as the engine keeps it.
const PROJECT: &str = "tessallite-up.throwaway";
const PROCESS: &str = "tessallite-up.process";

/// What a throwaway container is given.
#[derive(Debug, Clone)]
pub struct Throw<'a> {
    /// It gets the image of this service.
    pub service: &'a str,
    pub env: Vec<(String, String)>,
    /// Added to the image's own command, where that is a lone program.
    pub arguments: Vec<String>,
    /// In bytes.
    pub memory: u64,
}

pub struct Throwaway {
    client: Client,
    id: String,
    is_removed: AtomicBool,
}

impl Client {
    /// Creates and starts it: without a network, its data in a volume that goes with it.
    ///
    /// Errors: `NotFound` when the model has no such service, `Failed` when none of its
    /// containers runs or the engine refuses.
    pub async fn throwaway(&self, wanted: Throw<'_>) -> Result<Throwaway> {
        let doing = format!("starting a throwaway container like {}", wanted.service);
        self.remove_abandoned().await;
        let project = self.model().await?.project.clone();
        let like = self.running(&doing, wanted.service).await?;
        let image = like.details.image.clone().unwrap_or_default();
        let command = self.command(&image, wanted.arguments).await?;
        let labels = [(PROJECT, project), (PROCESS, std::process::id().to_string())];
        let body = ContainerCreateBody {
            image: Some(image),
            env: Some(wanted.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: command,
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value)).into()),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                memory: Some(i64::try_from(wanted.memory).unwrap_or(i64::MAX)),
                auto_remove: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let created = self.docker().create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(|error| failure::engine(doing.clone(), error))?.id;
        let throwaway = Throwaway { client: self.clone(), id, is_removed: AtomicBool::new(false) };
        let started =
            self.docker().start_container(&throwaway.id, None::<StartContainerOptions>).await;
        match started {
            Ok(()) => Ok(throwaway),
            Err(error) => {
                let _ = throwaway.remove().await;
                Err(failure::engine(doing, error))
            }
        }
    }

    async fn command(&self, image: &str, arguments: Vec<String>) -> Result<Option<Vec<String>>> {
        let found = self.image(image).await?;
        let own = found.and_then(|image| image.config).and_then(|config| config.cmd);
        Ok(own.filter(|own| own.len() == 1).map(|own| [own, arguments].concat()))
    }

    /// Those of a program that was killed; where the engine is on another machine, nobody
    /// knows whether it was.
    async fn remove_abandoned(&self) {
        if !self.inner.facts.is_local {
            return;
        }
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), vec![PROJECT.to_owned()])])),
            ..ListContainersOptions::default()
        };
        let Ok(found) = self.docker().list_containers(Some(options)).await else { return };
        for container in found {
            let process = container.labels.as_ref().and_then(|labels| labels.get(PROCESS));
            let lives = process.is_some_and(|id| std::path::Path::new("/proc").join(id).exists());
            if let (false, Some(id)) = (lives, container.id) {
                // The next one tries it again.
                let _ = remove(self, &id).await;
            }
        }
    }
}

impl Throwaway {
    /// As [`Client::exec_stream`].
    ///
    /// Errors: `Failed` when it does not run any longer.
    pub async fn exec_stream(
        &self,
        argv: &[String],
        env: &[(String, String)],
        stdin: Option<Input>,
    ) -> Result<ExecStream> {
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let doing = format!("running {program} in the throwaway container");
        self.client.exec_stream_in(doing, &self.id, argv, env, stdin).await
    }

    /// With all that was in it.
    pub async fn remove(&self) -> Result<()> {
        if self.is_removed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        remove(&self.client, &self.id).await
    }
}

async fn remove(client: &Client, id: &str) -> Result<()> {
    let options = RemoveContainerOptions { v: true, force: true, ..Default::default() };
    match client.docker().remove_container(id, Some(options)).await {
        Ok(()) => Ok(()),
        // It is gone, or going by itself.
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409, ..
        }) => Ok(()),
        Err(error) => Err(failure::engine("removing the throwaway container", error)),
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if self.is_removed.swap(true, Ordering::SeqCst) {
            return;
        }
        let (client, id) = (self.client.clone(), std::mem::take(&mut self.id));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { remove(&client, &id).await });
        }
    }
}
