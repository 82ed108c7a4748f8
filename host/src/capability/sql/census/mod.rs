//! What a database holds, in a form that is kept beside its backup and compared later: no
//! row leaves the server, of each table come its number of rows and a digest.

mod change;
mod contents;
mod schema;
mod statements;

pub(crate) use self::change::{Then, changes, loses_rows, measured_again};
pub(crate) use self::contents::{
    Contents, Grant, LargeObjects, Properties, Sequence, Setting, Statistics, Written, differences,
    same_properties,
};
pub(crate) use self::schema::{Digest as SchemaDigest, digest as schema_digest};

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use self::contents::Measured;
use super::client::console::{Console, literal};
use super::client::inside::Access;
use super::locate::Server;
use crate::capability::error::{Error, Result};

/// A table's schema and name.
pub(crate) type Name = (String, String);

/// A table as it is now, without having read it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listed {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// On disk.
    pub(crate) bytes: u64,
    pub(crate) written: Written,
}

/// What the statements print, a line each.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Listed(Listed),
    Statistics(Statistics),
    Table(Measured),
    Sequence(Sequence),
    LargeObjects(LargeObjects),
    Database(Box<Properties>),
}

/// A transaction that sees one moment of the database, until it is closed.
pub(crate) struct Census<'a> {
    console: Console<'a>,
    snapshot: String,
    listed: Vec<Listed>,
    statistics: Statistics,
}

impl<'a> Census<'a> {
    /// Holds the tables as they are: rewriting one would empty it for a transaction that
    /// looks at the past.
    ///
    /// Errors: `Failed` where someone else holds one for longer than `patience`.
    pub(crate) async fn open(
        access: &Access,
        server: &'a dyn Server,
        name: &str,
        patience: Duration,
    ) -> Result<Self> {
        let mut console = Console::open(access, server, name).await?;
        let beginning = format!(
            "SET lock_timeout = {};\n{}\n{}",
            patience.as_millis(),
            statements::BEGIN,
            statements::hold()
        );
        let snapshot = console.ask(&beginning).await?.into_iter().next().unwrap_or_default();
        let mut listed = Vec::new();
        let mut statistics = Statistics::default();
        for line in lines(&mut console, &statements::list()).await? {
            match line {
                Line::Listed(table) => listed.push(table),
                Line::Statistics(found) => statistics = found,
                _ => {}
            }
        }
        Ok(Self { console, snapshot, listed, statistics })
    }

    /// For `pg_dump --snapshot`.
    pub(crate) fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The tables, and how much the server has counted of what was written to them.
    pub(crate) fn listed(&self) -> (&[Listed], &Statistics) {
        (&self.listed, &self.statistics)
    }

    /// Reads everything. Where the schema is not known otherwise, it is empty.
    pub(crate) async fn contents(&mut self) -> Result<Contents> {
        let mut contents = Contents { statistics: self.statistics.clone(), ..Contents::default() };
        let mut written: BTreeMap<Name, Written> = self
            .listed
            .iter()
            .map(|table| ((table.schema.clone(), table.name.clone()), table.written))
            .collect();
        let all = [
            statements::DATABASE,
            &statements::sequences(),
            statements::LARGE_OBJECTS,
            &statements::tables(),
        ];
        for line in lines(&mut self.console, &all.join("\n")).await? {
            match line {
                Line::Table(table) => {
                    let name = (table.schema.clone(), table.name.clone());
                    contents.tables.push(table.with(written.remove(&name).unwrap_or_default()));
                }
                Line::Sequence(sequence) => contents.sequences.push(sequence),
                Line::LargeObjects(found) => contents.large_objects = Some(found),
                Line::Database(found) => contents.database = *found,
                Line::Listed(_) | Line::Statistics(_) => {}
            }
        }
        Ok(contents)
    }

    /// Sequences belong to no transaction: `pg_dump` has read them at some moment since the
    /// first reading.
    pub(crate) async fn sequences_again(&mut self, contents: &mut Contents) -> Result<()> {
        for line in lines(&mut self.console, &statements::sequences()).await? {
            if let Line::Sequence(now) = line {
                contents.sequence_moved_to(&now);
            }
        }
        Ok(())
    }

    /// Reads these tables: rows, and the digest of these columns where all are still there.
    pub(crate) async fn measure(&mut self, wanted: &[Then<'_>]) -> Result<Vec<Measured>> {
        let wanted = serde_json::to_string(wanted)
            .map_err(|e| Error::failed("naming the tables to be compared").because(e))?;
        let statement = statements::these(&literal(&wanted));
        let found = lines(&mut self.console, &statement).await?.into_iter();
        let tables = found.filter_map(|line| match line {
            Line::Table(table) => Some(table),
            _ => None,
        });
        Ok(tables.collect())
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.console.close().await
    }
}

async fn lines(console: &mut Console<'_>, statements: &str) -> Result<Vec<Line>> {
    let printed = console.ask(statements).await?.into_iter();
    let read = printed.filter(|line| !line.is_empty()).map(|line| {
        serde_json::from_str(&line)
            .map_err(|e| Error::failed("reading what the database says of itself").because(e))
    });
    read.collect()
}
