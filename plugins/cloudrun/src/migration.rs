//! The migration of the installation as a whole, as its services tell it.

use std::collections::BTreeMap;

use tessallite_up_sdk::Facts;
use tessallite_up_sdk::gcloud::Told;

use crate::plan::{MIGRATION, MIGRATION_FIELD, MIGRATION_PATH};

/// Service → what it tells.
pub type Migrations = BTreeMap<String, String>;

/// What the services told before, and where.
pub fn told_before(facts: Facts) -> Vec<Told> {
    let told = facts.below(MIGRATION).filter_map(|(service, value)| {
        Some(Told {
            service: service.to_owned(),
            path: facts.get(&format!("{MIGRATION_PATH}{service}"))?.to_owned(),
            field: facts.get(&format!("{MIGRATION_FIELD}{service}"))?.to_owned(),
            value: value.to_owned(),
        })
    });
    told.collect()
}

/// The migration that all agree on, and that is the expected one. `of_schemas` counts where
/// no service tells any.
///
/// # Errors
/// Who says what.
pub fn agreed(
    told: &Migrations,
    expected: Option<&str>,
    of_schemas: Option<&str>,
) -> Result<Option<String>, String> {
    let Some(migration) = told.values().next().map(String::as_str).or(of_schemas) else {
        return match expected {
            Some(expected) => Err(format!(
                "db_migration has to be {expected}, but neither a service nor a schema tells it"
            )),
            None => Ok(None),
        };
    };
    let list = || {
        let each: Vec<String> = told.iter().map(|(name, m)| format!("{name} {m}")).collect();
        if each.is_empty() { format!("the database says {migration}") } else { each.join(", ") }
    };
    if told.values().any(|other| other != migration) {
        return Err(format!("the services do not agree on db_migration: {}", list()));
    }
    match expected {
        Some(expected) if expected != migration => {
            Err(format!("db_migration has to be {expected}, but it is not: {}", list()))
        }
        _ => Ok(Some(migration.to_owned())),
    }
}

/// Where the services tell something else than before, or nothing.
pub fn moved(before: &[Told], now: &Migrations) -> Vec<String> {
    let moved = before.iter().filter_map(|told| match now.get(&told.service) {
        Some(now) if *now == told.value => None,
        Some(now) => Some(format!("{} tells {now}, not {}", told.service, told.value)),
        None => Some(format!("{} tells none, where it told {}", told.service, told.value)),
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::Fact;

    fn told(pairs: &[(&str, &str)]) -> Migrations {
        pairs.iter().map(|(name, migration)| ((*name).into(), (*migration).into())).collect()
    }

    #[test]
    fn all_have_to_tell_the_expected_migration() {
        let both = told(&[("frontend", "0008"), ("model-service", "0008")]);
        assert_eq!(agreed(&both, Some("0008"), None), Ok(Some("0008".into())));
        assert_eq!(agreed(&both, None, Some("0009")), Ok(Some("0008".into())));
        assert!(agreed(&both, Some("0009"), None).unwrap_err().contains("frontend 0008"));
    }

    #[test]
    fn services_that_disagree_fail_even_when_nothing_was_expected() {
        let both = told(&[("frontend", "0007"), ("model-service", "0008")]);
        assert!(agreed(&both, None, None).unwrap_err().contains("do not agree"));
    }

    #[test]
    fn where_no_service_tells_the_database_does() {
        assert_eq!(agreed(&told(&[]), Some("8"), Some("8")), Ok(Some("8".into())));
        assert!(
            agreed(&told(&[]), Some("9"), Some("8")).unwrap_err().contains("the database says 8")
        );
        assert!(agreed(&told(&[]), Some("9"), None).is_err());
        assert_eq!(agreed(&told(&[]), None, None), Ok(None));
    }

    #[test]
    fn what_was_told_before_is_known_with_its_place() {
        let fact = |name: &str, value: &str| Fact { name: name.into(), value: value.into() };
        let facts = [
            fact("migration.model-service", "0007"),
            fact("migration-path.model-service", "/health"),
            fact("migration-field.model-service", "schema_revision"),
            fact("migration.half", "1"),
        ];
        let before = told_before(Facts(&facts));
        assert_eq!(before.len(), 1);
        assert_eq!(
            (before[0].path.as_str(), before[0].field.as_str()),
            ("/health", "schema_revision")
        );
        assert!(moved(&before, &told(&[("model-service", "0007")])).is_empty());
        assert!(
            moved(&before, &told(&[("model-service", "0008")]))[0].contains("tells 0008, not 0007")
        );
        assert!(moved(&before, &told(&[]))[0].contains("tells none"));
    }
}
