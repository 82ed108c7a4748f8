//! Containers that are never started: the engine gives a name to one of them only, and
//! that is what they are for.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error as EngineError;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, ImageConfig, ImageInspect, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptions;

use super::Client;
use super::failure;
use super::model::Model;
use crate::capability::docker::types::Mark;
use crate::capability::error::{Error, Result};

/// No image has it: a mark that somebody starts ends before it has begun.
const NO_PROGRAM: &str = "/this-container-is-only-a-name";
/// What Compose knows its containers by.
const COMPOSE_LABELS: &str = "com.docker.compose.";

impl Client {
    /// Creates a container of this name that is never started, from an image of the
    /// project that is on the engine already. Compose does not take it for one of the
    /// project's. What is returned is its ID; nothing when the name is taken.
    ///
    /// Errors: `Failed` when the engine has no image of the project.
    pub async fn create_mark(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Option<String>> {
        let model = self.model().await?;
        for image in self.images_of(&model).await? {
            let name = Some(name.to_owned());
            let options = CreateContainerOptions { name, ..CreateContainerOptions::default() };
            match self.docker().create_container(Some(options), body(&image, labels)).await {
                Ok(created) => return Ok(Some(created.id)),
                Err(error) if status(&error) == Some(409) => return Ok(None),
                // The image has just gone: another one does as well.
                Err(error) if status(&error) == Some(404) => {}
                Err(error) => return Err(failure::engine("creating a container", error)),
            }
        }
        Err(Error::failed(format!(
            "the engine has neither a container nor an image of the Compose project {}",
            model.project
        ))
        .hint("see that engine, directory and project are the right ones; docker compose ps"))
    }

    /// The container that has this name.
    ///
    /// Errors: those of the engine.
    pub async fn find_mark(&self, name: &str) -> Result<Option<Mark>> {
        let Some(details) = self.inspect(name).await? else { return Ok(None) };
        let labels = details.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(details.id.map(|id| Mark { id, labels: labels.into_iter().collect() }))
    }

    /// By ID, never by name: the name may be another one's by now. One that is gone, or
    /// about to be, is no error.
    ///
    /// Errors: `Failed` when it runs.
    pub async fn remove_mark(&self, id: &str) -> Result<()> {
        match self.docker().remove_container(id, None).await {
            Ok(()) => Ok(()),
            Err(error) if is_going(&error) => Ok(()),
            Err(error) => Err(failure::engine(format!("removing the container {id}"), error)),
        }
    }

    /// The images of the project's containers, and those that its model names and the
    /// engine has; the plainest first.
    async fn images_of(&self, model: &Model) -> Result<Vec<ImageInspect>> {
        let containers = self.containers(&model.project).await?;
        let used = containers.into_iter().map(|found| found.container.image_id);
        let named = model.services.values().map(|service| service.image.clone());
        let mut images: Vec<ImageInspect> = Vec::new();
        for name in used.chain(named).filter(|name| !name.is_empty()) {
            if images.iter().any(|image| image.id.as_ref() == Some(&name)) {
                continue;
            }
            images.extend(self.image(&name).await?);
        }
        images.sort_by_key(|image| (compose_labels(image).count(), volumes(image).count()));
        Ok(images)
    }
}

fn status(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn is_going(error: &EngineError) -> bool {
    match error {
        EngineError::DockerResponseServerError { status_code: 404, .. } => true,
        EngineError::DockerResponseServerError { status_code: 409, message } => {
            message.contains("already in progress")
        }
        _ => false,
    }
}

fn body(image: &ImageInspect, labels: &BTreeMap<String, String>) -> ContainerCreateBody {
    let own = labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    // A container has the labels of its image too: they can be emptied, but not taken away.
    let emptied = compose_labels(image).map(|name| (name.to_owned(), String::new()));
    let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), ..Default::default() };
    // Else the engine would create a volume for each, which would stay.
    let mounts: HashMap<_, _> =
        volumes(image).map(|path| (path.to_owned(), String::new())).collect();
    ContainerCreateBody {
        image: image.id.clone(),
        entrypoint: Some(vec![NO_PROGRAM.to_owned()]),
        cmd: Some(Vec::new()),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        network_disabled: Some(true),
        labels: Some(emptied.chain(own).collect()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            restart_policy: Some(policy),
            tmpfs: Some(mounts),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn config(image: &ImageInspect) -> Option<&ImageConfig> {
    image.config.as_ref()
}

/// Those of an image that Compose has built.
fn compose_labels(image: &ImageInspect) -> impl Iterator<Item = &str> {
    let labels = config(image).and_then(|config| config.labels.as_ref());
    let names = labels.into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with(COMPOSE_LABELS))
}

fn volumes(image: &ImageInspect) -> impl Iterator<Item = &str> {
    let volumes = config(image).and_then(|config| config.volumes.as_ref());
    volumes.into_iter().flatten().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_by_compose() -> ImageInspect {
        let label = |name: &str| (format!("{COMPOSE_LABELS}{name}"), "tess".to_owned());
        let labels = HashMap::from([label("project"), label("service"), ("x".into(), "y".into())]);
        let volumes = Some(vec!["/var/lib/postgresql/data".to_owned()]);
        let config = ImageConfig { labels: Some(labels), volumes, ..ImageConfig::default() };
        ImageInspect {
            id: Some("sha256:0".into()),
            config: Some(config),
            ..ImageInspect::default()
        }
    }

    #[test]
    fn compose_does_not_take_a_mark_for_a_container_of_the_project() {
        let own = BTreeMap::from([("own".to_owned(), "1".to_owned())]);
        let labels = body(&built_by_compose(), &own).labels.unwrap();
        assert_eq!(labels.get("com.docker.compose.project").map(String::as_str), Some(""));
        assert_eq!(labels.get("com.docker.compose.service").map(String::as_str), Some(""));
        assert_eq!(labels.get("own").map(String::as_str), Some("1"));
        assert!(!labels.contains_key("x"));
    }

    #[test]
    fn a_mark_has_no_network_no_volume_and_nothing_to_run() {
        let body = body(&built_by_compose(), &BTreeMap::new());
        assert_eq!(body.image.as_deref(), Some("sha256:0"));
        assert_eq!(body.entrypoint.unwrap(), [NO_PROGRAM]);
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert!(host.tmpfs.unwrap().contains_key("/var/lib/postgresql/data"));
        assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
    }
}
