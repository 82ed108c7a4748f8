//! `status`: what the installation is now, and its last run.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Global, Output};
use super::error::{Failure, Result};
use super::history::in_words;
use super::{display, exit_code, session};
use crate::capability::Platform;
use crate::capability::docker::types::{ContainerState, Health, Service};
use crate::contract::gcloud;
use crate::engine::history::{self, Recorded};
use crate::engine::{self, Fate, Installation, Lock};
use crate::settings::Settings;
use crate::text::one_line;

pub async fn run(global: &Global) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let installation = Installation::connect(session::target(&settings)).await?;
    let project = installation.project().await?;
    let (services, lines) = match &installation.services.platform {
        Platform::Compose(docker) => {
            let services = docker.services().await?;
            let lines = services.iter().map(|service| line(service, &services)).collect();
            (services.iter().map(as_json).collect(), lines)
        }
        Platform::CloudRun(gcloud) => {
            let mut services = gcloud.services().await?;
            for service in &mut services {
                // The template may have been left behind by a rollback: what serves counts.
                let serving = service.targets.iter().find(|target| target.percent > 0);
                let Some(serving) = serving.map(|target| &target.revision) else { continue };
                if *serving != service.latest_created_revision
                    && let Some(image) = gcloud.image_of(&service.name, serving).await?
                {
                    service.image = image;
                }
            }
            cloud_run(&services)
        }
    };
    let last = history::runs(&settings.state_dir)?.into_iter().next().map(in_a_line);
    let holder = Lock::holder(&installation).await?;
    let unfinished = match &holder {
        // It may still be at it.
        Some((_, Fate::Alive | Fate::Unknown)) => None,
        Some((_, Fate::Dead)) | None => engine::check_finished(&settings.state_dir).err(),
    };
    display::print(&match global.output {
        Output::Json => {
            format!(
                "{}\n",
                json!({
                    "project": project,
                    "services": services,
                    "last_run": last,
                    "locked_by": holder.map(|(holder, _)| holder.run),
                    "unfinished": unfinished.as_ref().and_then(run_of),
                })
            )
        }
        Output::Human => {
            let mut text = format!("project {}\n", one_line(&project));
            for line in &lines {
                let _ = writeln!(text, "  {line}");
            }
            if let Some((holder, fate)) = holder {
                let is_dead = match fate {
                    Fate::Dead => ", which has died: the next run takes the lock over",
                    Fate::Alive | Fate::Unknown => "",
                };
                let _ = writeln!(text, "locked by {holder}{is_dead}");
            }
            let _ = writeln!(text, "{}", last.unwrap_or_else(|| "no run is recorded".to_owned()));
            if let Some(error) = unfinished {
                let Failure { text: why, hint, .. } = error.into();
                let _ = writeln!(text, "{}", one_line(&why));
                if let Some(hint) = hint {
                    let _ = writeln!(text, "{}", one_line(&hint));
                }
            }
            text
        }
    });
    Ok(exit_code::DONE)
}

/// The run that has left the installation in between.
fn run_of(error: &engine::Error) -> Option<&str> {
    match error {
        engine::Error::Unfinished { run, .. } => Some(run),
        _ => None,
    }
}

/// As JSON, and a line each.
fn cloud_run(services: &[gcloud::Service]) -> (Vec<serde_json::Value>, Vec<String>) {
    let widest = |part: fn(&gcloud::Service) -> &str| {
        services.iter().map(|service| part(service).len()).max().unwrap_or(0)
    };
    let (name, image) = (widest(|s| &s.name), widest(|s| &s.image));
    let line = |service: &gcloud::Service| {
        let serves = |target: &gcloud::Target| format!("{} % {}", target.percent, target.revision);
        let serving = service.targets.iter().filter(|target| target.percent > 0).map(serves);
        let mut state = serving.collect::<Vec<_>>().join(", ");
        if !service.ready {
            state += &format!(" (not ready: {})", service.message);
        }
        one_line(&format!("{:<name$}  {:<image$}  {state}", service.name, service.image))
    };
    let as_json = |service: &gcloud::Service| {
        json!({"name": service.name, "image": service.image, "ready": service.ready,
            "message": service.message, "traffic": service.targets})
    };
    (services.iter().map(as_json).collect(), services.iter().map(line).collect())
}

fn line(service: &Service, all: &[Service]) -> String {
    let widest = |part: fn(&Service) -> &str| all.iter().map(|s| part(s).len()).max().unwrap_or(0);
    let (name, image) = (widest(|s| &s.name), widest(|s| &s.image));
    let state = if service.containers.is_empty() {
        "no container".to_owned()
    } else {
        let states: Vec<String> =
            service.containers.iter().map(|c| word(c.state, c.health)).collect();
        states.join(", ")
    };
    one_line(&format!("{:<name$}  {:<image$}  {state}", service.name, service.image))
}

fn word(state: ContainerState, health: Health) -> String {
    let state = format!("{state:?}").to_lowercase();
    match health {
        Health::None => state,
        health => format!("{state} ({})", format!("{health:?}").to_lowercase()),
    }
}

fn as_json(service: &Service) -> serde_json::Value {
    let containers: Vec<_> = service
        .containers
        .iter()
        .map(|c| json!({"name": c.name, "image_id": c.image_id, "state": word(c.state, c.health), "restarts": c.restarts}))
        .collect();
    json!({"name": service.name, "image": service.image, "digests": service.digests, "containers": containers})
}

/// The newest run, in a line.
fn in_a_line(last: Recorded) -> String {
    let Recorded { name, directory, ending } = last;
    let how = match ending {
        Ok(ending) => in_words(ending),
        Err(error) => error.to_string(),
    };
    one_line(&format!("last run {name} {how}; its record: {}", directory.display()))
}
