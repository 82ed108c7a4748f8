//! The way back: planned before anything is changed, carried out from wherever the
//! upgrade has come to.
//!
//! Everything here looks at the world before it acts: a service that was never replaced
//! goes on running, and the database stays unless the upgrade has changed it.

use tessallite_up_sdk::docker::{FormerImage, RevertChange, Service, StopChange, UnpinChange};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::schemas;
use tessallite_up_sdk::sql::{DumpChange, DumpProof, RestoreChange, RestoreWhen};

use crate::options::{INTERNAL, Options};
use crate::plan::{A_DAY_S, PEERS_UNTIL, gates};
use crate::verify;

pub const STOP: &str = "rollback/stop";
pub const DATABASE: &str = "rollback/database";
pub const VERIFY: &str = "rollback/verify";

/// Facts of the rollback's plan: the image ID of each service, before.
pub const FORMER: &str = "former.";

/// PostgreSQL's names are at most 63 bytes long; the rest is for the run's.
const LONGEST_DATABASE: usize = 24;

/// # Errors
/// Those of the reads.
pub fn make(request: &Request, upgrade: &Plan, options: &Options) -> Result<Plan, Refusal> {
    let services = docker::list_services()?;
    let levels = deployed_levels(upgrade);
    let formers: Vec<FormerImage> =
        levels.iter().flatten().filter_map(|name| former(&services, name)).collect();
    if formers.is_empty() {
        return Ok(Plan::new());
    }
    let mut plan = Plan::new().step(stop(&formers));
    if let Some(label) = label(upgrade).filter(|_| !keeps_database(request)) {
        plan = plan.step(database(request, label, &formers)?);
    }
    if pins(upgrade) {
        let unpin = Effect::DockerUnpin(UnpinChange { run: request.run.clone() });
        plan = plan.step(Step::new("rollback/files", "Put the project's files back").effect(unpin))
    }
    for (number, level) in levels.iter().enumerate() {
        plan = plan.step(deploy(number + 1, level, &formers, options));
    }
    plan = plan.step(Step::new(VERIFY, "Verify that all is as it was").timeout_s(300));
    for former in &formers {
        plan = plan.fact(&format!("{FORMER}{}", former.service), former.image_id.clone());
        if options.asks_peers(&former.service) {
            let last = format!("rollback/deploy/{}", levels.len());
            plan = plan.fact(&format!("{PEERS_UNTIL}{}", former.service), last);
        }
    }
    Ok(note(plan, request, &services, &formers))
}

fn stop(formers: &[FormerImage]) -> Step {
    let stop = StopChange { services: names(formers), unless_on: formers.to_vec() };
    Step::new(STOP, "Stop the services that run the new images")
        .effect(Effect::DockerStop(stop))
        .timeout_s(A_DAY_S)
}

fn database(request: &Request, label: &str, formers: &[FormerImage]) -> Result<Step, Refusal> {
    let name = sql::get_database(INTERNAL)?.name;
    let run = request.run.replace('-', "_").to_lowercase();
    let restore = RestoreChange {
        label: label.to_owned(),
        into: format!("{}_restored_{run}", shortened(&name)),
        keep_as: format!("{}_replaced_{run}", shortened(&name)),
        when: RestoreWhen::Changed(
            Options::of(request).map_err(Refusal::Usage)?.migration_table.into(),
        ),
    };
    let safety = DumpChange {
        connection: INTERNAL.into(),
        label: format!("{}-rollback", request.run),
        proof: DumpProof::ReadBack,
    };
    let stop = StopChange { services: names(formers), unless_on: Vec::new() };
    Ok(Step::new(DATABASE, "Bring the database back, if the upgrade has changed it")
        .effect(Effect::DockerStop(stop))
        .effect(Effect::SqlDump(safety))
        .effect(Effect::SqlRestore(restore))
        .timeout_s(A_DAY_S))
}

fn deploy(number: usize, level: &[String], formers: &[FormerImage], options: &Options) -> Step {
    let services: Vec<FormerImage> =
        formers.iter().filter(|former| level.contains(&former.service)).cloned().collect();
    let slowest = level.iter().map(|name| options.gate(name, None).timeout_s).max().unwrap_or(0);
    Step::new(
        &format!("rollback/deploy/{number}"),
        &format!(
            "Recreate {} as before and wait until healthy (at most {slowest} s)",
            level.join(", ")
        ),
    )
    .effect(Effect::DockerRevert(RevertChange { services }))
    .timeout_s(slowest.saturating_add(600))
}

fn note(mut plan: Plan, request: &Request, services: &[Service], formers: &[FormerImage]) -> Plan {
    if keeps_database(request) {
        plan = plan.note(
            "rollback: the release says that the former services run on its database: \
             the database stays as it is then",
        );
    }
    for former in formers {
        let service = services.iter().find(|service| service.name == former.service);
        let all = service.iter().flat_map(|service| &service.containers);
        if all.into_iter().any(|container| container.image_id != former.image_id) {
            plan = plan.note(format!(
                "rollback: the containers of {} use several images; all go back to {}",
                former.service, former.image_id
            ));
        }
    }
    plan
}

/// Carries out a step of the rollback; `None` for an id that is none of them.
///
/// # Errors
/// Those of the calls, and `Failed` with what is not as it was.
pub fn apply(
    request: &Request,
    step: &Step,
    facts: Facts,
    options: &Options,
) -> Option<Result<Outcome, Error>> {
    Some(match step.id.as_str() {
        DATABASE => bring_back(step, facts, options),
        VERIFY if keeps_database(request) => {
            verify::former_images(facts).map(|()| Outcome::default())
        }
        VERIFY => verify::is_as_before(facts, options),
        id if id.starts_with("rollback/deploy/") => carry_out_all(&step.effects)
            .and_then(|()| gate::wait_until_healthy(&gates(step, facts, options)))
            .map(|()| Outcome::default()),
        id if id.starts_with("rollback/") => {
            carry_out_all(&step.effects).map(|()| Outcome::default())
        }
        _ => return None,
    })
}

/// Nothing that could be migrating runs any more: what the database is now, it stays.
fn bring_back(step: &Step, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let Some(label) = step.effects.iter().find_map(|effect| match effect {
        Effect::SqlRestore(change) => Some(change.label.as_str()),
        _ => None,
    }) else {
        return Err(Error::Invalid(format!("the step {} restores nothing", step.id)));
    };
    match sql::compare(label, options.migration_table) {
        Ok(now) if !now.schema_differs && !now.migration_moved => {
            return Ok(Outcome::default().line("the database was not changed: it stays as it is"));
        }
        Err(Error::NotFound(_))
            if schemas::read(INTERNAL, options.migration_table)? == schemas::remembered(facts) =>
        {
            // The upgrade ended before its backup was whole, and nothing migrates before.
            return Ok(Outcome::default().line("no backup was made yet: the database stays"));
        }
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        if let Effect::SqlRestore(change) = effect {
            if sql::restore(change)?.restored {
                outcome = outcome.line(format!(
                    "the database is that of the backup {}; what was there is kept as {}",
                    change.label, change.keep_as
                ));
            }
        } else {
            carry_out(effect)?;
        }
    }
    Ok(outcome)
}

/// The services that the upgrade deploys, level by level.
fn deployed_levels(upgrade: &Plan) -> Vec<Vec<String>> {
    let deploys = upgrade.steps.iter().flat_map(|step| &step.effects).filter_map(|effect| {
        let Effect::DockerDeploy(change) = effect else { return None };
        Some(change.services.iter().map(|deployed| deployed.service.clone()).collect())
    });
    deploys.collect()
}

fn label(upgrade: &Plan) -> Option<&str> {
    upgrade.steps.iter().flat_map(|step| &step.effects).find_map(|effect| match effect {
        Effect::SqlDump(change) => Some(change.label.as_str()),
        _ => None,
    })
}

fn pins(upgrade: &Plan) -> bool {
    let mut effects = upgrade.steps.iter().flat_map(|step| &step.effects);
    effects.any(|effect| matches!(effect, Effect::DockerPin(_)))
}

/// The release says that the code of before runs on its database.
fn keeps_database(request: &Request) -> bool {
    let Intent::Upgrade(upgrade) = &request.intent;
    upgrade.keeps_compatibility
}

fn former(services: &[Service], name: &str) -> Option<FormerImage> {
    let service = services.iter().find(|service| service.name == name)?;
    let image_id = service.containers.first()?.image_id.clone();
    Some(FormerImage { service: name.to_owned(), image_id })
}

fn names(formers: &[FormerImage]) -> Vec<String> {
    formers.iter().map(|former| former.service.clone()).collect()
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_DATABASE);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_database_name_leaves_room_for_the_runs() {
        assert_eq!(shortened("tessallite"), "tessallite");
        assert_eq!(shortened(&"ä".repeat(40)).len(), 24);
        assert_eq!(shortened(&format!("x{}", "ä".repeat(40))).len(), 23);
    }

    #[test]
    fn the_levels_are_those_of_the_deployments() {
        let deploy = |name: &str| {
            let image = docker::PinnedImage { reference: "r".into(), digest: "d".into() };
            let services = vec![docker::ServiceImage { service: name.into(), image }];
            Effect::DockerDeploy(docker::DeployChange { services })
        };
        let plan = Plan::new()
            .step(Step::new("backup", ""))
            .step(Step::new("deploy/1", "").effect(deploy("a")))
            .step(Step::new("deploy/2", "").effect(deploy("b")));
        assert_eq!(deployed_levels(&plan), [["a"], ["b"]]);
        assert!(!pins(&plan));
        assert_eq!(label(&plan), None);
    }
}
