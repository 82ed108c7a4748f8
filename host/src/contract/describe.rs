//! Effects in words, for the plan, the live view, the journal and the report.

use super::Effect;

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
            Self::DockerStop(_) => "docker.stop",
            Self::DockerExec(_) => "docker.exec",
            Self::RunDeploy(_) => "gcloud.deploy",
            Self::RunRoute(_) => "gcloud.route",
            Self::InstanceBackup(_) => "gcloud.create-backup",
            Self::InstanceRestore(_) => "gcloud.restore-backup",
            Self::SqlExecute(_) => "sql.execute",
            Self::SqlDump(_) => "sql.dump",
            Self::HttpSend(_) => "http.send",
        }
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
            Self::DockerStop(change) => format!("stop {}", names(&change.services)),
            Self::DockerExec(change) => {
                format!("run in {}: {}", change.service, change.argv.join(" "))
            }
            Self::RunDeploy(change) => {
                format!(
                    "create revision {} of {} with {}",
                    change.revision, change.service, change.image
                )
            }
            Self::RunRoute(change) => format!("route traffic of {}", change.service),
            Self::InstanceBackup(change) => format!("back up the instance: {}", change.description),
            Self::InstanceRestore(change) => format!("restore the instance from {}", change.backup),
            Self::SqlExecute(change) => {
                format!("run SQL on {}: {}", change.connection, change.statement)
            }
            Self::SqlDump(change) => format!("dump {} as {}", change.connection, change.label),
            Self::HttpSend(change) => format!("{} {}", change.method, change.path),
        }
    }
}
