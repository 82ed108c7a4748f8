//! The plan: what is done in which order.

use tessallite_up_sdk::gcloud::{BackupChange, DeployChange, RouteChange};
use tessallite_up_sdk::{Effect, Plan, Request, Step, Upgrade};

use crate::notes;
use crate::options::Options;
use crate::steps::SOON_S;
use crate::survey::{Survey, Telling};
use crate::targets::Target;
use crate::work::{Job, groups};

pub const BACKUP: &str = "backup";
pub const SOAK: &str = "soak";
pub const VERIFY: &str = "verify";

/// Facts that later steps read. Each service has its own of those that end with a point.
pub const PROJECT: &str = "project";
pub const REGION: &str = "region";
/// Absent where none is configured.
pub const INSTANCE: &str = "instance";
pub const REVISION: &str = "revision.";
pub const IMAGE: &str = "image.";
pub const TAG: &str = "tag.";
pub const FORMER: &str = "former.";
/// "true" where the traffic is to follow the latest revision in the end.
pub const LATEST: &str = "latest.";
/// The migration that the service told, and where.
pub const MIGRATION: &str = "migration.";
pub const MIGRATION_PATH: &str = "migration-path.";
pub const MIGRATION_FIELD: &str = "migration-field.";
/// Why an external service did not answer well before.
pub const UNWELL: &str = "unwell.";

/// A backup, or a restore, is given as much as there is: it is the instance that says when it
/// is done.
pub const TWO_DAYS_S: u32 = 172_800;
/// The host ends each effect in its own time, which the operator may have raised. A step
/// whose time is up is killed while its effect goes on in Google Cloud, so the step must never
/// be the first to lose patience.
pub const EFFECT_S: u32 = 6 * 3_600;

pub fn make(
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    jobs: &[Job],
    options: &Options,
) -> Plan {
    let mut plan = Plan::new();
    if let Some(instance) = &survey.place.instance {
        plan = plan.step(backup(request, instance));
    }
    for (number, group) in groups(jobs, options).iter().enumerate() {
        plan = plan.step(deploy(number + 1, group, options));
    }
    if options.soak_s > 0 {
        let title = format!("Go on asking the services for {} s", options.soak_s);
        plan = plan.step(Step::new(SOAK, &title).timeout_s(options.soak_s.saturating_add(300)));
    }
    plan = plan
        .step(Step::new(VERIFY, "Verify traffic, images, health and migrations").timeout_s(1_800));
    plan.notes = notes::of_plan(request, upgrade, survey, targets, jobs, options);
    remember(plan, survey, jobs, options)
}

/// What the backup is called, and found by.
pub fn description(request: &Request) -> String {
    format!("tessallite-up {}", request.run)
}

fn backup(request: &Request, instance: &str) -> Step {
    let change = BackupChange { description: description(request) };
    Step::new(BACKUP, &format!("Back up the Cloud SQL instance {instance}"))
        .effect(Effect::InstanceBackup(change))
        .timeout_s(TWO_DAYS_S)
}

fn deploy(number: usize, group: &[&Job], options: &Options) -> Step {
    let names: Vec<&str> = group.iter().map(|job| job.service.as_str()).collect();
    let id = match names.as_slice() {
        [name] => format!("service/{name}"),
        _ => format!("services/{number}"),
    };
    let on_the_way = match options.traffic.as_slice() {
        [_] => String::new(),
        steps => {
            let steps: Vec<String> = steps.iter().map(|percent| format!("{percent} %")).collect();
            format!(" ({})", steps.join(", "))
        }
    };
    let title = format!(
        "Deploy {} without traffic, probe, then move the traffic{on_the_way}",
        names.join(", ")
    );
    let revisions = group.iter().map(|job| job.new_revision()).collect();
    let mut step = Step::new(&id, &title).effect(Effect::RunDeploy(DeployChange { revisions }));
    let mut routes: Vec<_> = group.iter().map(|job| job.routes(options).into_iter()).collect();
    for _ in &options.traffic {
        let routes = routes.iter_mut().filter_map(Iterator::next).collect();
        step = step.effect(Effect::RunRoute(RouteChange { routes }));
    }
    step.timeout_s(longest_s(&names, options))
}

/// Until the revisions are ready, and until they answer; then at each share of the traffic.
fn longest_s(names: &[&str], options: &Options) -> u32 {
    let slowest = names.iter().map(|name| options.timeout_s(name)).max().unwrap_or(0);
    let routes = u32::try_from(options.traffic.len()).unwrap_or(u32::MAX);
    let probing = slowest.saturating_mul(2).saturating_add((2 * SOON_S).saturating_mul(routes));
    let effects = EFFECT_S.saturating_mul(routes.saturating_add(1));
    // More than that the host gives to no step.
    probing.saturating_add(effects).min(TWO_DAYS_S)
}

fn remember(mut plan: Plan, survey: &Survey, jobs: &[Job], options: &Options) -> Plan {
    plan =
        plan.fact(PROJECT, survey.place.project.clone()).fact(REGION, survey.place.region.clone());
    if let Some(instance) = &survey.place.instance {
        plan = plan.fact(INSTANCE, instance.clone());
    }
    for job in jobs {
        let name = &job.service;
        plan = plan
            .fact(&format!("{REVISION}{name}"), job.revision.clone())
            .fact(&format!("{IMAGE}{name}"), job.image.clone())
            .fact(&format!("{TAG}{name}"), job.tag.clone())
            .fact(&format!("{FORMER}{name}"), job.former.written())
            .fact(&format!("{LATEST}{name}"), job.ends_on_latest(options).to_string());
    }
    for Telling { service: name, answer, migration } in survey.telling(options) {
        if let Some(field) = &answer.migration_field {
            plan = plan
                .fact(&format!("{MIGRATION}{name}"), migration)
                .fact(&format!("{MIGRATION_PATH}{name}"), answer.path.clone())
                .fact(&format!("{MIGRATION_FIELD}{name}"), field.clone());
        }
    }
    for name in options.external() {
        if let Some(why) = survey.unwell(name) {
            plan = plan.fact(&format!("{UNWELL}{name}"), why);
        }
    }
    for (schema, revision) in survey.schemas.iter().flatten().flatten() {
        let name = format!("{}{schema}", tessallite_up_sdk::schemas::FACT);
        plan = plan.fact(&name, revision.clone());
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::survey;
    use crate::traffic::Kind;
    use crate::work::tests::job_of;
    use tessallite_up_sdk::health::{Convention, judge};
    use tessallite_up_sdk::{Facts, Intent};

    fn request(settings: &[(&str, &str)]) -> Request {
        settings.iter().fold(Request::upgrade_to("2.0.0"), |r, (name, value)| r.set(name, value))
    }

    fn routes(step: &Step) -> Vec<&RouteChange> {
        let routes = step.effects.iter().filter_map(|effect| match effect {
            Effect::RunRoute(change) => Some(change),
            _ => None,
        });
        routes.collect()
    }

    fn made(request: &Request, survey: &Survey) -> Plan {
        let Intent::Upgrade(upgrade) = &request.intent;
        let options = Options::of(request).unwrap();
        let jobs = ["model-service", "gateway"].map(|name| job_of(name, Kind::Latest));
        make(request, upgrade, survey, &[], &jobs, &options)
    }

    #[test]
    fn the_backup_comes_first_and_the_verification_last() {
        let ids = |request: &Request, instance: Option<&str>| {
            let mut survey = survey(Vec::new());
            survey.place.instance = instance.map(Into::into);
            made(request, &survey).steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>()
        };
        let services = ["service/model-service", "service/gateway"];
        assert_eq!(
            ids(&request(&[("soak", "10")]), Some("db")),
            [BACKUP, services[0], services[1], SOAK, VERIFY]
        );
        assert_eq!(ids(&request(&[]), None), [services[0], services[1], VERIFY]);
    }

    #[test]
    fn the_host_is_the_first_to_lose_patience_and_no_step_is_longer_than_it_allows() {
        let longest = |settings: &[(&str, &str)]| {
            let request = request(settings);
            longest_s(&["gateway"], &Options::of(&request).unwrap())
        };
        assert!(longest(&[]) > 2 * EFFECT_S);
        assert_eq!(longest(&[("timeout", "4294967295")]), TWO_DAYS_S);
        assert_eq!(longest(&[("traffic", "1,2,3,4,5,6,7,8,9,100")]), TWO_DAYS_S);
        let plan = made(&request(&[]), &with_instance());
        assert_eq!((plan.steps[0].id.as_str(), plan.steps[0].timeout_s), (BACKUP, TWO_DAYS_S));
    }

    fn with_instance() -> Survey {
        let mut survey = survey(Vec::new());
        survey.place.instance = Some("db".into());
        survey
    }

    #[test]
    fn what_later_steps_need_is_remembered() {
        let mut survey = survey(Vec::new());
        let body = br#"{"status":"ok","db_migration":"0007"}"#;
        let answer = judge("/api/health", 200, body, &Convention::default());
        survey.health.insert("model-service".into(), answer);
        let plan = made(&request(&[]), &survey);
        let facts = Facts(&plan.facts);
        assert_eq!(facts.get("revision.gateway"), Some("gateway-2-0-0-t"));
        assert_eq!(facts.get("former.gateway"), Some("latest gateway-1=100"));
        assert_eq!(facts.get("latest.gateway"), Some("true"));
        assert_eq!(facts.get("migration.model-service"), Some("0007"));
        assert_eq!(facts.get("migration-path.model-service"), Some("/api/health"));
        assert_eq!(facts.get("migration-field.model-service"), Some("db_migration"));
        assert_eq!((facts.get("project"), facts.get("region")), (Some("p"), Some("r1")));
        assert_eq!(facts.get("instance"), None);
        let plan = made(&request(&[]), &with_instance());
        assert_eq!(Facts(&plan.facts).get("instance"), Some("db"));
    }

    #[test]
    fn what_an_external_service_tells_is_not_remembered() {
        let mut survey = survey(Vec::new());
        let body = br#"{"status":"ok","db_migration":"0007"}"#;
        let answer = judge("/api/health", 200, body, &Convention::default());
        survey.health.insert("agent".into(), answer);
        let request = request(&[
            ("services.agent.external", "true"),
            ("services.agent.url", "https://agent.example"),
        ]);
        let plan = made(&request, &survey);
        assert!(plan.facts.iter().all(|fact| !fact.name.starts_with(MIGRATION)));
        assert_eq!(survey.migration(&Options::of(&request).unwrap()), None);
    }

    #[test]
    fn a_service_gets_its_revision_first_and_then_all_of_the_traffic() {
        let request = request(&[]);
        let options = Options::of(&request).unwrap();
        let job = job_of("gateway", Kind::Pinned);
        let step = deploy(1, &[&job], &options);
        assert_eq!(step.id, "service/gateway");
        let Effect::RunDeploy(deployed) = &step.effects[0] else { panic!("it deploys first") };
        assert_eq!(deployed.revisions, [job.new_revision()]);
        let [route] = routes(&step)[..] else { panic!("one route") };
        assert!(route.routes[0].shares[0].latest);
        assert_eq!(route.routes[0].untag, ["up-t"]);
    }

    #[test]
    fn a_kept_pin_ends_on_the_new_revision_by_name() {
        let request = request(&[("keep-pins", "true")]);
        let options = Options::of(&request).unwrap();
        let step = deploy(1, &[&job_of("gateway", Kind::Pinned)], &options);
        assert!(!routes(&step)[0].routes[0].shares[0].latest);
    }

    #[test]
    fn a_group_moves_together_step_by_step() {
        let request = request(&[("traffic", "10,100"), ("parallel", "true"), ("timeout", "100")]);
        let options = Options::of(&request).unwrap();
        let jobs = [job_of("optimizer", Kind::Latest), job_of("scheduler", Kind::Split)];
        let step = deploy(2, &[&jobs[0], &jobs[1]], &options);
        assert_eq!(step.id, "services/2");
        let routes = routes(&step);
        assert_eq!(routes.len(), 2);
        assert!(routes.iter().all(|change| change.routes.len() == 2));
        assert!(routes[0].routes.iter().all(|route| route.untag.is_empty()));
        let split: Vec<u32> = routes[0].routes[1].shares.iter().map(|s| s.percent).collect();
        assert_eq!(split, [10, 54, 36]);
        assert_eq!(step.timeout_s, 200 + 2 * 60 + 3 * EFFECT_S);
    }
}
