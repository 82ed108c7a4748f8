//! The migrations of model-service: first the system schema, then every tenant,
//! each with its own `alembic_version` and its own chain of revisions.

use postgres::{Client, Transaction};

use crate::database::{self, quote};
use crate::fault::Fault;
use crate::identity::Identity;

const SYSTEM_SCHEMA: &str = "tess_system";
const STRANDED_TENANT: &str = "globex-eu";
const HALFWAY_PARTS: [&str; 3] = [
    include_str!("../migrations/halfway_1.sql"),
    include_str!("../migrations/halfway_2.sql"),
    include_str!("../migrations/halfway_3.sql"),
];

struct Revision {
    id: &'static str,
    sql: &'static str,
}

const SYSTEM_CHAIN: [Revision; 3] = [
    Revision { id: "0007", sql: include_str!("../migrations/system_0007.sql") },
    Revision { id: "0008", sql: include_str!("../migrations/system_0008.sql") },
    Revision { id: "0009", sql: include_str!("../migrations/system_0009.sql") },
];

const TENANT_CHAIN: [Revision; 3] = [
    Revision { id: "t0007", sql: include_str!("../migrations/tenant_0007.sql") },
    Revision { id: "t0008", sql: include_str!("../migrations/tenant_0008.sql") },
    Revision { id: "t0009", sql: include_str!("../migrations/tenant_0009.sql") },
];

/// How many revisions of the chains a release knows.
fn known_revisions(version: &str) -> usize {
    match version {
        v if v.starts_with("1.3.") || v.starts_with("1.4.") => 1,
        v if v.starts_with("1.5.") => 2,
        _ => 3,
    }
}

/// An error here means that the service refuses to serve.
pub(crate) fn bring_up_to_date(identity: &Identity) -> Result<(), String> {
    let known = known_revisions(&identity.version);
    let mut client = database::connect().map_err(|e| format!("database: {e}"))?;
    if identity.fault == Some(Fault::Halfway) {
        return Err(migrate_halfway(&mut client));
    }
    migrate(&mut client, SYSTEM_SCHEMA, &SYSTEM_CHAIN[..known], None)?;
    check_columns(&mut client, known)?;
    for slug in tenants(&mut client)? {
        let fails = identity.fault == Some(Fault::Stranded) && slug == STRANDED_TENANT;
        let failure =
            fails.then_some("column \"expression\" contains values that cannot be converted");
        if let Err(reason) =
            migrate(&mut client, &format!("{slug}_meta"), &TENANT_CHAIN[..known], failure)
        {
            eprintln!("tenant {slug:?} is refused: {reason}");
        }
    }
    Ok(())
}

/// Brings one schema to the end of the chain, in one transaction. The lock
/// makes a second container wait; it goes with the transaction.
fn migrate(
    client: &mut Client,
    schema: &str,
    chain: &[Revision],
    failure: Option<&str>,
) -> Result<(), String> {
    let explain = |e: postgres::Error| format!("migration of {schema}: {}", database::describe(&e));
    let mut transaction = client.transaction().map_err(explain)?;
    transaction
        .execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&schema])
        .map_err(explain)?;
    let current = current_revision(&mut transaction, schema).map_err(explain)?;
    let done = applied(chain, current.as_deref())
        .map_err(|unknown| format!("migration of {schema}: can't locate revision {unknown}"))?;
    for revision in &chain[done..] {
        println!("migrating {schema} to {}", revision.id);
        apply(&mut transaction, schema, revision).map_err(explain)?;
        if let Some(reason) = failure {
            return Err(format!("migration of {schema} to {}: {reason}", revision.id));
        }
    }
    transaction.commit().map_err(explain)
}

/// How many revisions of the chain are there already; an unknown one is an
/// error: an old release does not run on a newer schema.
fn applied<'a>(chain: &[Revision], current: Option<&'a str>) -> Result<usize, &'a str> {
    let Some(current) = current else { return Ok(0) };
    chain.iter().position(|revision| revision.id == current).map(|at| at + 1).ok_or(current)
}

fn current_revision(
    transaction: &mut Transaction,
    schema: &str,
) -> Result<Option<String>, postgres::Error> {
    transaction.batch_execute(&format!(
        "CREATE SCHEMA IF NOT EXISTS {0};
         SET LOCAL search_path TO {0};
         CREATE TABLE IF NOT EXISTS alembic_version (
             version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY
         );",
        quote(schema)
    ))?;
    let row = transaction.query_opt("SELECT version_num FROM alembic_version", &[])?;
    row.map(|row| row.try_get(0)).transpose()
}

fn apply(
    transaction: &mut Transaction,
    schema: &str,
    revision: &Revision,
) -> Result<(), postgres::Error> {
    transaction.batch_execute(&format!("SET LOCAL search_path TO {}", quote(schema)))?;
    transaction.batch_execute(revision.sql)?;
    transaction.execute("DELETE FROM alembic_version", &[])?;
    transaction.execute("INSERT INTO alembic_version VALUES ($1)", &[&revision.id])?;
    Ok(())
}

/// The columns that this release's code reads: `title` became `display_name`
/// with the second revision.
fn check_columns(client: &mut Client, known: usize) -> Result<(), String> {
    let name = if known == 1 { "title" } else { "display_name" };
    client
        .query(&format!("SELECT slug, {name} FROM {SYSTEM_SCHEMA}.tenants LIMIT 1"), &[])
        .map(|_| ())
        .map_err(|e| format!("schema does not fit this release: {}", database::describe(&e)))
}

/// Active or not: every tenant is migrated.
fn tenants(client: &mut Client) -> Result<Vec<String>, String> {
    client
        .query(&format!("SELECT slug FROM {SYSTEM_SCHEMA}.tenants ORDER BY slug"), &[])
        .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
        .map_err(|e| format!("tenants: {}", database::describe(&e)))
}

/// Each part is committed, none changes `alembic_version`, and the second
/// changes the data again at every attempt, as a restart loop does.
fn migrate_halfway(client: &mut Client) -> String {
    for part in HALFWAY_PARTS {
        if let Err(error) = client.batch_execute(part) {
            return format!("migration of {SYSTEM_SCHEMA} to 0008: {}", database::describe(&error));
        }
    }
    format!("migration of {SYSTEM_SCHEMA} to 0008: could not extend file: No space left on device")
}
