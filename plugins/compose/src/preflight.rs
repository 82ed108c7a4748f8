//! Everything that can be known to go wrong is said before anything is touched, all
//! of it at once.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use tessallite_up_sdk::docker::{self, Condition, ContainerState, Service};
use tessallite_up_sdk::gate::not_running_well;
use tessallite_up_sdk::{Refusal, Request, Upgrade};

use crate::migration;
use crate::options::Options;
use crate::plan::{human_bytes, pins};
use crate::reference::{Reference, version_of};
use crate::survey::Survey;
use crate::targets::Target;

type Problems = Vec<String>;

pub fn check(
    survey: &Survey,
    targets: &[Target],
    upgrade: &Upgrade,
    options: &Options,
) -> Result<(), Refusal> {
    let mut problems = Problems::new();
    images(survey, targets, &mut problems);
    versions(targets, upgrade, &mut problems);
    database(survey, targets, options, &mut problems);
    if problems.is_empty() && nothing_to_do(survey, targets) && !options.check_only {
        return already_there(survey, upgrade, options);
    }
    // Without all images, it would be told of half a change.
    if problems.is_empty() {
        files(targets, &mut problems);
    }
    services(survey, targets, &mut problems);
    space(survey, targets, &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Preflight(problems)) }
}

/// Settings for a service that the project does not have.
pub fn unknown_services<'a>(survey: &Survey, request: &'a Request) -> BTreeSet<&'a str> {
    Options::named_services(request).filter(|name| survey.service(name).is_none()).collect()
}

fn images(survey: &Survey, targets: &[Target], problems: &mut Problems) {
    let mut said = BTreeSet::new();
    for target in targets {
        match &target.image {
            Err(error) => {
                if said.insert(&target.after) {
                    problems.push(format!("image {}: {}", target.after, error.text()));
                }
            }
            Ok(image) => {
                if !has_platform(&image.platforms, &survey.engine.platform) {
                    problems.push(format!(
                        "image {} is not built for {}, only for {}",
                        target.after,
                        survey.engine.platform,
                        image.platforms.join(", ")
                    ));
                }
                if let Some(promised) = target.promised.as_ref().filter(|p| **p != image.digest) {
                    problems.push(format!(
                        "image {} is {} in its registry, but the release manifest says {promised}",
                        target.after, image.digest
                    ));
                }
            }
        }
    }
}

fn files(targets: &[Target], problems: &mut Problems) {
    if let Some(change) = pins(targets)
        && let Err(error) = docker::preview_pin(&change)
    {
        problems.push(format!("the project's files: {}", error.text()));
    }
}

/// "linux/arm64/v8" serves an engine of "linux/arm64". No platforms: the registry
/// does not tell, and the pull will.
fn has_platform(platforms: &[String], wanted: &str) -> bool {
    let starts = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    platforms.is_empty() || platforms.iter().any(|p| starts(p, wanted) || starts(wanted, p))
}

fn versions(targets: &[Target], upgrade: &Upgrade, problems: &mut Problems) {
    let oldest = upgrade.oldest.as_deref().and_then(version_of);
    // Services that are at the same version have the same problem.
    let mut newer: BTreeMap<(Version, Version), Vec<&str>> = BTreeMap::new();
    let mut too_old: BTreeMap<(Version, Version), Vec<&str>> = BTreeMap::new();
    for target in targets {
        let before = version_of(Reference::parse(&target.before).tag_or_latest());
        let after = version_of(Reference::parse(&target.after).tag_or_latest());
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        if let Some(oldest) = oldest.as_ref().filter(|oldest| before < **oldest) {
            too_old.entry((before.clone(), oldest.clone())).or_default().push(&target.service);
        }
        if after < before {
            newer.entry((before, after)).or_default().push(&target.service);
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

fn database(survey: &Survey, targets: &[Target], options: &Options, problems: &mut Problems) {
    if let Err(error) = &survey.dump_target {
        problems.push(format!("backup directory: {}", error.text()));
    }
    let database = match &survey.database {
        Ok(database) => database,
        Err(error) => {
            problems.push(format!("database: {}", error.text()));
            return;
        }
    };
    if let Err(error) = &survey.schemas {
        problems.push(format!("migrations of the database: {}", error.text()));
    }
    let Some(target) = targets.iter().find(|t| options.is_database(&t.service, &t.before)) else {
        return;
    };
    let now = version_of(database.server_version.split(' ').next().unwrap_or_default());
    let then = version_of(Reference::parse(&target.after).tag_or_latest());
    if now.as_ref().map(|v| v.major) != then.as_ref().map(|v| v.major) || now.is_none() {
        problems.push(format!(
            "{} runs PostgreSQL {}; {} is not known to be of the same major version, and a new \
             major version cannot read the old one's data: leave it out, or use a tag that \
             begins with the major version",
            target.service, database.server_version, target.after
        ));
    }
}

/// Every service of the product, and all that they depend on, have to be well now:
/// what is broken before cannot be told from what the upgrade breaks.
fn services(survey: &Survey, targets: &[Target], problems: &mut Problems) {
    let mut needed: BTreeMap<&str, Condition> = BTreeMap::new();
    let mut open: Vec<(&str, Condition)> =
        targets.iter().map(|t| (t.service.as_str(), Condition::ServiceStarted)).collect();
    while let Some((name, condition)) = open.pop() {
        if needed.insert(name, condition).is_none() {
            let depends_on =
                survey.service(name).map(|s| s.depends_on.as_slice()).unwrap_or_default();
            open.extend(depends_on.iter().map(|d| (d.service.as_str(), d.condition)));
        }
    }
    for (name, condition) in needed {
        let Some(service) = survey.service(name) else {
            continue;
        };
        if let Some(why) = not_well(survey, service, condition) {
            problems.push(format!(
                "{name} is not healthy before the upgrade: {why}. \
                 Mend it first: docker compose logs {name}"
            ));
        }
    }
}

fn not_well(survey: &Survey, service: &Service, condition: Condition) -> Option<String> {
    if condition == Condition::ServiceCompletedSuccessfully {
        let completed = service
            .containers
            .iter()
            .all(|c| c.state == ContainerState::Exited && c.exit_code == Some(0));
        return (!completed).then(|| "it has not completed".to_owned());
    }
    if let Some(why) = not_running_well(service) {
        return Some(why);
    }
    if let Some(health) = survey.health.get(&service.name) {
        return (!health.answer.healthy).then(|| health.answer.text.clone());
    }
    let why = survey.silent.get(&service.name).filter(|_| !service.has_health_check)?;
    Some(format!(
        "{why} (where it answers elsewhere: --set services.{0}.port=PORT; where it does not \
         speak HTTP: --set services.{0}.health=none)",
        service.name
    ))
}

fn space(survey: &Survey, targets: &[Target], problems: &mut Problems) {
    if let (Ok(database), Ok(directory)) = (&survey.database, &survey.dump_target)
        && directory.free_bytes < database.bytes
    {
        problems.push(format!(
            "the backup may need {} in {}, which has {} left: free some, or name another \
             directory with --backup-dir",
            human_bytes(database.bytes),
            directory.directory,
            human_bytes(directory.free_bytes)
        ));
    }
    let needed = image_bytes(survey, targets);
    if let Some(free) = survey.engine.free_bytes.filter(|free| *free < needed) {
        problems.push(format!(
            "the new images may need {}, and the engine has {} left: free some, for example \
             with docker image prune",
            human_bytes(needed),
            human_bytes(free)
        ));
    }
}

/// The new images are taken to be as large as those in use, and one fifth more.
pub fn image_bytes(survey: &Survey, targets: &[Target]) -> u64 {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for target in targets.iter().filter(|target| !runs(survey, target)) {
        if let Some(bytes) = survey.service(&target.service).and_then(|s| s.image_bytes) {
            sizes.insert(&target.after, bytes);
        }
    }
    let sum: u64 = sizes.values().sum();
    sum + sum / 5
}

/// The service's containers run the image of the plan already.
pub fn runs(survey: &Survey, target: &Target) -> bool {
    let Some(service) = survey.service(&target.service) else {
        return false;
    };
    let one_image = service.containers.windows(2).all(|two| two[0].image_id == two[1].image_id);
    let known = target.image.as_ref().is_ok_and(|image| service.digests.contains(&image.digest));
    !service.containers.is_empty() && one_image && known
}

fn nothing_to_do(survey: &Survey, targets: &[Target]) -> bool {
    targets.iter().all(|target| target.before == target.after && runs(survey, target))
}

fn already_there(survey: &Survey, upgrade: &Upgrade, options: &Options) -> Result<(), Refusal> {
    let now = migration::before(survey, options);
    if let (Some(expected), Some(now)) = (upgrade.migration.as_deref(), now)
        && expected != now
    {
        return Err(Refusal::Preflight(vec![format!(
            "every service runs the wanted image already, but the database is at migration \
             {now}, not {expected}: see docker compose logs, and the release notes"
        )]));
    }
    let version = upgrade.version.as_deref().unwrap_or("the wanted version");
    let migration = now.map(|now| format!(", migration {now}")).unwrap_or_default();
    Err(Refusal::NothingToDo(format!("every service is at {version} already{migration}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_match_with_and_without_a_variant() {
        let has = |platforms: &[&str], wanted| {
            has_platform(&platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), wanted)
        };
        assert!(has(&["linux/amd64", "linux/arm64/v8"], "linux/arm64"));
        assert!(has(&["linux/arm64"], "linux/arm64/v8"));
        assert!(!has(&["linux/arm"], "linux/arm64"));
        assert!(!has(&["linux/arm64"], "linux/amd64"));
        assert!(has(&[], "linux/amd64"));
    }
}
