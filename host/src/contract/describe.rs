//! Effects in words, for the plan, the live view, the journal and the report.

use super::docker::FormerImage;
use super::{Effect, gcloud, http, sql};

/// How deep an effect reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// It adds something beside the installation: a backup, an image.
    Beside,
    /// It changes the installation itself.
    Installation,
}

impl Effect {
    /// As in the contract: "docker.pull".
    pub fn function(&self) -> &'static str {
        match self {
            Self::DockerPull(_) => "docker.pull",
            Self::DockerPin(_) => "docker.pin",
            Self::DockerDeploy(_) => "docker.deploy",
            Self::DockerUnpin(_) => "docker.unpin",
            Self::DockerRevert(_) => "docker.revert",
            Self::DockerStop(_) => "docker.stop",
            Self::DockerExec(_) => "docker.exec",
            Self::RunDeploy(_) => "gcloud.deploy",
            Self::RunRoute(_) => "gcloud.route",
            Self::InstanceBackup(_) => "gcloud.create-backup",
            Self::InstanceRestore(_) => "gcloud.restore-backup",
            Self::SqlExecute(_) => "sql.execute",
            Self::SqlDump(_) => "sql.dump",
            Self::SqlRestore(_) => "sql.restore",
            Self::HttpSend(_) => "http.send",
        }
    }

    /// Whether doing it again does no harm, where nobody knows how it ended.
    pub fn can_be_repeated(&self) -> bool {
        !matches!(self, Self::DockerExec(_) | Self::SqlExecute(_) | Self::HttpSend(_))
    }

    pub fn impact(&self) -> Impact {
        match self {
            Self::DockerPull(_) | Self::SqlDump(_) | Self::InstanceBackup(_) => Impact::Beside,
            _ => Impact::Installation,
        }
    }

    /// One line that names everything the effect touches.
    pub fn summary(&self) -> String {
        let names = |names: &[String]| names.join(", ");
        match self {
            Self::DockerPull(change) => {
                let images: Vec<_> = change.images.iter().map(|i| i.reference.clone()).collect();
                format!("pull {}", names(&images))
            }
            Self::DockerPin(change) => {
                let pins: Vec<_> = change
                    .images
                    .iter()
                    .map(|pin| format!("{} {} → {}", pin.service, pin.before, pin.after.reference))
                    .collect();
                format!("write {}", names(&pins))
            }
            Self::DockerDeploy(change) => {
                let services: Vec<_> = change.services.iter().map(|s| s.service.clone()).collect();
                format!("recreate {}", names(&services))
            }
            Self::DockerUnpin(_) => "put the project's files back as they were".to_owned(),
            Self::DockerRevert(change) => format!("recreate {}", formers(&change.services)),
            Self::DockerStop(change) if change.unless_on.is_empty() => {
                format!("stop {}", names(&change.services))
            }
            Self::DockerStop(change) => format!(
                "stop {}, but for those that run {}",
                names(&change.services),
                formers(&change.unless_on)
            ),
            Self::DockerExec(change) => {
                let argv = serde_json::Value::from(change.argv.clone());
                format!("run in {}: {argv}", change.service)
            }
            Self::RunDeploy(_)
            | Self::RunRoute(_)
            | Self::InstanceBackup(_)
            | Self::InstanceRestore(_) => self.of_google_cloud(),
            Self::SqlExecute(change) => {
                let with = match change.params.len() {
                    0 => String::new(),
                    count => format!(" ({count} parameters: {:?})", change.params),
                };
                format!("run SQL on {}: {}{with}", change.connection, change.statement)
            }
            Self::SqlDump(change) => {
                let proof = match change.proof {
                    sql::DumpProof::ReadBack => "",
                    sql::DumpProof::Restored => ", restore it into a throwaway server, and compare",
                };
                format!("dump {} as {}{proof}", change.connection, change.label)
            }
            Self::SqlRestore(change) => {
                let when = match &change.when {
                    sql::RestoreWhen::Always => "",
                    sql::RestoreWhen::Changed(_) => ", if the schema has changed",
                };
                format!(
                    "restore {} into {}, and swap it in; the database of then is kept as {}{when}",
                    change.label, change.into, change.keep_as
                )
            }
            Self::HttpSend(change) => {
                let headers: Vec<&str> =
                    change.headers.iter().map(|(name, _)| name.as_str()).collect();
                let headers = if headers.is_empty() { "none".into() } else { headers.join(", ") };
                let end = match &change.endpoint {
                    http::Endpoint::Service(at) => format!("{}:{}", at.service, at.port),
                    http::Endpoint::Origin(origin) => origin.clone(),
                };
                let (method, path) = (&change.method, &change.path);
                let bytes = change.body.len();
                format!("{method} {end}{path}, {bytes} bytes; headers: {headers}")
            }
        }
    }

    fn of_google_cloud(&self) -> String {
        match self {
            Self::RunDeploy(change) => {
                let one = |new: &gcloud::NewRevision| {
                    format!(
                        "{} from {} (no traffic, tag {})",
                        new.name,
                        without_digest(&new.image),
                        new.tag
                    )
                };
                let revisions: Vec<_> = change.revisions.iter().map(one).collect();
                format!("create {}", revisions.join(", "))
            }
            Self::RunRoute(change) => {
                let routes: Vec<_> = change.routes.iter().map(routed).collect();
                format!("send the traffic of {}", routes.join("; of "))
            }
            Self::InstanceBackup(change) => {
                format!("back up the instance as {:?}", change.description)
            }
            Self::InstanceRestore(change) => {
                let when = match &change.when {
                    gcloud::RestoreWhen::Always => "",
                    gcloud::RestoreWhen::Changed(_) => ", if the migration has changed",
                };
                format!(
                    "restore the instance from {:?}, after a backup of the state of then as {:?}{when}",
                    change.backup, change.safety
                )
            }
            _ => String::new(),
        }
    }
}

/// The digest is in the plan; a person reads the tag.
fn without_digest(image: &str) -> &str {
    match image.split_once('@') {
        Some((name, _)) if name.rsplit('/').next().is_some_and(|last| last.contains(':')) => name,
        _ => image,
    }
}

/// "gateway 90 % to gateway-00001, 10 % to gateway-00002".
fn routed(route: &gcloud::ServiceRoute) -> String {
    let one = |share: &gcloud::Share| {
        let latest = if share.latest { ", and to later ones" } else { "" };
        format!("{} % to {}{latest}", share.percent, share.revision)
    };
    let shares: Vec<_> = route.shares.iter().map(one).collect();
    format!("{} {}", route.service, shares.join(", "))
}

/// "gateway on 0b303663679f": the ID as docker shows it.
fn formers(images: &[FormerImage]) -> String {
    let one = |former: &FormerImage| {
        let id = former.image_id.strip_prefix("sha256:").unwrap_or(&former.image_id);
        let short: String = id.chars().take(12).collect();
        format!("{} on {short}", former.service)
    };
    images.iter().map(one).collect::<Vec<_>>().join(", ")
}
