//! What a lock is made of: something that only one can create.

use std::collections::BTreeMap;

use crate::capability::docker::client::Client as Docker;
use crate::capability::gcloud::client::Client as Gcloud;
use crate::capability::{Error, Platform, Result};
use crate::engine::Installation;

#[derive(Clone)]
pub(super) struct Marks {
    project: String,
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    /// A container of this name.
    Container(Docker, String),
    Annotation(Gcloud),
}

pub(super) struct Mark {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

impl Marks {
    pub(super) async fn of(installation: &Installation) -> Result<Self> {
        let project = installation.project().await?;
        let kept = match &installation.services.platform {
            Platform::Compose(docker) => {
                Kept::Container(docker.clone(), format!("tessallite-up-lock-{project}"))
            }
            Platform::CloudRun(gcloud) => Kept::Annotation(gcloud.clone()),
        };
        Ok(Self { project, kept })
    }

    pub(super) fn project(&self) -> &str {
        &self.project
    }

    /// Or the whole world sees it.
    pub(super) fn is_of_an_engine(&self) -> bool {
        matches!(self.kept, Kept::Container(..))
    }

    pub(super) fn place(&self) -> String {
        match &self.kept {
            Kept::Container(_, name) => format!("the container {name}"),
            Kept::Annotation(_) => "the annotation tessallite-up/lock".to_owned(),
        }
    }

    /// Nothing where there is one already.
    pub(super) async fn create(&self, labels: &BTreeMap<String, String>) -> Result<Option<String>> {
        match &self.kept {
            Kept::Container(docker, name) => docker.create_mark(name, labels).await,
            Kept::Annotation(gcloud) => gcloud.create_mark(labels).await,
        }
    }

    pub(super) async fn find(&self) -> Result<Option<Mark>> {
        Ok(match &self.kept {
            Kept::Container(docker, name) => {
                let found = docker.find_mark(name).await?;
                found.map(|mark| Mark { id: mark.id, labels: mark.labels })
            }
            Kept::Annotation(gcloud) => {
                let found = gcloud.find_mark().await?;
                found.map(|mark| Mark { id: mark.id, labels: mark.labels })
            }
        })
    }

    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        match &self.kept {
            Kept::Container(docker, _) => docker.remove_mark(id).await,
            Kept::Annotation(gcloud) => gcloud.remove_mark(id).await,
        }
    }

    /// There is one that is no lock.
    pub(super) fn foreign(&self) -> Error {
        let place = self.place();
        let error = Error::failed(format!("{place} is there, and is no lock"));
        match &self.kept {
            Kept::Container(_, name) => {
                error.hint(format!("docker inspect {name} shows what it is; rename or remove it"))
            }
            Kept::Annotation(_) => {
                error.hint("gcloud run services describe shows it; remove it by hand")
            }
        }
    }
}
