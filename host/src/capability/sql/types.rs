//! The data of the sql capability, as the host uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A cell of a result, or a parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// Text, and every type without a case of its own, as PostgreSQL writes it.
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub name: String,
    pub server_version: String,
    pub bytes: u64,
    /// Tables outside the system schemas.
    pub tables: u32,
}

/// Where a dump would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpTarget {
    pub directory: PathBuf,
    pub free_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub label: String,
    /// Of the file on disk.
    pub bytes: u64,
    /// Of the file on disk, in hexadecimal.
    pub sha256: String,
    pub tables: u32,
    pub encrypted: bool,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Absent where nothing has read it back since it was written.
    pub verified: Option<Verified>,
}

impl Backup {
    /// It was restored, and every table compared.
    pub fn is_proven(&self) -> bool {
        self.verified.as_ref().is_some_and(|verified| verified.how == Check::Full)
    }
}

/// That a backup was found to be whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// RFC 3339, UTC.
    pub at: String,
    pub how: Check,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Read back: checksum, compression, table of contents.
    Quick,
    /// Restored, and every table compared.
    Full,
}

/// What retention keeps; by default everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// This many of the newest that are verified.
    pub newest: Option<usize>,
    pub younger_than: Option<Duration>,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub removed: Vec<Backup>,
    pub kept: Vec<Backup>,
    /// Of dumps that were given up.
    pub leftovers: Vec<String>,
    pub warnings: Vec<String>,
}

/// What has become of a table since a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableChange {
    pub schema: String,
    pub name: String,
    /// Absent where the table was not there.
    pub rows_then: Option<u64>,
    pub rows_now: Option<u64>,
    /// Rows written since, as the server counts them; absent where it has lost count.
    pub inserted: Option<u64>,
    pub updated: Option<u64>,
    pub deleted: Option<u64>,
}

/// What has become of the database since a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub schema_differs: bool,
    pub migration_moved: bool,
    /// Those that were written to, came or went.
    pub tables: Vec<TableChange>,
}

/// How a backup is brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    pub label: String,
    /// The name under which it is restored before it takes the database's own.
    pub into: String,
    /// The name that the database of now is kept under.
    pub keep_as: String,
    /// Only where the schema differs, or the rows of a table of this name do.
    pub if_changed: Option<String>,
}

/// The backups of a directory, and what had to be passed over there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Newest first.
    pub backups: Vec<Backup>,
    pub warnings: Vec<String>,
}

/// How far a dump has come, in bytes before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    /// From the size of the tables on the server's disk: a guess.
    pub estimate: u64,
}

/// What the caller wants to be kept beside a dump: the product's version, the
/// state of its migrations.
pub type Facts = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one statement of `query`.
    pub query: Duration,
    /// For one statement of `execute`.
    pub execute: Duration,
    pub rows: usize,
    /// Names and values of a result together.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query: Duration::from_secs(30),
            execute: Duration::from_secs(10 * 60),
            rows: 10_000,
            bytes: 4 << 20,
        }
    }
}

/// Never shown: `Debug` writes dots, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the one place that hands it to the server.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show() {
        let shown = format!("{:?}", Some(Password::new("hunter2")));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
