//! The migration of each schema, read from the database itself.
//!
//! A healthy service and the expected `db_migration` do not mean that an upgrade
//! reached every tenant: each tenant has a schema and a migration table of its own.

use std::collections::BTreeMap;

use crate::sql::{self, Value};
use crate::{Error, Facts};

/// The prefix of the facts that remember the revisions of before, one a schema.
pub const FACT: &str = "schema.";

/// Schemas read with one statement.
const AT_ONCE: usize = 200;

/// Schema name → revision; several heads are joined by commas.
pub type Revisions = BTreeMap<String, String>;

/// What every schema's migration table says.
///
/// # Errors
/// Those of `sql.query`.
pub fn read(connection: &str, migration_table: &str) -> Result<Revisions, Error> {
    let found = sql::query(
        connection,
        "SELECT n.nspname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = $1::text AND c.relkind IN ('r', 'p') \
         AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1",
        &[Value::Text(migration_table.into())],
    )?;
    let schemas: Vec<&str> = found.rows.iter().filter_map(|row| text(row.first())).collect();
    let mut revisions = Revisions::new();
    for some in schemas.chunks(AT_ONCE) {
        let rows = sql::query(connection, &statement(some, migration_table), &[])?;
        for row in &rows.rows {
            let schema = text(row.first()).unwrap_or_default();
            revisions.insert(schema.to_owned(), text(row.get(1)).unwrap_or_default().to_owned());
        }
    }
    Ok(revisions)
}

fn statement(schemas: &[&str], table: &str) -> String {
    let one = |schema: &&str| {
        format!(
            "SELECT {}::text, (SELECT string_agg(version_num::text, ',' ORDER BY version_num) \
             FROM {}.{})",
            literal(schema),
            identifier(schema),
            identifier(table)
        )
    };
    schemas.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The revisions of before, as the facts remember them.
pub fn remembered(facts: Facts) -> Revisions {
    facts.below(FACT).map(|(schema, revision)| (schema.into(), revision.into())).collect()
}

/// The migration of the installation as a whole: that of the system schema, or of the only
/// one there is.
pub fn migration<'a>(revisions: &'a Revisions, system: &str) -> Option<&'a str> {
    let only = || (revisions.len() == 1).then(|| revisions.values().next()).flatten();
    revisions.get(system).or_else(only).map(String::as_str)
}

/// The schemas that stayed behind while others moved, with their revisions.
///
/// The system schema and the tenants have heads of their own. A tenant is stranded
/// when it is at a revision that none of the moved tenants reached, or when all stayed
/// at the revision that the system schema shared with them and then left.
pub fn stranded<'a>(
    before: &'a Revisions,
    after: &'a Revisions,
    system: &str,
) -> Vec<(&'a str, &'a str)> {
    let now = |schema: &str| after.get(schema).map(String::as_str);
    let moved = |schema: &str, old: &str| now(schema).is_some_and(|new| new != old);
    let tenants = || before.iter().filter(|(schema, _)| *schema != system);
    let reached: Vec<&str> = tenants()
        .filter(|(schema, old)| moved(schema, old))
        .filter_map(|(schema, _)| now(schema))
        .collect();
    let system_left = before.get(system).filter(|old| moved(system, old));
    tenants()
        .filter_map(|(schema, old)| {
            let new = now(schema)?;
            let behind = if reached.is_empty() {
                system_left == Some(old) && new == old
            } else {
                !reached.contains(&new)
            };
            behind.then_some((schema.as_str(), new))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revisions(pairs: &[(&str, &str)]) -> Revisions {
        pairs.iter().map(|(schema, revision)| ((*schema).into(), (*revision).into())).collect()
    }

    fn names(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
        let (before, after) = (revisions(before), revisions(after));
        stranded(&before, &after, "sys").into_iter().map(|(schema, _)| schema.into()).collect()
    }

    #[test]
    fn a_tenant_behind_the_others_is_stranded() {
        let before = [("sys", "7"), ("a", "7"), ("b-c", "7")];
        assert_eq!(names(&before, &[("sys", "8"), ("a", "8"), ("b-c", "7")]), ["b-c"]);
        assert!(names(&before, &[("sys", "8"), ("a", "8"), ("b-c", "8")]).is_empty());
    }

    #[test]
    fn the_system_may_move_alone_when_its_revisions_are_its_own() {
        let before = [("sys", "s7"), ("a", "t3"), ("b", "t3")];
        assert!(names(&before, &[("sys", "s8"), ("a", "t3"), ("b", "t3")]).is_empty());
    }

    #[test]
    fn all_tenants_staying_where_the_system_left_them_are_stranded() {
        let before = [("sys", "7"), ("a", "7"), ("b", "7")];
        assert_eq!(names(&before, &[("sys", "8"), ("a", "7"), ("b", "7")]), ["a", "b"]);
    }

    #[test]
    fn a_tenant_that_was_behind_and_caught_up_is_not_stranded() {
        let before = [("a", "t3"), ("b", "t2")];
        assert!(names(&before, &[("a", "t4"), ("b", "t4")]).is_empty());
        assert_eq!(names(&before, &[("a", "t4"), ("b", "t2")]), ["b"]);
    }

    #[test]
    fn a_tenant_that_was_removed_meanwhile_is_not_stranded() {
        assert!(names(&[("a", "t3"), ("b", "t3")], &[("a", "t4")]).is_empty());
    }

    #[test]
    fn the_system_schema_speaks_for_the_installation_or_the_only_one() {
        let of = |pairs| migration(&revisions(pairs), "sys").map(str::to_owned);
        assert_eq!(of(&[("a", "t3"), ("sys", "s8")]), Some("s8".into()));
        assert_eq!(of(&[("a", "t3")]), Some("t3".into()));
        assert_eq!(of(&[("a", "t3"), ("b", "t3")]), None);
    }

    #[test]
    fn names_are_quoted() {
        let statement = statement(&["globex-eu_meta", "o'\"x"], "alembic_version");
        assert!(statement.contains("FROM \"globex-eu_meta\".\"alembic_version\""));
        assert!(statement.contains("'o''\"x'::text"));
        assert!(statement.contains("\"o'\"\"x\""));
    }
}
