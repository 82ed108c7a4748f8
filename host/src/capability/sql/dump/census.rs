//! What a database has of tables, and how large they are.

use super::session::Session;
use crate::capability::error::Result;

/// What `pg_dump` takes as a table: those of extensions are made by the extension.
const CENSUS: &str = "SELECT json_build_array(current_setting('server_version'), count(*), \
    coalesce(sum(pg_table_size(c.oid)), 0)::int8) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');";

/// The database as it was counted.
pub(super) struct Census {
    pub(super) server_version: String,
    pub(super) tables: u32,
    pub(super) bytes: u64,
}

impl Census {
    /// As the session sees it.
    pub(super) async fn read(session: &mut Session) -> Result<Self> {
        let (version, tables, bytes): (String, u32, u64) = session.row(CENSUS).await?;
        let server_version = version.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { server_version, tables, bytes })
    }
}
