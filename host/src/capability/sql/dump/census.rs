//! What a database has of tables, and how large they are.

use crate::capability::error::{Error, Result};

/// What `pg_dump` takes as a table: those of extensions are made by the extension.
pub(super) const CENSUS: &str = "SELECT json_build_array(current_setting('server_version'), count(*), \
    coalesce(sum(pg_table_size(c.oid)), 0)::int8) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_depend d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// The database as it was counted.
pub(super) struct Census {
    pub(super) server_version: String,
    pub(super) tables: u32,
    pub(super) bytes: u64,
}

impl Census {
    pub(super) fn read(printed: &str) -> Result<Self> {
        // Lines before the last tell of ended sessions.
        let line = printed.trim_end().lines().next_back().unwrap_or_default();
        let (version, tables, bytes): (String, u32, u64) = serde_json::from_str(line)
            .map_err(|e| Error::failed("counting the database's tables").because(e))?;
        let server_version = version.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { server_version, tables, bytes })
    }
}
