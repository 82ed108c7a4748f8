//! The plan: what is done in which order, and what each step waits for.

use tessallite_up_sdk::docker::{
    self, DeployChange, ImageChange, PinChange, PullChange, ServiceImage,
};
use tessallite_up_sdk::gate::Gate;
use tessallite_up_sdk::schemas;
use tessallite_up_sdk::sql::{DumpChange, DumpProof};
use tessallite_up_sdk::{Effect, Facts, Plan, Request, Step, Upgrade};

use crate::levels::levels;
use crate::migration;
use crate::options::{INTERNAL, Options};
use crate::preflight::{image_bytes, unknown_services};
use crate::reference::{Reference, version_of};
use crate::survey::Survey;
use crate::targets::Target;

pub const QUIESCE: &str = "quiesce";
pub const SOAK: &str = "soak";
pub const VERIFY: &str = "verify";

/// Facts that later steps read.
pub const HEALTH_PORT: &str = "health-port.";
pub const TELLS_MIGRATION: &str = "tells-migration.";
pub const IMAGE: &str = "image.";
/// The step from which on a service that asks its peers has to be healthy in full.
pub const PEERS_UNTIL: &str = "peers-until.";

/// A dump or a pull is given a day: it is stalls that end them, not their size.
pub const A_DAY_S: u32 = 86_400;

/// A dump is faster where nothing else runs.
const QUIESCED_BYTES_A_SECOND: u64 = 40 << 20;

pub fn make(
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    options: &Options,
) -> Plan {
    let levels = deploy_levels(survey, targets, options);
    let mut plan = Plan::new();
    if options.quiesce {
        plan = plan.step(quiesce(&levels)).note(downtime_of_quiescence(survey));
    }
    plan = plan.step(backup(request, options.proof)).step(pull(targets));
    if let Some(pin) = pin(targets) {
        plan = plan.step(pin);
    }
    for (number, level) in levels.iter().enumerate() {
        plan = plan.step(deploy(number + 1, level, targets, options));
    }
    plan = plan
        .step(
            Step::new(SOAK, &format!("Watch the services for {} s", options.soak_s))
                .timeout_s(options.soak_s.saturating_add(60)),
        )
        .step(Step::new(VERIFY, "Verify migrations and images").timeout_s(300));
    plan = notes(plan, request, upgrade, survey, targets, options);
    for service in levels.iter().flatten().filter(|service| options.asks_peers(service)) {
        plan = plan.fact(&format!("{PEERS_UNTIL}{service}"), format!("deploy/{}", levels.len()));
    }
    remember(plan, survey, targets)
}

/// Dependents first, as they are not to miss what they depend on.
fn quiesce(levels: &[Vec<String>]) -> Step {
    let services = levels.iter().rev().flatten().cloned().collect();
    let stop = docker::StopChange { services, unless_on: Vec::new() };
    Step::new(QUIESCE, "Stop the services, so that the backup has every write")
        .effect(Effect::DockerStop(stop))
        .timeout_s(A_DAY_S)
}

/// What `quiesce` costs: at the speed that a dump has on a slow machine.
fn downtime_of_quiescence(survey: &Survey) -> String {
    let seconds = match &survey.database {
        Ok(database) => 1 + database.bytes / QUIESCED_BYTES_A_SECOND,
        Err(_) => 1,
    };
    format!(
        "quiesce: no service answers from before the backup until it is recreated: about {seconds} s \
         for the backup, then the pull of the images, then each service's own start"
    )
}

fn backup(request: &Request, proof: DumpProof) -> Step {
    let change = DumpChange { connection: INTERNAL.into(), label: request.run.clone(), proof };
    Step::new("backup", "Back up the database").effect(Effect::SqlDump(change)).timeout_s(A_DAY_S)
}

fn pull(targets: &[Target]) -> Step {
    let mut images: Vec<_> = targets.iter().filter_map(Target::pinned).collect();
    images.sort_by(|a, b| a.reference.cmp(&b.reference));
    images.dedup();
    Step::new("pull", "Pull the new images")
        .effect(Effect::DockerPull(PullChange { images }))
        .timeout_s(A_DAY_S)
}

fn pin(targets: &[Target]) -> Option<Step> {
    let change = pins(targets)?;
    Some(
        Step::new("pin", "Write the new images into the project's files")
            .effect(Effect::DockerPin(change))
            .timeout_s(60),
    )
}

/// What the project's files have to say; `None` where they say it already.
pub fn pins(targets: &[Target]) -> Option<PinChange> {
    let images: Vec<ImageChange> = targets
        .iter()
        .filter(|target| target.before != target.after)
        .filter_map(|target| {
            Some(ImageChange {
                service: target.service.clone(),
                before: target.before.clone(),
                after: target.pinned()?,
            })
        })
        .collect();
    (!images.is_empty()).then_some(PinChange { images })
}

fn deploy_levels(survey: &Survey, targets: &[Target], options: &Options) -> Vec<Vec<String>> {
    let graph: Vec<(&str, Vec<&str>)> = survey
        .services
        .iter()
        .map(|service| {
            let depends_on = service.depends_on.iter().map(|d| d.service.as_str()).collect();
            (service.name.as_str(), depends_on)
        })
        .collect();
    // A service that does not run now is not started by an upgrade.
    let members: Vec<String> = targets
        .iter()
        .filter(|t| survey.service(&t.service).is_some_and(|s| !s.containers.is_empty()))
        .map(|t| t.service.clone())
        .collect();
    levels(&graph, &members, options.one_by_one)
}

fn deploy(number: usize, level: &[String], targets: &[Target], options: &Options) -> Step {
    let services: Vec<ServiceImage> = level
        .iter()
        .filter_map(|name| {
            let target = targets.iter().find(|target| target.service == *name)?;
            Some(ServiceImage { service: name.clone(), image: target.pinned()? })
        })
        .collect();
    let slowest = level.iter().map(|name| options.gate(name, None).timeout_s).max().unwrap_or(0);
    Step::new(
        &format!("deploy/{number}"),
        &format!("Recreate {} and wait until healthy (at most {slowest} s)", level.join(", ")),
    )
    .effect(Effect::DockerDeploy(DeployChange { services }))
    // Stopping with their grace periods and starting takes time of its own.
    .timeout_s(slowest.saturating_add(600))
}

/// The gates of a step: one for each service that it deploys; at the last deployment also
/// those that could not be healthy in full before.
pub fn gates(step: &Step, facts: Facts, options: &Options) -> Vec<Gate> {
    let mut names: Vec<&str> = Vec::new();
    for effect in &step.effects {
        match effect {
            Effect::DockerDeploy(change) => {
                names.extend(change.services.iter().map(|deployed| deployed.service.as_str()));
            }
            Effect::DockerRevert(change) => {
                names.extend(change.services.iter().map(|former| former.service.as_str()));
            }
            _ => {}
        }
    }
    for (service, until) in facts.below(PEERS_UNTIL) {
        if until == step.id && !names.contains(&service) {
            names.push(service);
        }
    }
    let gate = |name: &&str| {
        let port = facts.get(&format!("{HEALTH_PORT}{name}")).and_then(|port| port.parse().ok());
        let until = facts.get(&format!("{PEERS_UNTIL}{name}"));
        let may_be_degraded = until.is_some_and(|until| until != step.id);
        Gate { may_be_degraded, ..options.gate(name, port) }
    };
    names.iter().map(gate).collect()
}

fn notes(
    mut plan: Plan,
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    options: &Options,
) -> Plan {
    plan = plan.note(checked(survey, targets));
    let now = migration::before(survey, options).unwrap_or("unknown");
    plan = plan.note(match upgrade.migration.as_deref() {
        Some(expected) => format!("db_migration is {now} and has to be {expected} afterwards"),
        None => format!(
            "db_migration is {now}; what it has to be afterwards is not known \
             (--expect-migration), only that all agree"
        ),
    });
    if let Some(Ok(edits)) = pins(targets).map(|change| docker::preview_pin(&change)) {
        plan.notes.extend(edits);
    }
    for target in targets {
        let reference = Reference::parse(&target.before);
        let name = &target.service;
        if version_of(reference.tag_or_latest()).is_none() && target.before == target.after {
            plan = plan.note(format!(
                "{name}: the tag {:?} moves; what it names now is deployed, by its digest",
                reference.tag_or_latest()
            ));
        }
        if survey.service(name).is_some_and(|service| service.containers.is_empty()) {
            plan =
                plan.note(format!("{name} does not run: its image is pinned, nothing is started"));
        } else if !survey.health.contains_key(name) {
            plan = plan.note(match survey.service(name).is_some_and(|s| s.has_health_check) {
                true => format!("{name} answers no HTTP health: its own health check decides"),
                false => format!("{name} has no health check and answers no HTTP health: running is all that is asked of it"),
            });
        }
    }
    for name in unknown_services(survey, request) {
        plan =
            plan.note(format!("there are settings for {name:?}, which the project does not have"));
    }
    plan
}

fn checked(survey: &Survey, targets: &[Target]) -> String {
    let engine = &survey.engine;
    let mut text = format!(
        "preflight: Docker {} with Compose {}, project {}; {} services healthy; {} images in \
         their registries",
        engine.version,
        engine.compose_version,
        engine.project,
        targets.len(),
        targets.len(),
    );
    if let Some(free) = engine.free_bytes {
        let needed = image_bytes(survey, targets);
        text += &format!(" (about {}, {} free)", human_bytes(needed), human_bytes(free));
    }
    if let (Ok(database), Ok(directory)) = (&survey.database, &survey.dump_target) {
        text += &format!(
            "; PostgreSQL {}, database {} of {} ({} free for the backup)",
            database.server_version,
            database.name,
            human_bytes(database.bytes),
            human_bytes(directory.free_bytes)
        );
    }
    text
}

fn remember(mut plan: Plan, survey: &Survey, targets: &[Target]) -> Plan {
    for (service, health) in &survey.health {
        plan = plan.fact(&format!("{HEALTH_PORT}{service}"), health.port.to_string());
    }
    for (service, migration) in migration::told(survey) {
        let name = format!("{TELLS_MIGRATION}{service}");
        plan = plan.fact(&name, migration.unwrap_or_default());
    }
    for (schema, revision) in survey.schemas.iter().flatten() {
        plan = plan.fact(&format!("{}{schema}", schemas::FACT), revision.clone());
    }
    for target in targets {
        let running = survey.service(&target.service).is_some_and(|s| !s.containers.is_empty());
        if let Some(image) = target.pinned().filter(|_| running) {
            plan = plan.fact(&format!("{IMAGE}{}", target.service), image.digest);
        }
    }
    plan
}

/// In binary units, as Docker and PostgreSQL print them.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_binary_units() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(u64::MAX), "16777216.0 TiB");
    }
}
