//! The way back: planned before anything is changed, carried out from wherever the
//! upgrade has come to.
//!
//! The traffic goes back first: new revisions stay, without traffic and without a tag. Only
//! then the database, and only where its migration moved. A service that the upgrade has not
//! come to is left alone, as naming its revision would pin it.

use tessallite_up_sdk::gcloud::{RestoreChange, RestoreWhen, RouteChange, ServiceRoute};
use tessallite_up_sdk::prelude::*;

use crate::migration::told_before;
use crate::options::Options;
use crate::plan::{EFFECT_S, FORMER, TAG, TWO_DAYS_S, description};
use crate::traffic::Former;
use crate::{as_before, back};

pub const DATABASE: &str = "back/database";
pub const VERIFY: &str = "back/verify";
const SERVICE: &str = "back/";
/// The service is asked for a moment once its traffic is back.
const ASKING_S: u32 = 300;

/// Facts of the rollback: whether the database was brought back; the services that are pinned
/// since, and their tags that are.
pub const RESTORED: &str = "restored";
/// How to restore by hand the backup of a database that is migrated, and stays so.
pub const KEPT: &str = "kept";
/// The traffic of a service that somebody else has moved, and that was left so.
pub const MOVED: &str = "moved.";
pub const PINNED: &str = "pinned.";
pub const PINNED_TAGS: &str = "pinned-tags.";

pub fn make(request: &Request, upgrade: &Plan, options: &Options) -> Plan {
    let facts = Facts(&upgrade.facts);
    let mut plan = Plan::new();
    for name in deployed(upgrade).iter().rev() {
        if let Some(route) = route(name, facts) {
            plan = plan.step(send_back(route));
        }
    }
    if plan.steps.is_empty() {
        return plan;
    }
    let Intent::Upgrade(wanted) = &request.intent;
    let told = told_before(facts);
    if has_backup(upgrade) && !told.is_empty() && !wanted.keeps_compatibility {
        let restore = RestoreChange {
            backup: description(request),
            safety: format!("{} before restore", description(request)),
            when: RestoreWhen::Changed(told),
        };
        let title = "Bring the database back, if its migration moved";
        let step = Step::new(DATABASE, title).effect(Effect::InstanceRestore(restore));
        plan = plan.step(step.timeout_s(TWO_DAYS_S));
    }
    plan.step(Step::new(VERIFY, "Verify that all is as it was").timeout_s(longest_s(options)))
}

/// Until all answer again, side by side, with time for what is read.
fn longest_s(options: &Options) -> u32 {
    let slowest = options.own().map(|name| options.timeout_s(name)).max().unwrap_or(0);
    slowest.saturating_add(3_600).min(TWO_DAYS_S)
}

/// The services that get a new revision, in the plan's order.
fn deployed(upgrade: &Plan) -> Vec<&str> {
    let revisions = upgrade.steps.iter().flat_map(|step| &step.effects).filter_map(|effect| {
        let Effect::RunDeploy(change) = effect else { return None };
        Some(&change.revisions)
    });
    revisions.flatten().map(|revision| revision.service.as_str()).collect()
}

fn has_backup(upgrade: &Plan) -> bool {
    let mut effects = upgrade.steps.iter().flat_map(|step| &step.effects);
    effects.any(|effect| matches!(effect, Effect::InstanceBackup(_)))
}

pub fn former(name: &str, facts: Facts) -> Option<Former> {
    Former::read(facts.get(&format!("{FORMER}{name}"))?)
}

pub fn route(name: &str, facts: Facts) -> Option<ServiceRoute> {
    Some(former(name, facts)?.route(name, facts.get(&format!("{TAG}{name}"))?))
}

/// No two steps have the same, whatever a service is called.
fn id_of(service: &str) -> String {
    match format!("{SERVICE}{service}") {
        taken if taken == DATABASE || taken == VERIFY => format!("{SERVICE}service/{service}"),
        id => id,
    }
}

fn send_back(route: ServiceRoute) -> Step {
    let name = route.service.clone();
    let shares: Vec<String> = route
        .shares
        .iter()
        .map(|share| format!("{} % {}", share.percent, share.revision))
        .collect();
    let title = format!("Send the traffic of {name} back ({})", shares.join(", "));
    let effect = Effect::RunRoute(RouteChange { routes: vec![route] });
    Step::new(&id_of(&name), &title).effect(effect).timeout_s(EFFECT_S + ASKING_S)
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
        DATABASE => back::bring_back(step, facts, options),
        VERIFY => as_before::verify(facts, options),
        id if id.starts_with(SERVICE) => back::send_back(request, step, facts, options),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::gcloud::{BackupChange, DeployChange, NewRevision};

    fn upgrade() -> Plan {
        let deploy = |name: &str| {
            Effect::RunDeploy(DeployChange {
                revisions: vec![NewRevision {
                    service: name.into(),
                    image: "i".into(),
                    before: "b".into(),
                    name: format!("{name}-2"),
                    tag: "up-t".into(),
                }],
            })
        };
        let backup = Effect::InstanceBackup(BackupChange { description: "d".into() });
        Plan::new()
            .step(Step::new("backup", "").effect(backup))
            .step(Step::new("service/model-service", "").effect(deploy("model-service")))
            .step(Step::new("service/gateway", "").effect(deploy("gateway")))
            .fact("former.model-service", "latest model-service-1=100")
            .fact("tag.model-service", "up-t")
            .fact("former.gateway", "split gateway-1=90,gateway-0=10")
            .fact("tag.gateway", "up-t")
            .fact("migration.model-service", "0007")
            .fact("migration-path.model-service", "/health")
            .fact("migration-field.model-service", "db_migration")
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.id.as_str()).collect()
    }

    #[test]
    fn services_that_are_called_like_steps_have_ids_of_their_own() {
        assert_eq!(id_of("gateway"), "back/gateway");
        for service in ["database", "verify"] {
            assert_eq!(id_of(service), format!("back/service/{service}"));
        }
    }

    #[test]
    fn the_slowest_service_has_its_time_in_the_end() {
        let longest = |seconds: &str| {
            let request = Request::upgrade_to("2").set("services.gateway.timeout", seconds);
            longest_s(&Options::of(&request).unwrap())
        };
        assert_eq!((longest("7200"), longest("4294967295")), (10_800, TWO_DAYS_S));
    }

    fn made(request: &Request, upgrade: &Plan) -> Plan {
        make(request, upgrade, &Options::of(request).unwrap())
    }

    #[test]
    fn the_services_go_back_in_reverse_and_then_the_database() {
        let plan = made(&Request::upgrade_to("2"), &upgrade());
        assert_eq!(ids(&plan), ["back/gateway", "back/model-service", DATABASE, VERIFY]);
        let Effect::RunRoute(change) = &plan.steps[0].effects[0] else { panic!("it routes") };
        let shares: Vec<u32> = change.routes[0].shares.iter().map(|s| s.percent).collect();
        assert_eq!(shares, [90, 10]);
        let Effect::InstanceRestore(restore) = &plan.steps[2].effects[0] else { panic!("restore") };
        assert_eq!(restore.backup, "tessallite-up test");
        assert_eq!(restore.safety, "tessallite-up test before restore");
        assert!(plan.steps[0].timeout_s > EFFECT_S && plan.steps[2].timeout_s == TWO_DAYS_S);
        let RestoreWhen::Changed(told) = &restore.when else { panic!("only when it changed") };
        assert_eq!((told.len(), told[0].value.as_str()), (1, "0007"));
    }

    #[test]
    fn the_database_stays_where_nobody_could_tell_or_need_it() {
        let no_database = ["back/gateway", "back/model-service", VERIFY];
        let mut compatible = Request::upgrade_to("2");
        let Intent::Upgrade(wanted) = &mut compatible.intent;
        wanted.keeps_compatibility = true;
        assert_eq!(ids(&made(&compatible, &upgrade())), no_database);
        let mut untold = upgrade();
        untold.facts.retain(|fact| !fact.name.starts_with("migration"));
        assert_eq!(ids(&made(&Request::upgrade_to("2"), &untold)), no_database);
        let mut without = upgrade();
        without.steps.remove(0);
        assert_eq!(ids(&made(&Request::upgrade_to("2"), &without)), no_database);
    }

    #[test]
    fn a_plan_without_deployments_has_no_way_back() {
        assert!(made(&Request::upgrade_to("2"), &Plan::new()).steps.is_empty());
    }
}
