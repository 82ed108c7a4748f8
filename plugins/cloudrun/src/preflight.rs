//! Everything that can be known to go wrong is said before anything is touched, all
//! of it at once.

use std::collections::BTreeMap;

use semver::Version;
use tessallite_up_sdk::gcloud::Service;
use tessallite_up_sdk::{Refusal, Request, Upgrade};

use crate::instance::not_backed_up;
use crate::options::Options;
use crate::reference::{Reference, version_of};
use crate::survey::Survey;
use crate::targets::{Target, is_there};
use crate::traffic::{Former, Kind, share_of, shares};
use crate::work::Job;
use crate::{names, permissions, preview, untold};

type Problems = Vec<String>;

/// # Errors
/// `Preflight` with every reason; `NothingToDo`.
pub fn check(
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    jobs: &[Job],
    options: &Options,
) -> Result<(), Refusal> {
    let mut problems = Problems::new();
    present(survey, options, &mut problems);
    release(upgrade, options, &mut problems);
    images(targets, &mut problems);
    versions(survey, targets, upgrade, &mut problems);
    if problems.is_empty() && !options.check_only && all_there(survey, targets) {
        return already_there(survey, targets, upgrade, options);
    }
    let services = options.own().filter_map(|name| survey.service(name));
    for service in services {
        problems.extend(not_well(service, survey));
        problems.extend(not_nameable(service, request));
    }
    if let (Some(database), Some(name)) = (&survey.database, &survey.place.instance) {
        problems.extend(not_backed_up(name, database));
    }
    problems.extend(permissions::refused(survey));
    if let Some(Err(error)) = &survey.schemas {
        problems.push(format!("migrations of the tenants' schemas: {}", error.text()));
    }
    problems.extend(untold::refused(&survey.untold(options)));
    problems.extend(preview::refused(jobs));
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Preflight(problems)) }
}

fn present(survey: &Survey, options: &Options, problems: &mut Problems) {
    let place = &survey.place;
    let at = format!("the region {} of the project {}", place.region, place.project);
    let found = match &survey.services {
        Ok(found) => found,
        Err(error) => {
            problems.push(format!("the services in {at}: {}", error.text()));
            return;
        }
    };
    let missing: Vec<&str> =
        options.own().filter(|name| !found.iter().any(|service| service.name == *name)).collect();
    if missing.len() == options.own().count() {
        problems.push(format!(
            "{at} has none of the services {}: check --gcp-project and --gcp-region, and the names in \
             [cloudrun] services; gcloud run services list shows what there is",
            missing.join(", ")
        ));
        return;
    }
    for name in missing {
        problems.push(format!(
            "{name}: {at} has no such service. Correct [cloudrun] services; where it runs \
             elsewhere: --set services.{name}.external=true"
        ));
    }
}

fn release(upgrade: &Upgrade, options: &Options, problems: &mut Problems) {
    let is_member = |name: &str| options.members.iter().any(|member| member.name == name);
    let unknown: Vec<&str> = upgrade
        .images
        .iter()
        .map(|image| image.service.as_str())
        .filter(|name| !is_member(name))
        .collect();
    if !unknown.is_empty() {
        problems.push(format!(
            "the release has services that [cloudrun] services does not name: {}. Create each on \
             Cloud Run and name it there, or say that it runs elsewhere: \
             --set services.NAME.external=true",
            unknown.join(", ")
        ));
    }
}

fn images(targets: &[Target], problems: &mut Problems) {
    for target in targets {
        match (&target.digest, &target.promised) {
            (Err(error), _) => problems.push(format!("image {}: {}", target.after, error.text())),
            (Ok(digest), Some(promised)) if digest != promised => problems.push(format!(
                "image {} is {digest} in its registry, but has to be {promised}: it is not what \
                 was released, or the digest is wrong",
                target.after
            )),
            _ => {}
        }
    }
}

fn versions(survey: &Survey, targets: &[Target], upgrade: &Upgrade, problems: &mut Problems) {
    let oldest = upgrade.oldest.as_deref().and_then(version_of);
    // Services that are at the same version have the same problem.
    let mut newer: BTreeMap<(Version, Version), Vec<&str>> = BTreeMap::new();
    let mut too_old: BTreeMap<(Version, Version), Vec<&str>> = BTreeMap::new();
    for target in targets {
        let after = Reference::parse(&target.after).version();
        for before in survey.versions(&target.service).into_iter().flatten() {
            if let Some(oldest) = oldest.as_ref().filter(|oldest| before < **oldest) {
                too_old.entry((before.clone(), oldest.clone())).or_default().push(&target.service);
            }
            if let Some(after) = after.as_ref().filter(|after| **after < before) {
                newer.entry((before, after.clone())).or_default().push(&target.service);
            }
        }
    }
    for ((before, after), services) in newer {
        let services = services.join(", ");
        problems.push(format!(
            "{services}: at {before}, which is newer than {after}: this would be a downgrade"
        ));
    }
    for ((before, oldest), services) in too_old {
        let services = services.join(", ");
        problems.push(format!(
            "{services}: at {before}; this release upgrades from {oldest} or later: upgrade to \
             that one first"
        ));
    }
}

/// What is broken before cannot be told from what the upgrade breaks.
fn not_well(service: &Service, survey: &Survey) -> Vec<String> {
    let mut problems = Problems::new();
    let name = &service.name;
    let region = &survey.place.region;
    if !service.ready && !is_superseded(service) {
        problems.push(format!(
            "{name} is not ready before the upgrade: {}. Wait for the deployment that is under \
             way, or mend it: gcloud run services describe {name} --region {region}",
            service.message
        ));
    }
    let total: u32 = shares(&service.targets).iter().map(|(_, percent)| percent).sum();
    if total != 100 {
        problems.push(format!(
            "{name}: its revisions get {total} % of the traffic in all, so there is nothing to go \
             back to: gcloud run services update-traffic {name} --region {region}"
        ));
    }
    let Some(why) = survey.unwell(name) else {
        return problems;
    };
    problems.push(format!(
        "{name} is not healthy before the upgrade: {why}. {}",
        what_to_do(name, why)
    ));
    problems
}

fn what_to_do(name: &str, why: &str) -> String {
    if [": 401", ": 403"].iter().any(|refused| why.contains(refused)) {
        return format!(
            "It is private: the identity that asks it needs the role roles/run.invoker on {name}"
        );
    }
    format!(
        "Mend it first; where it answers elsewhere: --set services.{name}.health=/PATH; where it \
         has no health to ask for: --set services.{name}.health=none"
    )
}

/// All that is amiss is that a revision of an earlier run did not become ready; it has no
/// traffic, and the next one takes its place.
pub fn is_superseded(service: &Service) -> bool {
    !service.ready
        && service.latest_created_revision != service.latest_ready_revision
        && names::is_of_a_run(&service.latest_created_revision)
        && share_of(&service.targets, &service.latest_created_revision) == 0
}

fn not_nameable(service: &Service, request: &Request) -> Option<String> {
    let tag = match names::tag(&service.name, &request.run) {
        Ok(tag) => tag,
        Err(why) => return Some(why),
    };
    let holder = service.targets.iter().find(|target| target.tag.as_ref() == Some(&tag))?;
    Some(format!(
        "{}: the tag {tag} is taken by {}; start the upgrade again, which makes another one, or \
         take it away: gcloud run services update-traffic {} --remove-tags {tag}",
        service.name, holder.revision, service.name
    ))
}

fn all_there(survey: &Survey, targets: &[Target]) -> bool {
    targets
        .iter()
        .all(|target| survey.service(&target.service).is_some_and(|s| is_there(s, target)))
}

fn already_there(
    survey: &Survey,
    targets: &[Target],
    upgrade: &Upgrade,
    options: &Options,
) -> Result<(), Refusal> {
    let now = survey.migration(options);
    if let (Some(expected), Some(now)) = (upgrade.migration.as_deref(), now)
        && expected != now
    {
        return Err(Refusal::Preflight(vec![format!(
            "every service serves the wanted image already, but the database is at migration \
             {now}, not {expected}: see the log of model-service, and the release notes"
        )]));
    }
    let version = upgrade.version.as_deref().unwrap_or("the wanted version");
    let migration = now.map(|now| format!(", migration {now}")).unwrap_or_default();
    let pinned: Vec<&str> = targets
        .iter()
        .filter_map(|target| survey.service(&target.service))
        .filter(|service| Former::of(service).kind != Kind::Latest)
        .map(|service| service.name.as_str())
        .collect();
    let pinned = match pinned.is_empty() {
        true => String::new(),
        false => format!(
            ". Pinned to their revisions: {}; to have one follow the latest again: gcloud run \
             services update-traffic NAME --to-latest --region {}",
            pinned.join(", "),
            survey.place.region
        ),
    };
    Err(Refusal::NothingToDo(format!("every service serves {version} already{migration}{pinned}")))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::survey::serving;
    use crate::traffic::tests::{service, target};
    use tessallite_up_sdk::Error;
    use tessallite_up_sdk::gcloud::Place;
    use tessallite_up_sdk::health::{Convention, judge};

    pub fn survey(services: Vec<Service>) -> Survey {
        Survey {
            place: Place {
                project: "p".into(),
                region: "r1".into(),
                instance: None,
                repository: None,
            },
            serving: serving(services.iter(), |_, _| String::new()),
            services: Ok(services),
            database: None,
            missing_permissions: None,
            health: BTreeMap::new(),
            silent: BTreeMap::new(),
            schemas: None,
        }
    }

    fn well(name: &str) -> Service {
        service(name, vec![target(&format!("{name}-1"), 100, true)])
    }

    fn targets(after: &str) -> Vec<Target> {
        vec![Target {
            service: "gateway".into(),
            before: "r/gateway:1.4.0".into(),
            after: after.into(),
            digest: Ok("sha256:22".into()),
            promised: None,
        }]
    }

    #[test]
    fn a_region_with_nothing_is_told_apart_from_a_service_that_is_missing() {
        let request = Request::upgrade_to("2.0.0").set("services", "model-service,gateway");
        let options = Options::of(&request).unwrap();
        let mut problems = Problems::new();
        present(&survey(Vec::new()), &options, &mut problems);
        assert!(problems[0].contains("has none of the services model-service, gateway"));
        problems.clear();
        present(&survey(vec![well("gateway")]), &options, &mut problems);
        assert!(problems.len() == 1 && problems[0].starts_with("model-service: the region r1"));
    }

    #[test]
    fn a_service_that_is_well_has_no_problem() {
        assert!(not_well(&well("a"), &survey(Vec::new())).is_empty());
    }

    #[test]
    fn a_service_is_not_well_when_it_is_not_ready_or_has_no_traffic_or_says_so() {
        let mut survey = survey(Vec::new());
        let answer = judge("/health", 503, b"{\"status\":\"degraded\"}", &Convention::default());
        survey.health.insert("a".into(), answer);
        let broken = Service {
            ready: false,
            message: "no quota".into(),
            targets: vec![target("a-1", 40, false)],
            ..well("a")
        };
        let problems = not_well(&broken, &survey);
        assert!(problems[0].contains("not ready before the upgrade: no quota"));
        assert!(problems[1].contains("40 %"));
        assert!(problems[2].contains("GET /health: 503 degraded. Mend it first"));
    }

    #[test]
    fn a_probe_that_is_not_allowed_says_which_role_is_missing() {
        let mut survey = survey(Vec::new());
        let answer = judge("/health", 403, b"", &Convention::default());
        survey.health.insert("a".into(), answer);
        assert!(not_well(&well("a"), &survey)[0].contains("roles/run.invoker"));
    }

    #[test]
    fn a_failed_revision_of_an_earlier_run_is_in_nobodys_way() {
        let failed = |revision: &str| Service {
            ready: false,
            latest_created_revision: revision.into(),
            ..well("a")
        };
        assert!(is_superseded(&failed("a-2-0-0-20261126-184920-a1b2")));
        assert!(!is_superseded(&failed("a-00002-xyz")));
        assert!(!is_superseded(&well("a")));
        let mut serving = failed("a-2-0-0-20261126-184920-a1b2");
        serving.targets.push(target("a-2-0-0-20261126-184920-a1b2", 10, false));
        assert!(!is_superseded(&serving));
    }

    #[test]
    fn images_have_to_be_there_and_to_be_those_of_the_release() {
        let mut problems = Problems::new();
        let mut targets = targets("r/gateway:2.0.0");
        targets[0].promised = Some("sha256:33".into());
        images(&targets, &mut problems);
        assert!(problems[0].contains("is sha256:22 in its registry, but has to be sha256:33"));
        targets[0].digest = Err(Error::NotFound("no such tag".into()));
        images(&targets, &mut problems);
        assert!(problems[1].contains("image r/gateway:2.0.0: no such tag"));
    }

    #[test]
    fn older_versions_and_too_large_steps_are_refused() {
        let survey = survey(vec![well("gateway")]);
        let problems = |after: &str, oldest: Option<&str>| {
            let mut upgrade = Upgrade {
                version: None,
                migration: None,
                oldest: None,
                keeps_compatibility: false,
                images: Vec::new(),
            };
            upgrade.oldest = oldest.map(Into::into);
            let mut problems = Problems::new();
            versions(&survey, &targets(after), &upgrade, &mut problems);
            problems.join("\n")
        };
        assert!(problems("r/gateway:1.3.0", None).contains("would be a downgrade"));
        assert!(problems("r/gateway:2.0.0", Some("1.5")).contains("from 1.5.0 or later"));
        assert_eq!(problems("r/gateway:2.0.0", Some("1.4.0")), "");
    }

    #[test]
    fn a_tag_that_somebody_holds_is_refused() {
        let request = Request::upgrade_to("2.0.0");
        let mut service = well("gateway");
        assert_eq!(not_nameable(&service, &request), None);
        service.targets[0].tag = Some("up-test".into());
        assert!(not_nameable(&service, &request).is_some_and(|why| why.contains("is taken by")));
    }
}
