//! What the operator reads before approving.

use tessallite_up_sdk::{Request, Upgrade};

use crate::options::Options;
use crate::permissions;
use crate::preflight::is_superseded;
use crate::reference::Reference;
use crate::survey::Survey;
use crate::targets::Target;
use crate::traffic::Kind;
use crate::work::{Job, is_left};

pub fn of_plan(
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    jobs: &[Job],
    options: &Options,
) -> Vec<String> {
    let mut notes: Vec<String> = no_way_back(survey, upgrade, options).into_iter().collect();
    notes.push(checked(survey, targets));
    notes.push(migration(survey.migration(options), upgrade));
    for target in targets {
        let name = &target.service;
        if is_left(survey, target, options) {
            notes.push(format!("{name} serves {} already: it is left as it is", target.after));
        } else if is_moving(&target.after) {
            notes.push(format!(
                "{name}: {} is no fixed version; what it names now is deployed, by its digest",
                target.after
            ));
        }
        if let Some(service) = survey.service(name).filter(|service| is_superseded(service)) {
            notes.push(format!(
                "{name}: the revision {} of an earlier run is not ready ({}) and gets no traffic; \
                 the new one takes its place",
                service.latest_created_revision, service.message
            ));
        }
        if options.never_asked(name) {
            notes.push(format!(
                "{name} is not asked for its health: that Cloud Run calls its revision ready is \
                 all that is asked of it"
            ));
        }
    }
    notes.extend(unchecked(survey, upgrade, targets, options));
    notes.extend(jobs.iter().filter_map(|job| pin(job, options)));
    notes.extend(options.external().map(|name| external(name, survey, options)));
    notes.extend(database(survey, upgrade));
    notes.extend(permissions::unknown(survey));
    if options.connection.is_none() {
        notes.push(
            "the tenants' schemas are not read: name the connection of [sql.connections] that is \
             their database, for example --set connection=internal"
                .into(),
        );
    }
    for name in options.strangers(request) {
        notes.push(format!(
            "there are settings for {name:?}, which [cloudrun] services does not name"
        ));
    }
    notes
}

fn is_moving(image: &str) -> bool {
    let reference = Reference::parse(image);
    reference.version().is_none() && reference.digest.is_none()
}

/// Such as where an image has no version in its tag, or a revision is not told.
fn unchecked(
    survey: &Survey,
    upgrade: &Upgrade,
    targets: &[Target],
    options: &Options,
) -> Option<String> {
    let is_unknown = |target: &&Target| {
        let is_to_be_checked =
            upgrade.oldest.is_some() || Reference::parse(&target.after).version().is_some();
        let served = survey.versions(&target.service);
        let is_known = !served.is_empty() && served.iter().all(Option::is_some);
        is_to_be_checked && !is_known && !is_left(survey, target, options)
    };
    let unknown = targets.iter().filter(is_unknown);
    let names: Vec<&str> = unknown.map(|target| target.service.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: the version that serves is not known: not checked for a downgrade",
            names.join(", ")
        )
    })
}

fn checked(survey: &Survey, targets: &[Target]) -> String {
    let place = &survey.place;
    let mut text = format!(
        "preflight: project {}, region {}; {} services ready, {} healthy; {} images in \
         their registry",
        place.project,
        place.region,
        targets.len(),
        survey.health.values().filter(|answer| answer.healthy).count(),
        targets.len(),
    );
    if let Some(database) = &survey.database
        && let (Ok(instance), Ok(backups)) = (&database.instance, &database.backups)
    {
        text += &format!(
            "; Cloud SQL instance {} ({}), {} backups",
            instance.name,
            instance.database_version,
            backups.len()
        );
    }
    text
}

fn migration(now: Option<&str>, upgrade: &Upgrade) -> String {
    let now = now.unwrap_or("unknown");
    match upgrade.migration.as_deref() {
        Some(expected) => format!("db_migration is {now} and has to be {expected} afterwards"),
        None => format!(
            "db_migration is {now}; what it has to be afterwards is not known \
             (--expect-migration), only that all agree"
        ),
    }
}

/// What becomes of a service whose traffic does not simply follow the latest revision.
fn pin(job: &Job, options: &Options) -> Option<String> {
    let (name, told) = (&job.service, job.former.told());
    let kept = !job.ends_on_latest(options);
    Some(match (job.former.kind, kept) {
        (Kind::Latest, _) => return None,
        (Kind::Pinned, false) => format!(
            "{name} is pinned ({told}): afterwards its traffic follows the latest revision, so that \
             a later deployment moves it; --keep-pins leaves it pinned"
        ),
        (Kind::Split, false) => format!(
            "{name} is split ({told}): afterwards all of its traffic follows the latest revision"
        ),
        (Kind::Pinned, true) => format!(
            "{name} is pinned ({told}), and stays so, to {}: a later deployment gets no traffic",
            job.revision
        ),
        (Kind::Split, true) => format!(
            "{name} is split ({told}): afterwards it is pinned to {}: a later deployment gets no \
             traffic",
            job.revision
        ),
    })
}

fn external(name: &str, survey: &Survey, options: &Options) -> String {
    let left = format!("{name} is not on Cloud Run (external): it is not upgraded");
    if !options.has_url(name) {
        return format!("{left}, and not asked (services.{name}.url is not set)");
    }
    match survey.unwell(name) {
        Some(why) => format!("{left}; it is not healthy now ({why}), and need not be afterwards"),
        None => format!("{left}, but has to be healthy afterwards"),
    }
}

/// The first that the operator reads.
fn no_way_back(survey: &Survey, upgrade: &Upgrade, options: &Options) -> Option<String> {
    let is_told = survey.telling(options).next().is_some();
    if survey.database.is_none() || upgrade.keeps_compatibility || is_told {
        return None;
    }
    Some(
        "warning: a rollback will not bring the database back: no service tells db_migration, so \
         nobody can tell whether it was migrated. The backup of this run can be restored by hand"
            .into(),
    )
}

fn database(survey: &Survey, upgrade: &Upgrade) -> Vec<String> {
    let Some(database) = &survey.database else {
        return vec![
            "no Cloud SQL instance is configured: no backup is taken, and a rollback leaves the \
             database as it is. Back it up yourself before you approve"
                .into(),
        ];
    };
    let mut notes = Vec::new();
    if let Ok(instance) = &database.instance
        && !instance.replicas.is_empty()
    {
        notes.push(format!(
            "{} has the replicas {}: they keep a backup from being restored, so a rollback of the \
             database waits until they are deleted",
            instance.name,
            instance.replicas.join(", ")
        ));
    }
    if upgrade.keeps_compatibility {
        notes.push(
            "rollback: the release says that the former services run on its database: the \
             database stays as it is then"
                .into(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::survey;
    use crate::traffic::tests::{service, target};
    use crate::work::tests::job_of;

    fn pin_of(kind: Kind, keep: &str) -> Option<String> {
        let request = Request::upgrade_to("2").set("keep-pins", keep);
        pin(&job_of("gateway", kind), &Options::of(&request).unwrap())
    }

    #[test]
    fn what_becomes_of_a_pin_is_said() {
        assert_eq!(pin_of(Kind::Latest, "no"), None);
        let pinned = pin_of(Kind::Pinned, "no").unwrap();
        assert!(pinned.contains("pinned (100 % on gateway-1): afterwards its traffic follows"));
        assert!(
            pin_of(Kind::Split, "no").unwrap().contains("60 % on gateway-1, 40 % on gateway-0")
        );
        assert!(pin_of(Kind::Pinned, "yes").unwrap().contains("stays so, to gateway-2-0-0-t"));
        assert!(pin_of(Kind::Split, "yes").unwrap().contains("is pinned to gateway-2-0-0-t"));
    }

    #[test]
    fn a_version_that_is_not_known_is_not_checked_and_said() {
        let noted = |percent, after: &str, oldest: Option<&str>| {
            let mut targets = vec![target("gateway-1", percent, true)];
            targets.extend((percent < 100).then(|| target("gateway-0", 100 - percent, false)));
            let survey = survey(vec![service("gateway", targets)]);
            let request = Request::upgrade_to("2.0.0");
            let tessallite_up_sdk::Intent::Upgrade(mut upgrade) = request.intent.clone();
            upgrade.oldest = oldest.map(Into::into);
            let target = Target {
                service: "gateway".into(),
                before: "r/gateway:1.4.0".into(),
                after: after.into(),
                digest: Ok("sha256:22".into()),
                promised: None,
            };
            unchecked(&survey, &upgrade, &[target], &Options::of(&request).unwrap())
        };
        let said = "gateway: the version that serves is not known: not checked for a downgrade";
        assert_eq!(noted(0, "r/gateway:2.0.0", None).as_deref(), Some(said));
        assert_eq!(noted(50, "r/gateway:stable", Some("1.4.0")).as_deref(), Some(said));
        assert_eq!(noted(50, "r/gateway:stable", None), None);
        assert_eq!(noted(100, "r/gateway:2.0.0", Some("1.4.0")), None);
    }

    #[test]
    fn that_the_database_will_not_go_back_is_the_first_that_is_said() {
        let request = Request::upgrade_to("2");
        let options = Options::of(&request).unwrap();
        let tessallite_up_sdk::Intent::Upgrade(mut upgrade) = request.intent.clone();
        let mut survey = survey(Vec::new());
        assert_eq!(no_way_back(&survey, &upgrade, &options), None);
        let error = || tessallite_up_sdk::Error::Unavailable(String::new());
        let (instance, backups) = (Err(error()), Err(error()));
        survey.database = Some(crate::survey::Database { instance, backups });
        let notes = of_plan(&request, &upgrade, &survey, &[], &[], &options);
        assert!(notes[0].contains("a rollback will not bring the database back: no service"));
        upgrade.keeps_compatibility = true;
        assert_eq!(no_way_back(&survey, &upgrade, &options), None);
    }

    #[test]
    fn an_expected_migration_is_named() {
        let Request { intent, .. } = Request::upgrade_to("2");
        let tessallite_up_sdk::Intent::Upgrade(mut upgrade) = intent;
        assert!(migration(None, &upgrade).contains("is unknown; what it has to be"));
        upgrade.migration = Some("0008".into());
        assert!(migration(Some("0007"), &upgrade).contains("is 0007 and has to be 0008"));
    }
}
