//! Between the contract's records and the client's types.

use super::types;
use crate::contract::docker as wit;

impl From<types::Engine> for wit::Engine {
    fn from(engine: types::Engine) -> Self {
        let types::Engine {
            version,
            api_version,
            compose_version,
            platform,
            project,
            files,
            free_bytes,
            is_local: _,
        } = engine;
        Self { version, api_version, compose_version, platform, project, files, free_bytes }
    }
}

impl From<types::Service> for wit::Service {
    fn from(service: types::Service) -> Self {
        Self {
            name: service.name,
            image: service.image,
            digests: service.digests,
            image_bytes: service.image_bytes,
            containers: service.containers.into_iter().map(Into::into).collect(),
            depends_on: service.depends_on.into_iter().map(Into::into).collect(),
            ports: service.ports,
            has_health_check: service.has_health_check,
            mounts: service.mounts,
            active: service.active,
        }
    }
}

impl From<types::Container> for wit::Container {
    fn from(container: types::Container) -> Self {
        let types::Container { id, name, image_id, state, health, restarts, exit_code } = container;
        let (state, health) = (state.into(), health.into());
        Self { id, name, image_id, state, health, restarts, exit_code }
    }
}

impl From<types::ContainerState> for wit::ContainerState {
    fn from(state: types::ContainerState) -> Self {
        use types::ContainerState as From;
        match state {
            From::Created => Self::Created,
            From::Running => Self::Running,
            From::Paused => Self::Paused,
            From::Restarting => Self::Restarting,
            From::Removing => Self::Removing,
            From::Exited => Self::Exited,
            From::Dead => Self::Dead,
        }
    }
}

impl From<types::Health> for wit::Health {
    fn from(health: types::Health) -> Self {
        match health {
            types::Health::None => Self::None,
            types::Health::Starting => Self::Starting,
            types::Health::Healthy => Self::Healthy,
            types::Health::Unhealthy => Self::Unhealthy,
        }
    }
}

impl From<types::Dependency> for wit::Dependency {
    fn from(dependency: types::Dependency) -> Self {
        let condition = match dependency.condition {
            types::Condition::ServiceStarted => wit::Condition::ServiceStarted,
            types::Condition::ServiceHealthy => wit::Condition::ServiceHealthy,
            types::Condition::ServiceCompletedSuccessfully => {
                wit::Condition::ServiceCompletedSuccessfully
            }
        };
        Self { service: dependency.service, condition }
    }
}

impl From<wit::FormerImage> for types::FormerImage {
    fn from(wit::FormerImage { service, image_id }: wit::FormerImage) -> Self {
        Self { service, image_id }
    }
}

impl From<types::RegistryImage> for wit::RegistryImage {
    fn from(image: types::RegistryImage) -> Self {
        let types::RegistryImage { reference, digest, platforms } = image;
        Self { reference, digest, platforms }
    }
}

impl From<types::ExecOutput> for wit::ExecOutput {
    fn from(types::ExecOutput { exit_code, output }: types::ExecOutput) -> Self {
        Self { exit_code, output }
    }
}

impl From<wit::PinnedImage> for types::PinnedImage {
    fn from(wit::PinnedImage { reference, digest }: wit::PinnedImage) -> Self {
        Self { reference, digest }
    }
}

impl From<wit::ServiceImage> for types::ServiceImage {
    fn from(wit::ServiceImage { service, image }: wit::ServiceImage) -> Self {
        Self { service, image: image.into() }
    }
}

impl From<wit::ImageChange> for super::rewrite::ImageChange {
    fn from(wit::ImageChange { service, before, after }: wit::ImageChange) -> Self {
        Self { service, before, after: after.reference }
    }
}
