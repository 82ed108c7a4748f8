//! Between the contract's records and the client's types.

use super::types;
use crate::contract::sql as wit;

impl From<wit::Value> for types::Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Null => Self::Null,
            wit::Value::Boolean(value) => Self::Boolean(value),
            wit::Value::Integer(value) => Self::Integer(value),
            wit::Value::Float(value) => Self::Float(value),
            wit::Value::Text(value) => Self::Text(value),
            wit::Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl From<types::Value> for wit::Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Null => Self::Null,
            types::Value::Boolean(value) => Self::Boolean(value),
            types::Value::Integer(value) => Self::Integer(value),
            types::Value::Float(value) => Self::Float(value),
            types::Value::Text(value) => Self::Text(value),
            types::Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl From<types::Rows> for wit::Rows {
    fn from(types::Rows { columns, rows }: types::Rows) -> Self {
        let row = |row: Vec<types::Value>| row.into_iter().map(Into::into).collect();
        Self { columns, rows: rows.into_iter().map(row).collect() }
    }
}

impl From<types::Database> for wit::Database {
    fn from(database: types::Database) -> Self {
        let types::Database { name, server_version, bytes, tables } = database;
        Self { name, server_version, bytes, tables }
    }
}

impl From<types::DumpTarget> for wit::DumpTarget {
    fn from(types::DumpTarget { directory, free_bytes }: types::DumpTarget) -> Self {
        Self { directory: directory.display().to_string(), free_bytes }
    }
}

impl From<types::Comparison> for wit::Comparison {
    fn from(comparison: types::Comparison) -> Self {
        let types::Comparison { schema_differs, migration_moved, tables } = comparison;
        let tables = tables.into_iter().map(Into::into).collect();
        Self { schema_differs, migration_moved, tables }
    }
}

impl From<types::TableChange> for wit::TableChange {
    fn from(change: types::TableChange) -> Self {
        let types::TableChange { schema, name, rows_then, rows_now, inserted, updated, deleted } =
            change;
        Self { schema, name, rows_then, rows_now, inserted, updated, deleted }
    }
}

impl From<wit::RestoreChange> for types::Restore {
    fn from(change: wit::RestoreChange) -> Self {
        let wit::RestoreChange { label, into, keep_as, when } = change;
        let if_changed = match when {
            wit::RestoreWhen::Always => None,
            wit::RestoreWhen::Changed(migration_table) => Some(migration_table),
        };
        Self { label, into, keep_as, if_changed }
    }
}

impl From<types::Backup> for wit::Backup {
    fn from(backup: types::Backup) -> Self {
        let types::Backup { label, bytes, sha256, tables, started_at, .. } = backup;
        Self { label, bytes, sha256, tables, started_at }
    }
}
