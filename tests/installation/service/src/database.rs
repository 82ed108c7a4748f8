//! The connection to PostgreSQL, and the questions asked at run time.

use std::env;
use std::time::Duration;

use postgres::{Client, Config, NoTls};

/// Connects with the variables that a Tessallite installation uses.
pub(crate) fn connect() -> Result<Client, String> {
    let port = setting("DB_PORT", "5432");
    Config::new()
        .host(&setting("DB_HOST", "postgres"))
        .port(port.parse().map_err(|_| format!("DB_PORT: {port:?} is not a port"))?)
        .dbname(&setting("DB_NAME", "tessallite"))
        .user(&setting("DB_USER", "tessallite"))
        .password(setting("DB_PASS", ""))
        .connect_timeout(Duration::from_secs(2))
        .connect(NoTls)
        .map_err(|e| describe(&e))
}

pub(crate) fn system_revision() -> Result<String, String> {
    one("SELECT version_num FROM tess_system.alembic_version")
}

pub(crate) fn tenant_count() -> Result<i64, String> {
    one("SELECT count(*) FROM tess_system.tenants")
}

/// The server's own words: the error's Display says only "db error".
pub(crate) fn describe(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned())
}

/// A schema or table name as SQL: tenants' slugs may contain hyphens.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(query: &str) -> Result<T, String> {
    connect()?.query_one(query, &[]).and_then(|row| row.try_get(0)).map_err(|e| describe(&e))
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
