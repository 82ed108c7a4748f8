//! The containers of the project.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::{
    ContainerInspectResponse, ContainerState as RawState, ContainerStateStatusEnum,
    HealthStatusEnum,
};
use bollard::query_parameters::ListContainersOptions;
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::Client;
use super::failure;
use crate::capability::docker::types::{Container, ContainerState, Health};
use crate::capability::error::{Error, Result};

pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";
pub(super) const SERVICE_LABEL: &str = "com.docker.compose.service";
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff=False";
/// Of the configuration that Compose created the container from.
pub(super) const HASH_LABEL: &str = "com.docker.compose.config-hash";
const NUMBER_LABEL: &str = "com.docker.compose.container-number";

/// A container of the project, as the engine describes it.
pub(super) struct Found {
    pub(super) service: String,
    /// A container and the one that is just replacing it have the same number.
    pub(super) number: u32,
    pub(super) details: ContainerInspectResponse,
    pub(super) container: Container,
}

impl Found {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let labels = self.details.config.as_ref()?.labels.as_ref()?;
        labels.get(name).map(String::as_str)
    }

    /// For how long, by the engine's clock, which is taken for ours. A time in the future
    /// tells nothing.
    pub(super) fn has_run(&self) -> Option<Duration> {
        let started = self.details.state.as_ref()?.started_at.as_ref()?;
        let started: Timestamp = started.parse().ok()?;
        Duration::try_from(Timestamp::now().duration_since(started)).ok()
    }

    pub(super) fn is_running(&self) -> bool {
        self.container.state == ContainerState::Running
    }
}

impl Client {
    /// The containers of the whole project, running or not, by service and number;
    /// one-off containers excluded.
    pub(super) async fn containers(&self, project: &str) -> Result<Vec<Found>> {
        self.containers_with(vec![format!("{PROJECT_LABEL}={project}"), ONE_OFF.to_owned()]).await
    }

    /// The containers of one service of the model.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub(super) async fn containers_of(&self, service: &str) -> Result<Vec<Found>> {
        let model = self.model().await?;
        Self::modelled(&model, service)?;
        let labels = [
            format!("{PROJECT_LABEL}={}", model.project),
            format!("{SERVICE_LABEL}={service}"),
            ONE_OFF.to_owned(),
        ];
        self.containers_with(labels.to_vec()).await
    }

    /// The first running container of a service.
    ///
    /// Errors: `NotFound` when the model has no such service, `Failed` when none runs.
    pub(super) async fn running(&self, doing: &str, service: &str) -> Result<Found> {
        let containers = self.containers_of(service).await?;
        containers
            .into_iter()
            .find(Found::is_running)
            .ok_or_else(|| Error::failed(format!("{doing}: no container of {service} is running")))
    }

    async fn containers_with(&self, labels: Vec<String>) -> Result<Vec<Found>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..ListContainersOptions::default()
        };
        let list = self.docker().list_containers(Some(options)).await;
        let list =
            list.map_err(|error| failure::engine("listing the project's containers", error))?;
        let ids: Vec<String> = list.into_iter().filter_map(|summary| summary.id).collect();
        let found = try_join_all(ids.iter().map(|id| self.inspect(id))).await?;
        let mut found: Vec<Found> = found.into_iter().flatten().filter_map(describe).collect();
        found.sort_by(|a, b| {
            let key = |found: &Found| (found.number, found.details.created.clone());
            a.service.cmp(&b.service).then_with(|| key(a).cmp(&key(b)))
        });
        Ok(found)
    }

    /// Nothing when there is no such container (any longer).
    pub(super) async fn inspect(&self, id: &str) -> Result<Option<ContainerInspectResponse>> {
        match self.docker().inspect_container(id, None).await {
            Ok(details) => Ok(Some(details)),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failure::engine(format!("inspecting the container {id}"), error)),
        }
    }
}

fn describe(details: ContainerInspectResponse) -> Option<Found> {
    let labels = details.config.as_ref()?.labels.as_ref()?;
    let service = labels.get(SERVICE_LABEL)?.clone();
    let number = labels.get(NUMBER_LABEL).and_then(|number| number.parse().ok()).unwrap_or(0);
    let container = container(&details)?;
    Some(Found { service, number, details, container })
}

fn container(details: &ContainerInspectResponse) -> Option<Container> {
    let raw = details.state.as_ref()?;
    let state = state(raw);
    Some(Container {
        id: details.id.clone()?,
        name: details.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        image_id: details.image.clone().unwrap_or_default(),
        state,
        health: health(raw),
        restarts: restarts(details),
        exit_code: exit_code(raw, state),
    })
}

pub(super) fn restarts(details: &ContainerInspectResponse) -> u32 {
    details.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

pub(super) fn state(raw: &RawState) -> ContainerState {
    match raw.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
            ContainerState::Running
        }
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Removing,
        Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
        Some(ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => {
            ContainerState::Created
        }
    }
}

/// The engine sets the code to 0 when it starts a container: it says something only
/// while the container does not run.
pub(super) fn exit_code(raw: &RawState, state: ContainerState) -> Option<i32> {
    match state {
        ContainerState::Restarting | ContainerState::Exited | ContainerState::Dead => {
            raw.exit_code.and_then(|code| i32::try_from(code).ok())
        }
        _ => None,
    }
}

/// For a moment after a start, the engine still shows the verdict of the run before.
pub(super) fn health(raw: &RawState) -> Health {
    let Some(health) = &raw.health else { return Health::None };
    let verdict = match health.status {
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => return Health::None,
    };
    let last =
        health.log.as_deref().and_then(<[_]>::last).and_then(|last| time(last.end.as_deref()));
    match (last, time(raw.started_at.as_deref())) {
        (Some(last), Some(start)) if last < start => Health::Starting,
        _ => verdict,
    }
}

/// A time of the engine; nothing for its year 1, which means "never".
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    let time: Timestamp = text?.parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> RawState {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_verdict_of_the_run_before_does_not_count() {
        let state = |end: &str| {
            raw(&format!(
                r#"{{"Status":"running","StartedAt":"2026-11-22T21:00:00.5Z",
                    "Health":{{"Status":"healthy","Log":[{{"Start":"2026-11-22T20:00:00Z","End":"{end}","ExitCode":0}}]}}}}"#
            ))
        };
        assert_eq!(health(&state("2026-11-22T21:00:00.4Z")), Health::Starting);
        assert_eq!(health(&state("2026-11-22T22:00:00.6+01:00")), Health::Healthy);
        assert_eq!(health(&raw(r#"{"Status":"running"}"#)), Health::None);
    }

    #[test]
    fn an_exit_code_is_told_only_of_what_has_ended() {
        let code = |json: &str| {
            let raw = raw(json);
            exit_code(&raw, state(&raw))
        };
        assert_eq!(code(r#"{"Status":"running","ExitCode":0}"#), None);
        assert_eq!(code(r#"{"Status":"created","ExitCode":0}"#), None);
        assert_eq!(code(r#"{"Status":"restarting","ExitCode":3}"#), Some(3));
        assert_eq!(code(r#"{"Status":"exited","ExitCode":137}"#), Some(137));
    }

    #[test]
    fn year_one_is_never() {
        assert_eq!(time(Some("0001-01-01T00:00:00Z")), None);
        assert!(time(Some("2026-11-22T21:00:00.123456789+01:00")).is_some());
    }
}
