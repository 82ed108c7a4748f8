//! Whether the upgrade reached everybody.

use tessallite_up_sdk::gcloud::{self, Service};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::schemas::{self, Revisions};

use crate::gate::{self, Ask};
use crate::migration::{self, Migrations};
use crate::options::Options;
use crate::plan::{IMAGE, LATEST, REVISION, UNWELL};
use crate::steps::soon;
use crate::traffic::share_of;

/// How long something may still be on its way after the gates, such as a migration that is
/// told as null.
const PATIENCE_MS: u64 = 30_000;
const PAUSE_MS: u32 = 1_000;
const PROBE_MS: u32 = 10_000;

/// # Errors
/// `Failed` with what is not as planned.
pub fn verify(request: &Request, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let Intent::Upgrade(upgrade) = &request.intent;
    let after = options.connection.map(|name| schemas::read(name, options.migration_table));
    let after = after.transpose()?;
    let of_schemas = after.as_ref().and_then(|s| schemas::migration(s, options.system_schema));
    let migration = patiently(|| {
        let mut wrong = not_as_planned(facts)?;
        let told = ask_all(options, &mut wrong);
        if !wrong.is_empty() {
            return Err(Error::Failed(wrong.join("; ")));
        }
        migration::agreed(&told, upgrade.migration.as_deref(), of_schemas).map_err(Error::Failed)
    })?;
    let mut outcome = Outcome::default();
    outcome.report.push(all_traffic(facts));
    outcome.report.extend(migration.map(|migration| format!("db_migration is {migration}")));
    if let Some(after) = &after {
        outcome.report.extend(tenants(facts, options, after)?);
    }
    outcome.report.extend(external(facts, options)?);
    Ok(outcome)
}

/// Looks again for a while where something is not as it has to be.
///
/// # Errors
/// That of the last look; a call that cannot be made is not repeated.
pub fn patiently<T>(look: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let deadline = host::elapsed() + PATIENCE_MS;
    loop {
        match look() {
            Err(Error::Failed(_)) if host::elapsed() < deadline => host::sleep(PAUSE_MS),
            done => return done,
        }
    }
}

fn not_as_planned(facts: Facts) -> Result<Vec<String>, Error> {
    let services = gcloud::list_services()?;
    let wrong = facts.below(REVISION).filter_map(|(name, revision)| {
        let Some(service) = services.iter().find(|service| service.name == name) else {
            return Some(format!("{name} is gone from the region"));
        };
        let image = facts.get(&format!("{IMAGE}{name}")).unwrap_or_default();
        let latest = facts.get(&format!("{LATEST}{name}")) == Some("true");
        deviation(service, revision, image, latest)
    });
    Ok(wrong.collect())
}

/// What is not as planned of a service that has got a new revision.
fn deviation(service: &Service, revision: &str, image: &str, latest: bool) -> Option<String> {
    let name = &service.name;
    if !service.ready {
        return Some(format!("{name} is not ready: {}", service.message));
    }
    let share = share_of(&service.targets, revision);
    if share != 100 {
        return Some(format!("{name}: {revision} gets {share} % of the traffic, not all of it"));
    }
    let digest = image.rsplit('@').next().unwrap_or_default();
    if !service.image.ends_with(digest) {
        return Some(format!("{name} has the image {}, not {image}", service.image));
    }
    let follows = service.targets.iter().filter(|target| target.percent > 0).all(|t| t.latest);
    if latest && !follows {
        return Some(format!(
            "{name} is pinned to {revision}, so a later deployment would get no traffic"
        ));
    }
    None
}

/// Asks every service at its own address. What is wrong is added to `wrong`.
pub fn ask_all(options: &Options, wrong: &mut Vec<String>) -> Migrations {
    let mut told = Migrations::new();
    for name in options.own().filter(|name| !options.never_asked(name)) {
        match health::probe(name, None, &options.convention(name), PROBE_MS) {
            Ok(Some(answer)) if !answer.healthy => wrong.push(format!("{name}: {}", answer.text)),
            // Not every service tells one, and current releases' frontend does not any more.
            Ok(Some(answer)) => match answer.migration {
                Some(Some(migration)) => drop(told.insert(name.to_owned(), migration)),
                Some(None) => wrong.push(format!("{name} does not know its migration yet")),
                None => {}
            },
            Ok(None) => wrong.push(format!("{name} answers at no known health path")),
            Err(error) => wrong.push(format!("{name}: {}", error.text())),
        }
    }
    told
}

fn all_traffic(facts: Facts) -> String {
    let revisions: Vec<&str> = facts.below(REVISION).map(|(_, revision)| revision).collect();
    format!("all traffic is on {}", revisions.join(", "))
}

fn tenants(facts: Facts, options: &Options, after: &Revisions) -> Result<Vec<String>, Error> {
    let before = schemas::remembered(facts);
    let moved = before.iter().filter(|(schema, old)| after.get(*schema) != Some(*old)).count();
    let mut report = vec![format!("{moved} of {} schemas migrated", before.len())];
    let stranded = schemas::stranded(&before, after, options.system_schema);
    if stranded.is_empty() {
        return Ok(report);
    }
    let list: Vec<String> =
        stranded.iter().map(|(schema, revision)| format!("{schema} at {revision}")).collect();
    let text = format!("tenants left behind by the migration: {}", list.join(", "));
    if options.allow_stranded_tenants {
        host::log(Level::Warn, &text);
        report.push(format!("warning: {text}"));
        return Ok(report);
    }
    Err(Error::Failed(format!(
        "{text}. See the log of model-service; --allow-stranded-tenants makes this a warning"
    )))
}

/// Those that somebody else upgrades: what was healthy before has to be so.
fn external(facts: Facts, options: &Options) -> Result<Vec<String>, Error> {
    let mut report = Vec::new();
    for name in options.external() {
        let unwell = facts.get(&format!("{UNWELL}{name}"));
        let is_asked = options.has_url(name) && !options.never_asked(name);
        if is_asked && unwell.is_none() {
            gate::wait(&soon(vec![Ask::new(name, None, facts, options)]))?;
        }
        report.push(match (is_asked, unwell) {
            (true, None) => format!("{name} (external) was left as it is, and is healthy"),
            (true, Some(_)) => {
                format!("{name} (external) was left as it is; it was not healthy before")
            }
            (false, _) => format!("{name} (external) was left as it is, and was not asked"),
        });
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};

    fn upgraded() -> Service {
        let upgraded = service("a", vec![target("a-2", 100, true)]);
        Service { image: "r/a:2@sha256:22".into(), ..upgraded }
    }

    fn wrong(service: &Service) -> String {
        deviation(service, "a-2", "r/a:2@sha256:22", true).unwrap_or_default()
    }

    #[test]
    fn a_service_is_as_planned_when_all_traffic_meets_the_wanted_digest() {
        assert_eq!(wrong(&upgraded()), "");
        let digest_alone = Service { image: "r/a@sha256:22".into(), ..upgraded() };
        assert_eq!(wrong(&digest_alone), "");
    }

    #[test]
    fn what_is_not_as_planned_is_named() {
        assert!(wrong(&Service { ready: false, ..upgraded() }).contains("not ready"));
        let half = vec![target("a-2", 50, false), target("a-1", 50, false)];
        assert!(wrong(&Service { targets: half, ..upgraded() }).contains("gets 50 %"));
        let other = Service { image: "r/a:3@sha256:33".into(), ..upgraded() };
        assert!(wrong(&other).contains("has the image r/a:3@sha256:33"));
        let pinned = vec![target("a-2", 100, false)];
        let pinned = Service { targets: pinned, ..upgraded() };
        assert!(wrong(&pinned).contains("a later deployment would get no traffic"));
        assert_eq!(deviation(&pinned, "a-2", "r/a:2@sha256:22", false), None);
    }
}
