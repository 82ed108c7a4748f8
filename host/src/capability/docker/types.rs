//! What the Docker capability speaks about, as plain data.
//!
//! Mirrors `wit/docker.wit`; what is more than that serves the host itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

/// The verdict of a container's own health check, of its present run only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has no check.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    /// The ID of the image that the container was created from (`sha256:…`).
    pub image_id: String,
    pub state: ContainerState,
    pub health: Health,
    pub restarts: u32,
    /// Of the last run; absent while the first run lasts.
    pub exit_code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub service: String,
    pub condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    /// As the Compose model has it, interpolated. Empty when only built from source.
    pub image: String,
    /// All digests under which the engine knows the image in use in the repository
    /// of `image`: one image may have several (its index, its manifest).
    pub digests: Vec<String>,
    pub image_bytes: Option<u64>,
    pub containers: Vec<Container>,
    pub depends_on: Vec<Dependency>,
    pub ports: Vec<u16>,
    pub has_health_check: bool,
    /// As `SOURCE:TARGET`; a named volume by its name in the Compose model.
    pub mounts: Vec<String>,
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub version: String,
    pub api_version: String,
    pub compose_version: String,
    pub platform: String,
    pub project: String,
    pub files: Vec<String>,
    pub free_bytes: Option<u64>,
    /// The engine runs on this machine, not in a virtual machine and not elsewhere.
    pub is_local: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryImage {
    pub reference: String,
    pub digest: String,
    pub platforms: Vec<String>,
}

/// An image by its reference and by the digest that the reference must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    pub reference: String,
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    pub service: String,
    pub image: PinnedImage,
}

/// A service, and the image of its containers by ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerImage {
    pub service: String,
    pub image_id: String,
}

/// Bytes of one pull, over all layers that are known so far: `total` grows while the
/// engine learns of more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullProgress {
    pub done: u64,
    pub total: u64,
}

/// A container that is never started: its name is taken, and its labels say what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

/// An image that a container used, and the local tag that now keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImage {
    pub service: String,
    pub image_id: String,
    pub tag: String,
}

/// A running container of a service that was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedContainer {
    pub service: String,
    pub id: String,
    pub name: String,
    /// Created by this deployment; false when it already ran as wanted.
    pub fresh: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    pub exit_code: i64,
    pub output: String,
}

/// What a program inside a container said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// 126 or 127: it could not be started.
    pub exit_code: i64,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// One way to reach a container's port from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A port of the engine's host.
    Published { host: String, port: u16 },
    /// The container's address on a network of the engine, on this machine.
    Network { address: IpAddr, port: u16 },
    /// Only by a program inside the container.
    Inside,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRoutes {
    pub id: String,
    pub name: String,
    /// Best first; never empty.
    pub routes: Vec<Route>,
}

/// What befell a container that should have kept running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    Exited {
        code: i64,
    },
    Restarted,
    /// Turned from healthy to unhealthy.
    Unhealthy,
    OutOfMemory,
    /// It does not exist any longer.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub service: String,
    pub container: String,
    pub id: String,
}

/// What a watch sees. Times are the engine's.
#[derive(Debug)]
pub enum Observation {
    /// A container that is being watched is in trouble.
    Incident {
        place: Place,
        what: Mishap,
    },
    /// Any container of the project stopped; for the reckoning of downtime.
    Stopped {
        place: Place,
        at: Timestamp,
    },
    Started {
        place: Place,
        at: Timestamp,
    },
    Healthy {
        place: Place,
        at: Timestamp,
    },
    /// The engine's events could not be followed any longer; the last observation.
    Lost(crate::capability::error::Error),
}

/// Why a container is as it is, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    pub container: String,
    pub state: ContainerState,
    pub exit_code: Option<i32>,
    pub out_of_memory: bool,
    pub restarts: u32,
    /// Exit code and output of the last runs of the health check, oldest first.
    pub health_log: Vec<(i64, String)>,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// What the operator said about where the project is. What is left out is found by
/// Compose's own rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// Where `docker compose` is run.
    pub project_dir: PathBuf,
    pub files: Vec<PathBuf>,
    pub project_name: Option<String>,
    pub profiles: Vec<String>,
    pub env_files: Vec<PathBuf>,
}
