//! The services of the project.

use std::collections::BTreeMap;

use std::path::PathBuf;

use bollard::errors::Error as EngineError;
use bollard::models::{HealthConfig, ImageInspect};
use futures_util::future::try_join_all;

use super::Client;
use super::containers::Found;
use super::failure;
use super::model::{Model, ServiceModel, add_port, port_range};
use crate::capability::docker::reference::Reference;
use crate::capability::docker::types::Service;
use crate::capability::error::{Error, Result};

impl Client {
    /// The services of the project, dependencies before their dependents.
    ///
    /// Errors: `Invalid` when the project's files are not valid.
    pub async fn services(&self) -> Result<Vec<Service>> {
        let model = self.model().await?;
        let order = model.order()?;
        let mut containers = self.by_service(&model).await?;
        let services = order.into_iter().filter_map(|name| {
            let found = containers.remove(name).unwrap_or_default();
            Some(self.service_of(name, model.services.get(name)?, found))
        });
        try_join_all(services).await
    }

    /// One service, as [`Client::services`] gives it.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub async fn service(&self, name: &str) -> Result<Service> {
        let model = self.model().await?;
        let service = Self::modelled(&model, name)?;
        self.service_of(name, service, self.containers_of(name).await?).await
    }

    async fn by_service(&self, model: &Model) -> Result<BTreeMap<String, Vec<Found>>> {
        let mut services: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        for found in self.containers(&model.project).await? {
            services.entry(found.service.clone()).or_default().push(found);
        }
        Ok(services)
    }

    async fn service_of(
        &self,
        name: &str,
        model: &ServiceModel,
        found: Vec<Found>,
    ) -> Result<Service> {
        let in_use = found.iter().find(|found| found.is_running()).or(found.first());
        let image = match in_use {
            Some(found) => self.image(&found.container.image_id).await?,
            None => None,
        };
        let digests = image.as_ref().map(|image| digests(image, &model.image)).unwrap_or_default();
        let mut ports = model.ports.clone();
        for port in image.as_ref().map(declared_ports).unwrap_or_default() {
            add_port(&mut ports, port);
        }
        let checked = |found: &Found| {
            found
                .details
                .config
                .as_ref()
                .is_some_and(|config| is_check(config.healthcheck.as_ref()))
        };
        Ok(Service {
            name: name.to_owned(),
            image: model.image.clone(),
            digests,
            image_bytes: image.and_then(|image| u64::try_from(image.size?).ok()),
            has_health_check: model.has_health_check || found.iter().any(checked),
            containers: found.into_iter().map(|found| found.container).collect(),
            depends_on: model.depends_on.clone(),
            ports,
            mounts: model.mounts.clone(),
            active: model.active,
        })
    }

    /// The directories of this machine that the service's containers mount; none where the
    /// engine is on another machine.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub async fn mount_sources(&self, service: &str) -> Result<Vec<PathBuf>> {
        if !self.inner.facts.is_local {
            return Ok(Vec::new());
        }
        let found = self.containers_of(service).await?;
        let mounts = found.into_iter().flat_map(|found| found.details.mounts.unwrap_or_default());
        Ok(mounts.filter_map(|mount| mount.source).map(PathBuf::from).collect())
    }

    /// An image of the engine, by ID or reference; nothing when it is not there.
    pub(super) async fn image(&self, name: &str) -> Result<Option<ImageInspect>> {
        match self.docker().inspect_image(name).await {
            Ok(image) => Ok(Some(image)),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failure::engine(format!("inspecting the image {name}"), error)),
        }
    }

    /// The names of services that are about to be put on a command line.
    ///
    /// Errors: `NotFound` for the first that the model does not have, `Invalid` when
    /// there are none.
    pub(super) async fn check_services(&self, names: &[&str]) -> Result<std::sync::Arc<Model>> {
        if names.is_empty() {
            // Compose would take that for all of them.
            return Err(Error::invalid("no service was named"));
        }
        let model = self.model().await?;
        for name in names {
            Self::modelled(&model, name)?;
        }
        Ok(model)
    }
}

/// The digests by which the engine knows the image in the repository of `reference`.
pub(super) fn digests(image: &ImageInspect, reference: &str) -> Vec<String> {
    let Ok(wanted) = Reference::parse(reference).map(|wanted| wanted.normalized_repository())
    else {
        return Vec::new();
    };
    let known = image.repo_digests.iter().flatten().filter_map(|text| Reference::parse(text).ok());
    known
        .filter(|known| known.normalized_repository() == wanted)
        .filter_map(|known| known.digest().map(str::to_owned))
        .collect()
}

fn declared_ports(image: &ImageInspect) -> Vec<u16> {
    let declared = image
        .config
        .as_ref()
        .and_then(|config| config.exposed_ports.as_deref())
        .unwrap_or_default();
    let mut ports: Vec<u16> =
        declared.iter().filter_map(|text| port_range(text)).flatten().collect();
    ports.sort_unstable();
    ports
}

fn is_check(check: Option<&HealthConfig>) -> bool {
    let test = check.and_then(|check| check.test.as_deref()).and_then(<[_]>::first);
    test.is_some_and(|first| !first.is_empty() && first != "NONE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_counts_for_its_own_repository_only() {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
        let image = ImageInspect {
            repo_digests: Some(vec![
                format!("postgres@{}", digest("aa")),
                format!("mirror.example/postgres@{}", digest("bb")),
                format!("postgres@{}", digest("cc")),
            ]),
            ..ImageInspect::default()
        };
        assert_eq!(digests(&image, "docker.io/library/postgres:15"), [digest("aa"), digest("cc")]);
        assert_eq!(digests(&image, "mirror.example/postgres"), [digest("bb")]);
        assert!(digests(&image, "other:1").is_empty());
        assert!(digests(&image, "").is_empty());
    }
}
