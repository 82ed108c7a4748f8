//! What has become of the database since a backup.

use std::time::Duration;

use super::Dumps;
use crate::capability::error::{Error, Result};
use crate::capability::sql::census::{
    Census, Contents, SchemaDigest, changes, measured_again, schema_digest,
};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login;
use crate::capability::sql::locate::Server;
use crate::capability::sql::manifest::Manifest;
use crate::capability::sql::types::{Comparison, TableChange};
use crate::text::{one_line, shortened};

pub(super) const SESSION: &str = "tessallite-up comparison";
/// For a table that someone else holds.
const PATIENCE: Duration = Duration::from_secs(15);

impl Dumps {
    /// What has become of the database since the backup of this label. A table was written
    /// to where its rows are others than those of the backup; how much was written is what the server
    /// has counted.
    ///
    /// Errors: `NotFound` when there is no whole backup of this label.
    pub async fn compare(&self, label: &str, migration_table: &str) -> Result<Comparison> {
        let (_, manifest) = self.whole(label).await?;
        let then = contents(&manifest)?;
        let server = self.server()?.as_ref();
        let logins = login::for_dumps(&server.environment().await?);
        let (access, _) = Access::find(server, logins, &["SELECT 1"]).await?;
        compare(server, &access, then, migration_table).await.map_err(|e| since(label, e))
    }
}

fn since(label: &str, error: Error) -> Error {
    let message = format!("comparing the database with the backup {label:?}: {}", error.message);
    Error { message, ..error }
}

pub(super) fn contents(manifest: &Manifest) -> Result<&Contents> {
    manifest.contents.as_ref().ok_or_else(|| {
        Error::failed(format!(
            "the backup {:?} does not say what the database held: an older program made it",
            manifest.label
        ))
        .hint("it can be restored by hand: zstd -dc FILE | pg_restore -d NEW_DATABASE")
    })
}

async fn compare(
    server: &dyn Server,
    access: &Access,
    then: &Contents,
    migration_table: &str,
) -> Result<Comparison> {
    let (schema, tables) = tokio::try_join!(schema(server, access), written(server, access, then))?;
    Ok(Comparison {
        schema_differs: schema.text != then.schema.text,
        migration_moved: tables.iter().any(|table| table.name == migration_table),
        tables,
    })
}

/// Whether the schema differs, or the rows of a table of this name: no other is read.
pub(super) async fn has_moved(
    server: &dyn Server,
    access: &Access,
    then: &Contents,
    migration_table: &str,
) -> Result<bool> {
    if schema(server, access).await?.text != then.schema.text {
        return Ok(true);
    }
    Ok(!read(server, access, then, |name| name == migration_table).await?.is_empty())
}

/// The tables that were written to, came or went.
pub(super) async fn written(
    server: &dyn Server,
    access: &Access,
    then: &Contents,
) -> Result<Vec<TableChange>> {
    read(server, access, then, |_| true).await
}

async fn read(
    server: &dyn Server,
    access: &Access,
    then: &Contents,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<TableChange>> {
    let tables = then.tables.iter().filter(|table| is_wanted(&table.name)).cloned().collect();
    let statistics = then.statistics.clone();
    let then = Contents { tables, statistics, ..Contents::default() };
    let mut census = Census::open(access, server, SESSION, PATIENCE).await?;
    let (listed, statistics) = census.listed();
    let listed: Vec<_> = listed.iter().filter(|table| is_wanted(&table.name)).cloned().collect();
    let statistics = statistics.clone();
    let measured = census.measure(&measured_again(&then, &listed, &statistics)).await?;
    census.close().await?;
    Ok(changes(&then, &listed, &statistics, &measured))
}

/// The digest of the schema of now.
pub(super) async fn schema(server: &dyn Server, access: &Access) -> Result<SchemaDigest> {
    let wait = format!("--lock-wait-timeout={}ms", PATIENCE.as_millis());
    let argv = ["pg_dump", "--schema-only", "--no-password", &wait];
    let exec = access.start(server, &argv, SESSION, "", None).await?;
    let digest = schema_digest(exec.stdout).await?;
    let exit = exec.end.await?;
    if exit.code == 0 {
        return Ok(digest);
    }
    let said = shortened(&one_line(exit.stderr.trim()), 2000);
    Err(Error::failed(format!("pg_dump --schema-only failed with exit code {}: {said}", exit.code)))
}
