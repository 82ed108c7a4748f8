//! What has become of the database since a backup.

use super::session::Session;
use super::{Dumps, survey};
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::contents::{Contents, Table, Written};
use crate::capability::sql::manifest::Manifest;
use crate::capability::sql::types::{Comparison, TableChange};

impl Dumps {
    /// What has become of the database since the backup of this label. Tables are counted
    /// only where the server's statistics say that they were written to, or say nothing.
    ///
    /// Errors: `NotFound` when there is no whole backup of this label.
    pub async fn compare(&self, label: &str, migration_table: &str) -> Result<Comparison> {
        let manifest = self.manifest(label).await?;
        let (access, _) = self.log_in(&["SELECT 1"]).await?;
        self.compare_with(&manifest, &access, migration_table).await
    }

    pub(super) async fn compare_with(
        &self,
        manifest: &Manifest,
        access: &Access,
        migration_table: &str,
    ) -> Result<Comparison> {
        let then = contents_of(manifest)?;
        let server = self.server()?.as_ref();
        let schema = survey::schema_digest(server, access, None).await?;
        let mut session = Session::begin(server, access, "tessallite-up", "").await?;
        let migrations = survey::tables_named(&mut session, migration_table).await?;
        let migration_moved = moved(then, &migrations, migration_table);
        let tables = changes(then, &mut session).await?;
        session.finish().await?;
        Ok(Comparison { schema_differs: schema != then.schema, migration_moved, tables })
    }
}

pub(super) fn contents_of(manifest: &Manifest) -> Result<&Contents> {
    manifest.contents.as_ref().ok_or_else(|| {
        Error::failed(format!("the backup {:?} does not tell what it holds", manifest.label))
            .hint("it was made by an older version: restore it by hand")
    })
}

/// A migration table has come, gone, or other rows.
fn moved(then: &Contents, now: &[Table], name: &str) -> bool {
    let mut before = then.tables.iter().filter(|table| table.name == name);
    let is_same = |table: &Table| {
        now.iter().any(|other| {
            other.schema == table.schema && other.rows == table.rows && other.digest == table.digest
        })
    };
    let count = then.tables.iter().filter(|table| table.name == name).count();
    count != now.len() || !before.all(is_same)
}

async fn changes(then: &Contents, session: &mut Session) -> Result<Vec<TableChange>> {
    let names = survey::names(session).await?;
    let counts = survey::written(session).await?;
    let written = |schema: &str, name: &str| {
        let mut counts = counts.iter();
        counts.find(|(s, n, _)| s == schema && n == name).map(|(.., written)| *written)
    };
    let since = |table: &Table| since(table.written?, written(&table.schema, &table.name)?);
    let to_count: Vec<(String, String)> = names
        .iter()
        .filter(|(schema, name)| {
            then.table(schema, name).and_then(since).is_none_or(|since| since != NOTHING)
        })
        .cloned()
        .collect();
    let now = survey::counted(session, &to_count).await?;
    let mut changes = Vec::new();
    for found in &now {
        let before = then.table(&found.schema, &found.name);
        let since = before.and_then(since);
        if since.is_none() && before.is_some_and(|before| before.rows == found.rows) {
            // Nothing is known of its rows, and their number is the same: migration tables
            // and the schema are looked at by themselves.
            continue;
        }
        changes.push(change(before, Some(found), since));
    }
    let is_gone =
        |table: &&Table| !names.iter().any(|(s, n)| *s == table.schema && *n == table.name);
    changes.extend(then.tables.iter().filter(is_gone).map(|gone| change(Some(gone), None, None)));
    Ok(changes)
}

const NOTHING: Written = Written { inserted: 0, updated: 0, deleted: 0 };

/// What was written between the two; nothing is known where the server has lost count.
fn since(then: Written, now: Written) -> Option<Written> {
    Some(Written {
        inserted: now.inserted.checked_sub(then.inserted)?,
        updated: now.updated.checked_sub(then.updated)?,
        deleted: now.deleted.checked_sub(then.deleted)?,
    })
}

fn change(then: Option<&Table>, now: Option<&Table>, since: Option<Written>) -> TableChange {
    let table = now.or(then);
    TableChange {
        schema: table.map(|table| table.schema.clone()).unwrap_or_default(),
        name: table.map(|table| table.name.clone()).unwrap_or_default(),
        rows_then: then.map(|table| table.rows),
        rows_now: now.map(|table| table.rows),
        inserted: since.map(|since| since.inserted),
        updated: since.map(|since| since.updated),
        deleted: since.map(|since| since.deleted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::sql::contents::sample;

    #[test]
    fn a_migration_moved_when_any_of_its_tables_did() {
        let then = sample();
        let same: Vec<Table> = then.tables.clone();
        assert!(!moved(&then, &same, "models"));
        assert!(moved(&then, &same[..1], "models"));
        let mut other = same.clone();
        other[1].digest = "x".into();
        assert!(moved(&then, &other, "models"));
        assert!(!moved(&then, &[], "alembic_version"));
        assert!(moved(&then, &same, "alembic_version"));
    }

    #[test]
    fn a_count_that_went_backwards_is_not_known() {
        let count = |inserted| Written { inserted, updated: 0, deleted: 0 };
        assert_eq!(since(count(3), count(5)), Some(count(2)));
        assert_eq!(since(count(3), count(0)), None);
    }
}
