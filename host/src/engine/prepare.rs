//! Everything before the approval: reads, and the plan made of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::audit::Audit;
use super::chain::{self, Callers, Link};
use super::lock::process::host;
use super::permit::Planning;
use super::plan::{FORMAT, Plan};
use super::{Error, Installation, Result};
use crate::capability::Conduct;
use crate::contract::{Effect, Request, gcloud};
use crate::report::event::ServiceChange;
use crate::report::{Event, Reporter};

/// A plan, and everything that it takes to carry it out.
pub struct Prepared {
    pub plan: Plan,
    pub(super) installation: Installation,
    /// Absent: the plugin that made the plan is not there any more.
    pub(super) links: Vec<Option<Link>>,
    pub(super) state_dir: PathBuf,
    pub(super) audit: Arc<Audit>,
}

/// Makes the plan. Nothing is changed, and nothing is written but the audit log.
///
/// # Errors
/// Why there is no plan; `NothingToDo` is one of the reasons.
pub async fn prepare(
    installation: Installation,
    links: Vec<Link>,
    request: Request,
    state_dir: PathBuf,
    reporter: Arc<dyn Reporter>,
    audit: Arc<Audit>,
) -> Result<Prepared> {
    let services = &installation.services;
    let conduct = |_, guard| -> Arc<dyn Conduct> {
        Arc::new(Planning { reporter: Arc::clone(&reporter), guard })
    };
    let callers = Callers { services, audit: &audit, run: &request.run, conduct: &conduct };
    let mut draft = chain::make(&links, &callers, &request).await?;
    chain::make_rollback(&links, &callers, &request, &mut draft).await?;
    draft.check_granted()?;
    draft.check_run(&request.run)?;
    let doing = |source| Error::Capability { doing: "reading the installation", source };
    let effects = draft.steps.iter().flat_map(|planned| &planned.step.effects);
    let services = match installation.services.docker() {
        Ok(docker) => service_changes(effects, &docker.services().await.map_err(doing)?),
        Err(_) => new_revisions(effects),
    };
    let project = installation.project().await.map_err(doing)?;
    let place = format!("{}:{}", host(), installation.target.project_dir.display());
    let plan = Plan {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        run: request.run.clone(),
        project,
        place,
        request,
        plugins: draft.plugins,
        services,
        steps: draft.steps,
        rollback: draft.rollback,
    };
    reporter.report(&Event::PlanMade { plan: plan.view() });
    let links = links.into_iter().map(Some).collect();
    Ok(Prepared { plan, installation, links, state_dir, audit })
}

/// What the new revisions of a plan make of each service, in the order of the plan.
fn new_revisions<'a>(effects: impl Iterator<Item = &'a Effect>) -> Vec<ServiceChange> {
    let deployed = effects.filter_map(|effect| match effect {
        Effect::RunDeploy(change) => Some(&change.revisions),
        _ => None,
    });
    let change = |new: &gcloud::NewRevision| {
        let digest = |image: &str| image.split_once('@').map(|(_, digest)| digest.to_owned());
        ServiceChange {
            service: new.service.clone(),
            before: new.before.clone(),
            before_digest: digest(&new.before),
            after: new.image.clone(),
            after_digest: digest(&new.image).unwrap_or_default(),
        }
    };
    deployed.flatten().map(change).collect()
}

/// What the deployments and the pins of a plan make of each service, in the order of the
/// plan.
fn service_changes<'a>(
    effects: impl Iterator<Item = &'a Effect>,
    running: &[crate::capability::docker::types::Service],
) -> Vec<ServiceChange> {
    let mut changes: Vec<ServiceChange> = Vec::new();
    let mut deploys = Vec::new();
    for effect in effects {
        match effect {
            Effect::DockerDeploy(change) => {
                deploys.extend(change.services.iter().map(|s| (&s.service, &s.image)));
            }
            Effect::DockerPin(change) => {
                deploys.extend(change.images.iter().map(|pin| (&pin.service, &pin.after)));
            }
            _ => {}
        }
    }
    for (service, image) in deploys {
        if changes.iter().any(|change| change.service == *service) {
            continue;
        }
        let now = running.iter().find(|running| running.name == *service);
        changes.push(ServiceChange {
            service: service.clone(),
            before: now.map(|now| now.image.clone()).unwrap_or_default(),
            before_digest: now.and_then(|now| now.digests.first().cloned()),
            after: image.reference.clone(),
            after_digest: image.digest.clone(),
        });
    }
    changes
}
