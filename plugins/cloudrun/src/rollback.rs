//! The way back: planned before anything is changed, carried out from wherever the
//! upgrade has come to.
//!
//! The traffic goes back first: new revisions stay, without traffic and without a tag. Only
//! then the database, and only where its migration moved. A service that the upgrade has not
//! come to is left alone, as naming its revision would pin it.

use tessallite_up_sdk::gcloud::{
    self, RestoreChange, RestoreWhen, RouteChange, Service, ServiceRoute,
};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::schemas;

use crate::gate;
use crate::migration::{moved, told_before};
use crate::options::Options;
use crate::plan::{A_DAY_S, FORMER, PROJECT, REGION, REVISION, TAG, description};
use crate::steps::of_services;
use crate::traffic::{Former, Kind, shares};
use crate::verify::{ask_all, patiently};

pub const DATABASE: &str = "back/database";
pub const VERIFY: &str = "back/verify";
const SERVICE: &str = "back/";

/// Facts of the rollback: whether its plan brings the database back, whether it did, and the
/// services that are pinned since.
const MAY_RESTORE: &str = "may-restore";
const RESTORED: &str = "restored";
const PINNED: &str = "pinned.";

/// How long a service is asked that may not answer before the database is back.
const SHORT_S: u32 = 10;

pub fn make(request: &Request, upgrade: &Plan, options: &Options) -> Plan {
    let facts = Facts(&upgrade.facts);
    let mut plan = Plan::new();
    for name in deployed(upgrade).iter().rev() {
        if let Some(route) = route(name, facts) {
            plan = plan.step(back(route, options));
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
        plan = plan.step(step.timeout_s(A_DAY_S)).fact(MAY_RESTORE, "true");
    }
    plan.step(Step::new(VERIFY, "Verify that all is as it was").timeout_s(3_600))
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

fn former(name: &str, facts: Facts) -> Option<Former> {
    Former::read(facts.get(&format!("{FORMER}{name}"))?)
}

fn route(name: &str, facts: Facts) -> Option<ServiceRoute> {
    Some(former(name, facts)?.route(name, facts.get(&format!("{TAG}{name}"))?))
}

fn back(route: ServiceRoute, options: &Options) -> Step {
    let name = route.service.clone();
    let shares: Vec<String> = route
        .shares
        .iter()
        .map(|share| format!("{} % {}", share.percent, share.revision))
        .collect();
    let title = format!("Send the traffic of {name} back ({})", shares.join(", "));
    let effect = Effect::RunRoute(RouteChange { routes: vec![route] });
    Step::new(&format!("{SERVICE}{name}"), &title)
        .effect(effect)
        .timeout_s(options.timeout_s(&name).saturating_mul(2).saturating_add(300))
}

/// Carries out a step of the rollback; `None` for an id that is none of them.
///
/// # Errors
/// Those of the calls, and `Failed` with what is not as it was.
pub fn apply(step: &Step, facts: Facts, options: &Options) -> Option<Result<Outcome, Error>> {
    Some(match step.id.as_str() {
        DATABASE => bring_back(step, facts, options),
        VERIFY => is_as_before(facts, options),
        id if id.starts_with(SERVICE) => send_back(step, facts, options),
        _ => return None,
    })
}

fn send_back(step: &Step, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        let Effect::RunRoute(change) = effect else {
            carry_out(effect)?;
            continue;
        };
        if change.routes.iter().all(|route| is_untouched(&route.service, facts)) {
            continue;
        }
        gcloud::route(change)?;
        for ServiceRoute { service, .. } in &change.routes {
            if former(service, facts).is_some_and(|former| former.kind == Kind::Latest) {
                outcome = outcome.fact(&format!("{PINNED}{service}"), "true");
            }
        }
        answer_again(change, facts, options)?;
    }
    Ok(outcome)
}

/// The former revisions may not run on the database that the new ones have migrated: where it
/// may go back, too, the last step is the one that insists.
fn answer_again(change: &RouteChange, facts: Facts, options: &Options) -> Result<(), Error> {
    let mut asks = of_services(change, facts, options);
    if facts.get(MAY_RESTORE).is_none() {
        return gate::wait(&asks);
    }
    for ask in &mut asks {
        ask.timeout_s = ask.timeout_s.min(SHORT_S);
    }
    if let Err(error) = gate::wait(&asks) {
        let text = format!("{}; it is asked again once the database is back", error.text());
        host::log(Level::Warn, &text);
    }
    Ok(())
}

fn is_untouched(name: &str, facts: Facts) -> bool {
    let (Some(former), Some(tag)) = (former(name, facts), facts.get(&format!("{TAG}{name}")))
    else {
        return false;
    };
    let revision = facts.get(&format!("{REVISION}{name}")).unwrap_or_default();
    gcloud::get_service(name).is_ok_and(|now| looks_untouched(&now, &former, revision, tag))
}

/// Neither the run's revision nor its tag is there, and the traffic is as it was.
fn looks_untouched(now: &Service, former: &Former, revision: &str, tag: &str) -> bool {
    let is_ours =
        |target: &gcloud::Target| target.revision == revision || target.tag.as_deref() == Some(tag);
    now.latest_created_revision != revision
        && !now.targets.iter().any(is_ours)
        && Former::of(now) == *former
}

fn bring_back(step: &Step, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        let Effect::InstanceRestore(change) = effect else {
            carry_out(effect)?;
            continue;
        };
        if !is_backed_up(&change.backup)? {
            patiently(|| migration_moved(facts, options))
                .map_err(|error| no_backup(change, &error))?;
            return Ok(outcome.line("no backup was made yet: the database stays as it is"));
        }
        let done = gcloud::restore_backup(change)?;
        outcome = match done.restored {
            true => outcome.fact(RESTORED, "true").line(format!(
                "the database is that of the backup {:?}: {}",
                change.backup, done.reason
            )),
            false => outcome.line(format!("the database was not brought back: {}", done.reason)),
        };
    }
    Ok(outcome)
}

fn is_backed_up(description: &str) -> Result<bool, Error> {
    let backups = gcloud::list_backups()?;
    Ok(backups.iter().any(|b| b.description == description && b.status == "SUCCESSFUL"))
}

fn no_backup(change: &RestoreChange, error: &Error) -> Error {
    Error::Failed(format!(
        "the database has to go back, but the instance lists no successful backup {:?}: {}. Restore \
         another one by hand: gcloud sql backups list",
        change.backup,
        error.text()
    ))
}

/// What the services told before, they tell again.
fn migration_moved(facts: Facts, options: &Options) -> Result<(), Error> {
    let mut wrong = Vec::new();
    let told = ask_all(options, &mut wrong);
    let moved = moved(&told_before(facts), &told);
    if moved.is_empty() { Ok(()) } else { Err(Error::Failed(moved.join("; "))) }
}

fn is_as_before(facts: Facts, options: &Options) -> Result<Outcome, Error> {
    patiently(|| routed_as_before(facts))?;
    let routes = facts.below(FORMER).filter_map(|(name, _)| route(name, facts)).collect();
    gate::wait(&of_services(&RouteChange { routes }, facts, options))?;
    let mut outcome = Outcome::default().line("the traffic is that of before");
    if let Err(error) = patiently(|| migration_moved(facts, options)) {
        outcome = outcome.line(migration_stays(error, facts)?);
    }
    if let Some(why) = schemas_moved(facts, options)? {
        outcome = outcome.line(migration_stays(Error::Failed(why), facts)?);
    }
    outcome.report.extend(pinned_now(facts));
    Ok(outcome)
}

/// Only a database that was brought back has to be that of before.
fn migration_stays(error: Error, facts: Facts) -> Result<String, Error> {
    if facts.get(RESTORED).is_some() {
        return Err(error);
    }
    Ok(format!(
        "warning: the database was not brought back, and is not as before: {}",
        error.text()
    ))
}

fn routed_as_before(facts: Facts) -> Result<(), Error> {
    let services = gcloud::list_services()?;
    let wrong: Vec<String> = facts
        .below(FORMER)
        .filter_map(|(name, _)| {
            let former = former(name, facts)?;
            let tag = facts.get(&format!("{TAG}{name}"))?;
            match services.iter().find(|service| service.name == name) {
                Some(service) => not_routed_as(service, &former, tag),
                None => Some(format!("{name} is gone from the region")),
            }
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(wrong.join("; "))) }
}

fn not_routed_as(service: &Service, former: &Former, tag: &str) -> Option<String> {
    let sorted = |shares: &[(String, u32)]| {
        let mut shares = shares.to_vec();
        shares.sort();
        shares
    };
    let now = shares(&service.targets);
    if sorted(&now) != sorted(&former.shares) {
        let now = Former { shares: now, kind: former.kind };
        return Some(format!("{} has {}, not {}", service.name, now.told(), former.told()));
    }
    let is_left = service.targets.iter().any(|target| target.tag.as_deref() == Some(tag));
    is_left.then(|| format!("{} has the tag {tag} still", service.name))
}

fn schemas_moved(facts: Facts, options: &Options) -> Result<Option<String>, Error> {
    let Some(connection) = options.connection else {
        return Ok(None);
    };
    let now = schemas::read(connection, options.migration_table)?;
    let moved: Vec<String> = schemas::remembered(facts)
        .iter()
        .filter(|(schema, old)| now.get(*schema) != Some(*old))
        .map(|(schema, old)| {
            let now = now.get(schema).map_or("nothing", String::as_str);
            format!("the schema {schema} is at {now}, not at {old}")
        })
        .collect();
    Ok((!moved.is_empty()).then(|| moved.join("; ")))
}

/// What keeps a later deployment from getting traffic, and how to end it.
fn pinned_now(facts: Facts) -> Vec<String> {
    let names: Vec<&str> = facts.below(PINNED).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let place = |fact| facts.get(fact).unwrap_or_default();
    let mut lines = vec![format!(
        "pinned to their former revisions now: {}. Their latest revisions are those of the \
         upgrade, so a later deployment gets no traffic by itself. The next upgrade unpins them; \
         by hand, once the latest revision is a good one:",
        names.join(", ")
    )];
    lines.extend(names.iter().map(|name| {
        format!(
            "gcloud run services update-traffic {name} --to-latest --region {} --project {}",
            place(REGION),
            place(PROJECT)
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};
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

    #[test]
    fn a_service_that_the_upgrade_did_not_come_to_is_told_from_one_that_it_did() {
        let now = service("a", vec![target("a-1", 100, true)]);
        let former = Former::of(&now);
        assert!(looks_untouched(&now, &former, "a-2", "up-t"));
        let held = service("a", vec![target("a-1", 100, false)]);
        assert!(!looks_untouched(&held, &former, "a-2", "up-t"));
        let created = Service { latest_created_revision: "a-2".into(), ..now.clone() };
        assert!(!looks_untouched(&created, &former, "a-2", "up-t"));
        let mut tagged = now.clone();
        tagged.targets.push(gcloud::Target { tag: Some("up-t".into()), ..target("a-1", 0, false) });
        assert!(!looks_untouched(&tagged, &former, "a-2", "up-t"));
    }

    #[test]
    fn traffic_is_as_before_in_any_order_and_without_the_tag() {
        let former =
            Former::of(&service("a", vec![target("a-1", 90, false), target("a-0", 10, false)]));
        let mut now = service("a", vec![target("a-0", 10, false), target("a-1", 90, false)]);
        assert_eq!(not_routed_as(&now, &former, "up-t"), None);
        now.targets.push(gcloud::Target { tag: Some("up-t".into()), ..target("a-2", 0, false) });
        assert!(
            not_routed_as(&now, &former, "up-t").is_some_and(|why| why.contains("the tag up-t"))
        );
        let other = service("a", vec![target("a-2", 100, true)]);
        assert!(
            not_routed_as(&other, &former, "up-t")
                .is_some_and(|why| why.contains("100 % on a-2, not 90 %"))
        );
    }

    #[test]
    fn only_a_database_that_was_brought_back_has_to_be_that_of_before() {
        let moved = || Error::Failed("model-service tells 0008, not 0007".into());
        assert!(migration_stays(moved(), Facts(&[])).unwrap().contains("warning"));
        let plan = Plan::new().fact(RESTORED, "true");
        assert_eq!(migration_stays(moved(), Facts(&plan.facts)), Err(moved()));
    }

    #[test]
    fn what_is_pinned_since_is_told_with_the_command() {
        let plan =
            Plan::new().fact("pinned.gateway", "true").fact("region", "r1").fact("project", "p");
        let lines = pinned_now(Facts(&plan.facts));
        assert_eq!(
            lines[1],
            "gcloud run services update-traffic gateway --to-latest --region r1 --project p"
        );
        assert!(pinned_now(Facts(&[])).is_empty());
    }
}
