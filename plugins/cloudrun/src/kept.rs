//! A database that was migrated, and that the operator keeps as it is in a rollback.

use tessallite_up_sdk::gcloud::{RestoreChange, Told};
use tessallite_up_sdk::prelude::*;

use crate::migration::{Migrations, told_before};
use crate::options::Options;
use crate::plan::{INSTANCE, PROJECT};
use crate::rollback::KEPT;
use crate::verify::patiently;

const PROBE_MS: u32 = 10_000;

/// Whether a database that was not brought back is another one than before: the services say
/// so, or none of them says anything on it any more.
pub fn is_migrated(facts: Facts, options: &Options) -> bool {
    let before = told_before(facts);
    let seen = patiently(|| {
        let now = ask(&before, options);
        moved(&before, &now).ok_or_else(|| Error::Failed("no service tells its migration".into()))
    });
    seen.unwrap_or(true)
}

/// Sick services count too: what they tell is of the database.
fn ask(before: &[Told], options: &Options) -> Migrations {
    let tells = before.iter().filter_map(|Told { service, .. }| {
        let answer = health::probe(service, None, &options.convention(service), PROBE_MS);
        Some((service.clone(), answer.ok()??.migration??))
    });
    tells.collect()
}

/// All are of one database. `None` where nobody tells.
fn moved(before: &[Told], now: &Migrations) -> Option<bool> {
    let mut same = before.iter().filter_map(|told| Some(*now.get(&told.service)? == told.value));
    let first = same.next()?;
    Some(!(first && same.all(|same| same)))
}

/// How to restore by hand the backup that was not.
pub fn by_hand(change: &RestoreChange, facts: Facts) -> String {
    let fact = |name| facts.get(name).unwrap_or_default();
    let at = format!("--project {}", fact(PROJECT));
    let instance = fact(INSTANCE);
    format!(
        "to bring it back by hand, which loses what was written since: gcloud sql backups list \
         --instance {instance} {at} --filter 'description=\"{}\"', then, with the ID that it \
         lists: gcloud sql backups restore ID --restore-instance {instance} {at}",
        change.backup
    )
}

/// For the report, where the operator has kept the database.
pub fn line(facts: Facts) -> Option<String> {
    facts.get(KEPT).map(|by_hand| format!("the migrated database was kept as it is; {by_hand}"))
}

/// The former services may not run on a database that was kept.
pub fn explained(error: Error, facts: Facts) -> Error {
    let Some(by_hand) = facts.get(KEPT) else {
        return error;
    };
    let text = |why: String| {
        format!(
            "{why}. The migrated database was kept as it is, and the former services may not run \
             on it; {by_hand}; then go on: tessallite-up resume"
        )
    };
    match error {
        Error::TimedOut(why) => Error::TimedOut(text(why)),
        Error::Failed(why) => Error::Failed(text(why)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::gcloud::RestoreWhen;

    fn told(service: &str) -> Told {
        Told {
            service: service.into(),
            path: "/health".into(),
            field: "db_migration".into(),
            value: "0007".into(),
        }
    }

    #[test]
    fn one_service_that_tells_another_migration_is_enough_and_one_that_tells_the_same_too() {
        let before = [told("frontend"), told("model-service")];
        let moved = |pairs: &[(&str, &str)]| {
            let now = pairs.iter().map(|(name, migration)| ((*name).into(), (*migration).into()));
            moved(&before, &now.collect())
        };
        assert_eq!(moved(&[("frontend", "0007"), ("model-service", "0007")]), Some(false));
        assert_eq!(moved(&[("model-service", "0007")]), Some(false));
        assert_eq!(moved(&[("frontend", "0007"), ("model-service", "0008")]), Some(true));
        assert_eq!(moved(&[("frontend", "0008"), ("model-service", "0007")]), Some(true));
        assert_eq!(moved(&[("agent", "0008")]), None);
    }

    #[test]
    fn the_commands_name_the_instance_and_the_backup() {
        let change = RestoreChange {
            backup: "tessallite-up r".into(),
            safety: String::new(),
            when: RestoreWhen::Always,
        };
        let plan = Plan::new().fact("instance", "db").fact("project", "p");
        let text = by_hand(&change, Facts(&plan.facts));
        assert!(text.contains(
            "backups list --instance db --project p --filter 'description=\"tessallite-up r\"'"
        ));
        assert!(text.contains("backups restore ID --restore-instance db --project p"));
    }

    #[test]
    fn services_that_are_sick_on_a_kept_database_say_how_to_bring_it_back() {
        let sick = || Error::TimedOut("not healthy in time: a".into());
        assert_eq!(explained(sick(), Facts(&[])), sick());
        assert_eq!(line(Facts(&[])), None);
        let plan = Plan::new().fact(KEPT, "by hand: gcloud");
        let facts = Facts(&plan.facts);
        let Error::TimedOut(text) = explained(sick(), facts) else { panic!("it stays what it is") };
        assert!(text.starts_with("not healthy in time: a. The migrated database was kept"));
        assert!(text.contains("by hand: gcloud"));
        let denied = Error::Denied("no".into());
        assert_eq!(explained(denied.clone(), facts), denied);
        assert!(line(facts).is_some_and(|line| line.contains("kept as it is; by hand: gcloud")));
    }
}
