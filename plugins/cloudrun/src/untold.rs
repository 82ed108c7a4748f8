//! A migration that is told as null, by all that have a field for it.

/// Without the migration of before, nobody could tell whether the database has to go back.
pub fn refused(services: &[&str]) -> Option<String> {
    let first = services.first()?;
    Some(format!(
        "{}: the migration is told as null, and no other service tells one: a rollback would not \
         know whether the database has to go back. A service that has just started says so for a \
         moment: wait, and start again. Where another field has it: \
         --set services.{first}.migration-field=FIELD; where it has none: \
         --set services.{first}.migration-field=none",
        services.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_stays_null_is_refused_with_what_to_do() {
        assert_eq!(refused(&[]), None);
        let why = refused(&["model-service", "frontend"]).unwrap();
        assert!(why.starts_with("model-service, frontend: the migration is told as null"));
        assert!(why.contains("services.model-service.migration-field=none"));
    }
}
