//! Whether the upgrade reached everybody.

use std::collections::BTreeMap;

use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::schemas::{self, Revisions};
use tessallite_up_sdk::{docker, health, host};

use crate::migration;
use crate::options::{INTERNAL, Options};
use crate::plan::{HEALTH_PORT, IMAGE, TELLS_MIGRATION};
use crate::rollback::FORMER;

/// How long a migration may be told as null, or not at all, after the gates.
const PATIENCE_MS: u64 = 30_000;
const PAUSE_MS: u32 = 250;

/// # Errors
/// `Failed` with what is not as planned.
pub fn verify(request: &Request, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let Intent::Upgrade(upgrade) = &request.intent;
    images(facts)?;
    let after = schemas::read(INTERNAL, options.migration_table)?;
    let migration = migrations(upgrade, facts, options, &after)?;
    let mut outcome = tenants(facts, options, &after)?;
    if let Some(migration) = migration {
        outcome = outcome.line(format!("db_migration is {migration}"));
    }
    Ok(outcome)
}

/// After a rollback: the images by their IDs, the migration as it was told, every schema.
///
/// # Errors
/// `Failed` with what is not as it was.
pub fn is_as_before(facts: Facts, options: &Options) -> Result<Outcome, Error> {
    former_images(facts)?;
    let deadline = host::elapsed() + PATIENCE_MS;
    while let Err(why) = tells_as_before(facts, options) {
        if host::elapsed() >= deadline {
            return Err(Error::Failed(why));
        }
        host::sleep(PAUSE_MS);
    }
    let (before, now) =
        (schemas::remembered(facts), schemas::read(INTERNAL, options.migration_table)?);
    let moved: Vec<String> = before
        .iter()
        .filter(|(schema, old)| now.get(*schema) != Some(*old))
        .map(|(schema, old)| {
            let now = now.get(schema).map_or("nothing", String::as_str);
            format!("{schema} is at {now}, not at {old}")
        })
        .collect();
    if moved.is_empty() {
        return Ok(Outcome::default().line("images and migrations are those of before"));
    }
    Err(Error::Failed(moved.join("; ")))
}

/// # Errors
/// `Failed` with what does not run, or runs something else.
pub fn former_images(facts: Facts) -> Result<(), Error> {
    let services = docker::list_services()?;
    let mut wrong = Vec::new();
    for (name, image_id) in facts.below(FORMER) {
        let Some(service) = services.iter().find(|service| service.name == name) else {
            wrong.push(format!("{name} is gone from the project"));
            continue;
        };
        if let Some(why) = gate::not_running_well(service) {
            wrong.push(format!("{name}: {why}"));
        } else if let Some(other) = service.containers.iter().find(|c| c.image_id != image_id) {
            wrong.push(format!("{} runs {}, not {image_id}", other.name, other.image_id));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(wrong.join("; "))) }
}

/// What each service told of its migration before, it tells again.
fn tells_as_before(facts: Facts, options: &Options) -> Result<(), String> {
    let told = ask(facts, options);
    for (service, before) in facts.below(TELLS_MIGRATION).filter(|(_, before)| !before.is_empty()) {
        match told.get(service) {
            Some(Ok(now)) if now == before => {}
            Some(Ok(now)) => {
                return Err(format!("{service} tells the migration {now}, not {before}"));
            }
            Some(Err(why)) => return Err(format!("{service}: {why}")),
            None => return Err(format!("{service} was not asked")),
        }
    }
    Ok(())
}

fn images(facts: Facts) -> Result<(), Error> {
    let services = docker::list_services()?;
    let mut wrong = Vec::new();
    for (name, digest) in facts.below(IMAGE) {
        let Some(service) = services.iter().find(|service| service.name == name) else {
            wrong.push(format!("{name} is gone from the project"));
            continue;
        };
        if let Some(why) = gate::not_running_well(service) {
            wrong.push(format!("{name}: {why}"));
        } else if !service.digests.iter().any(|known| known == digest) {
            let runs = service.digests.first().map_or("an image without a digest", String::as_str);
            wrong.push(format!("{name} runs {runs}, not {digest}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(wrong.join("; "))) }
}

/// Asks every service that told a migration before, until all tell the same one and it
/// is the expected one.
fn migrations(
    upgrade: &Upgrade,
    facts: Facts,
    options: &Options,
    schemas: &Revisions,
) -> Result<Option<String>, Error> {
    let deadline = host::elapsed() + PATIENCE_MS;
    loop {
        let told = ask(facts, options);
        match judge(&told, upgrade.migration.as_deref(), migration::of_schemas(schemas, options)) {
            Ok(migration) => return Ok(migration),
            Err(why) if host::elapsed() >= deadline => return Err(Error::Failed(why)),
            Err(_) => host::sleep(PAUSE_MS),
        }
    }
}

fn ask<'a>(facts: Facts<'a>, options: &Options) -> BTreeMap<&'a str, Result<String, String>> {
    facts
        .below(TELLS_MIGRATION)
        .map(|(service, _)| {
            let port = facts.get(&format!("{HEALTH_PORT}{service}")).and_then(|p| p.parse().ok());
            let answer = match port {
                Some(port) => health::ask(service, port, &options.convention(service)),
                None => Ok(None),
            };
            let told = match answer {
                Ok(Some(answer)) => match answer.migration {
                    Some(Some(migration)) => Ok(migration),
                    Some(None) => Err(format!("{service} does not know its migration yet")),
                    // The frontend of current releases tells none any more.
                    None if answer.healthy => Err(String::new()),
                    None => Err(format!("{service}: {}", answer.text)),
                },
                Ok(None) => Err(format!("{service} answers at no known health path")),
                Err(error) => Err(format!("{service}: {}", error.text())),
            };
            (service, told)
        })
        .collect()
}

/// The migration that all agree on.
fn judge(
    told: &BTreeMap<&str, Result<String, String>>,
    expected: Option<&str>,
    of_schemas: Option<&str>,
) -> Result<Option<String>, String> {
    let trouble: Vec<&str> = told
        .values()
        .filter_map(|told| told.as_ref().err())
        .map(String::as_str)
        .filter(|why| !why.is_empty())
        .collect();
    if !trouble.is_empty() {
        return Err(trouble.join("; "));
    }
    let said: BTreeMap<&str, &str> = told
        .iter()
        .filter_map(|(service, told)| Some((*service, told.as_ref().ok()?.as_str())))
        .collect();
    let mut values: Vec<&str> = said.values().copied().collect();
    values.sort_unstable();
    values.dedup();
    let Some(migration) = values.first().copied().or(of_schemas) else {
        return match expected {
            Some(expected) => Err(format!(
                "db_migration has to be {expected}, but neither a service nor a schema tells it"
            )),
            None => Ok(None),
        };
    };
    let list = || {
        let each: Vec<String> = said.iter().map(|(s, m)| format!("{s} {m}")).collect();
        if each.is_empty() { format!("the database says {migration}") } else { each.join(", ") }
    };
    if values.len() > 1 {
        return Err(format!("the services do not agree on db_migration: {}", list()));
    }
    match expected {
        Some(expected) if expected != migration => {
            Err(format!("db_migration has to be {expected}, but it is not: {}", list()))
        }
        _ => Ok(Some(migration.to_owned())),
    }
}

fn tenants(facts: Facts, options: &Options, after: &Revisions) -> Result<Outcome, Error> {
    let before = schemas::remembered(facts);
    let stranded = schemas::stranded(&before, after, options.system_schema);
    let moved = before.iter().filter(|(schema, old)| after.get(*schema) != Some(*old)).count();
    let mut outcome =
        Outcome::default().line(format!("{moved} of {} schemas migrated", before.len()));
    if stranded.is_empty() {
        return Ok(outcome);
    }
    let list: Vec<String> =
        stranded.iter().map(|(schema, revision)| format!("{schema} at {revision}")).collect();
    let text = format!("tenants left behind by the migration: {}", list.join(", "));
    if options.allow_stranded_tenants {
        host::log(Level::Warn, &text);
        outcome = outcome.line(format!("warning: {text}"));
        return Ok(outcome);
    }
    Err(Error::Failed(format!(
        "{text}. See docker compose logs model-service; --allow-stranded-tenants makes this a \
         warning"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        pairs: &[(&'static str, Result<&str, &str>)],
    ) -> BTreeMap<&'static str, Result<String, String>> {
        pairs.iter().map(|(s, t)| (*s, t.map(String::from).map_err(String::from))).collect()
    }

    #[test]
    fn all_have_to_tell_the_expected_migration() {
        let both = told(&[("frontend", Ok("0008")), ("model-service", Ok("0008"))]);
        assert_eq!(judge(&both, Some("0008"), None), Ok(Some("0008".into())));
        assert!(judge(&both, Some("0009"), None).is_err());
    }

    #[test]
    fn services_that_disagree_fail_even_when_nothing_was_expected() {
        let both = told(&[("frontend", Ok("0007")), ("model-service", Ok("0008"))]);
        assert!(judge(&both, None, None).unwrap_err().contains("frontend 0007"));
    }

    #[test]
    fn one_that_does_not_know_yet_is_waited_for() {
        let both = told(&[("frontend", Ok("0008")), ("model-service", Err("not yet"))]);
        assert_eq!(judge(&both, Some("0008"), None), Err("not yet".into()));
    }

    #[test]
    fn where_no_service_tells_the_database_does() {
        assert_eq!(judge(&told(&[]), Some("8"), Some("8")), Ok(Some("8".into())));
        assert!(judge(&told(&[]), Some("9"), Some("8")).is_err());
        assert!(judge(&told(&[]), Some("9"), None).is_err());
        assert_eq!(judge(&told(&[]), None, None), Ok(None));
    }
}
