//! Turning a run round, and going back where its plugin cannot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::journal::Record;
use super::permit::Applying;
use super::plan::PlannedStep;
use super::run::{Run, Stop};
use crate::capability::docker::types::{ContainerState, Health, Service};
use crate::capability::{Allowance, Context, Error, Kind, carry_out};
use crate::contract::{Effect, Outcome};
use crate::plugin::Caller;
use crate::report::Event;

/// Between two looks at a service that is to become healthy.
const PAUSE: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// From here on, the steps of the rollback. What still befalls the services of the
    /// upgrade is no incident any more.
    pub(super) async fn turn_back(&mut self, why: &str) -> Result<(), Stop> {
        self.write(&Record::RollbackStarted { why: why.to_owned() })?;
        self.reporter.report(&Event::RollbackStarted { why: why.to_owned() });
        let watch = self.prepared.installation.watch().await;
        self.monitor.begin_again(watch.map_err(|error| Stop::failed(&error.full_text()))?);
        self.ledger.watched_by(self.monitor.handle());
        self.remember_rollback();
        Ok(())
    }
}

/// Carries out what is left of a step of the rollback by its declared effects alone. Where
/// it recreates services, they have to run, and to be healthy by their own checks.
pub(super) async fn without_plugin(
    run: &Run<'_>,
    planned: &PlannedStep,
    caller: &Caller,
    conduct: &Arc<Applying>,
    broken: &str,
) -> Result<Outcome, Stop> {
    let told = format!("{broken}; the declared effects of this step are carried out without it");
    run.reporter.report(&Event::Log {
        plugin: String::new(),
        level: crate::capability::conduct::Level::Warn,
        message: told.clone(),
    });
    let mut context = Context::new(
        caller.services.clone(),
        conduct.clone(),
        caller.run.clone(),
        Allowance::default(),
    );
    for effect in conduct.left() {
        match carry_out(&mut context, &effect).await {
            Err(error) if is_about_nothing(run, &effect, &error) => {}
            done => done.map_err(|error| Stop::failed(&error.full_text()))?,
        }
    }
    for effect in &planned.step.effects {
        if let Effect::DockerRevert(change) = effect {
            let names: Vec<&str> = change.services.iter().map(|s| s.service.as_str()).collect();
            wait_until_well(run, &names, planned.step.timeout_s).await?;
        }
    }
    Ok(Outcome { facts: Vec::new(), report: vec![format!("{}: {told}", planned.step.id)] })
}

/// The upgrade never came to a backup: then there is none to restore, and nothing that it
/// could have changed.
fn is_about_nothing(run: &Run<'_>, effect: &Effect, error: &Error) -> bool {
    let is_its_backup = |made: &Effect| match (effect, made) {
        (Effect::SqlRestore(change), Effect::SqlDump(dump)) => dump.label == change.label,
        (Effect::InstanceRestore(change), Effect::InstanceBackup(backup)) => {
            backup.description == change.backup
        }
        _ => false,
    };
    let restores = matches!(effect, Effect::SqlRestore(_) | Effect::InstanceRestore(_));
    let finished = run.ledger.finished();
    let has_one = finished.iter().any(|(made, _)| is_its_backup(made));
    error.kind == Kind::NotFound && restores && !has_one
}

async fn wait_until_well(run: &Run<'_>, names: &[&str], limit_s: u32) -> Result<(), Stop> {
    let docker = run.prepared.installation.services.docker();
    let docker = docker.map_err(|error| Stop::failed(&error.full_text()))?;
    let deadline = Instant::now() + Duration::from_secs(limit_s.into());
    loop {
        let services = docker.services().await.map_err(|error| Stop::failed(&error.full_text()))?;
        let waiting: Vec<&str> = services
            .iter()
            .filter(|service| names.contains(&service.name.as_str()) && !is_well(service))
            .map(|service| service.name.as_str())
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Stop::failed(&format!("not healthy in time: {}", waiting.join(", "))));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_well(service: &Service) -> bool {
    let well = |health| matches!(health, Health::None | Health::Healthy);
    let mut containers = service.containers.iter();
    containers.all(|c| c.state == ContainerState::Running && well(c.health))
}
