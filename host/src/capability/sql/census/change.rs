//! What has become of a database since its backup.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contents::{Measured, Statistics, Table, Written};
use super::{Contents, Listed, Name};
use crate::capability::sql::types::TableChange;

/// Reading a larger table again takes long: there, the server's count decides whether it was
/// written to. It may be some seconds behind.
const COUNTED_FROM: u64 = 1 << 30;

/// A table to be read again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Then<'a> {
    schema: &'a str,
    name: &'a str,
    /// None for a table that is new: its rows are only counted.
    columns: &'a [String],
}

/// Those to be read: all that are there now, but for large ones that were not written to.
pub(crate) fn measured_again<'a>(
    then: &'a Contents,
    now: &'a [Listed],
    statistics: &Statistics,
) -> Vec<Then<'a>> {
    let is_known = |listed: &Listed, table: &Table| {
        listed.bytes >= COUNTED_FROM
            && *statistics == then.statistics
            && listed.written == table.written
    };
    let wanted = now.iter().filter_map(|listed| {
        let Listed { schema, name, .. } = listed;
        match then.table(schema, name) {
            Some(table) if is_known(listed, table) => None,
            Some(table) => Some(Then { schema, name, columns: &table.columns }),
            None => Some(Then { schema, name, columns: &[] }),
        }
    });
    wanted.collect()
}

/// The tables whose rows are not those of the backup, that came or went.
pub(crate) fn changes(
    then: &Contents,
    now: &[Listed],
    statistics: &Statistics,
    measured: &[Measured],
) -> Vec<TableChange> {
    let measured: BTreeMap<(&str, &str), &Measured> =
        measured.iter().map(|table| ((&*table.schema, &*table.name), table)).collect();
    let mut changes = BTreeMap::<Name, TableChange>::new();
    for listed in now {
        let (schema, name) = (listed.schema.clone(), listed.name.clone());
        let before = then.table(&schema, &name);
        let Some(after) = measured.get(&(&*schema, &*name)) else { continue };
        if before.is_some_and(|before| is_same(before, after)) {
            continue;
        }
        let since = match before {
            Some(before) if *statistics == then.statistics => since(before.written, listed.written),
            // A table that came was counted from its beginning.
            None => Some(listed.written),
            Some(_) => None,
        };
        let change = change(&schema, &name, before.map(|t| t.rows), Some(after.rows), since);
        changes.insert((schema, name), change);
    }
    for gone in &then.tables {
        if !now.iter().any(|listed| listed.schema == gone.schema && listed.name == gone.name) {
            let name = (gone.schema.clone(), gone.name.clone());
            changes.insert(name, change(&gone.schema, &gone.name, Some(gone.rows), None, None));
        }
    }
    changes.into_values().collect()
}

fn is_same(before: &Table, after: &Measured) -> bool {
    before.rows == after.rows && after.digest.as_ref() == Some(&before.digest)
}

fn change(
    schema: &str,
    name: &str,
    rows_then: Option<u64>,
    rows_now: Option<u64>,
    since: Option<Written>,
) -> TableChange {
    TableChange {
        schema: schema.to_owned(),
        name: name.to_owned(),
        rows_then,
        rows_now,
        inserted: since.map(|written| written.inserted),
        updated: since.map(|written| written.updated),
        deleted: since.map(|written| written.deleted),
    }
}

/// `None` where a count went backwards: it has begun anew.
fn since(then: Written, now: Written) -> Option<Written> {
    Some(Written {
        inserted: now.inserted.checked_sub(then.inserted)?,
        updated: now.updated.checked_sub(then.updated)?,
        deleted: now.deleted.checked_sub(then.deleted)?,
    })
}

/// Going back would lose rows: not where a table went, or came and is empty, or only tells the
/// migration.
pub(crate) fn loses_rows(change: &TableChange, migration_table: Option<&str>) -> bool {
    let came_empty = change.rows_then.is_none() && change.rows_now == Some(0);
    change.rows_now.is_some() && !came_empty && migration_table != Some(change.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(inserted: u64) -> Written {
        Written { inserted, updated: 2, deleted: 3 }
    }

    fn table(name: &str) -> Table {
        let (schema, name) = ("s".to_owned(), name.to_owned());
        let columns = vec!["id".to_owned()];
        Table { schema, name, columns, rows: 5, digest: "7".into(), written: written(10) }
    }

    fn listed(name: &str, bytes: u64, inserted: u64) -> Listed {
        Listed { schema: "s".into(), name: name.into(), bytes, written: written(inserted) }
    }

    fn measured(name: &str, rows: u64, digest: Option<&str>) -> Measured {
        let digest = digest.map(str::to_owned);
        Measured { schema: "s".into(), name: name.into(), columns: Vec::new(), rows, digest }
    }

    fn then() -> Contents {
        let statistics = Statistics { of: "1".into() };
        let tables = ["kept", "written", "gone"].map(table).to_vec();
        Contents { tables, statistics, ..Contents::default() }
    }

    #[test]
    fn what_was_written_came_and_went_is_told_with_its_counts() {
        let now = [listed("kept", 1, 12), listed("written", 1, 14), listed("new", 1, 1)];
        let found = [
            measured("kept", 5, Some("7")),
            measured("written", 9, Some("8")),
            measured("new", 1, Some("0")),
        ];
        let changes = changes(&then(), &now, &then().statistics, &found);
        let told: Vec<_> = changes
            .iter()
            .map(|c| (c.name.as_str(), c.rows_then, c.rows_now, c.inserted))
            .collect();
        assert_eq!(
            told,
            [
                ("gone", Some(5), None, None),
                ("new", None, Some(1), Some(1)),
                ("written", Some(5), Some(9), Some(4)),
            ]
        );
        let lost: Vec<_> =
            changes.iter().filter(|c| loses_rows(c, None)).map(|c| &*c.name).collect();
        assert_eq!(lost, ["new", "written"]);
        assert!(!loses_rows(&changes[2], Some("written")));
    }

    #[test]
    fn lost_statistics_are_no_counts() {
        let found = [measured("written", 9, None)];
        let now = [listed("written", 1, 4)];
        let reset = Statistics { of: "2".into() };
        for statistics in [then().statistics, reset] {
            let changes = changes(&then(), &now, &statistics, &found);
            let change = changes.iter().find(|c| c.name == "written").unwrap();
            assert_eq!((change.inserted, change.rows_now), (None, Some(9)));
        }
    }

    #[test]
    fn only_large_tables_are_believed_unread() {
        let now =
            [listed("kept", 1 << 30, 10), listed("written", 1 << 30, 11), listed("gone", 1, 10)];
        let names = |statistics: &Statistics| -> Vec<String> {
            measured_again(&then(), &now, statistics).iter().map(|t| t.name.to_owned()).collect()
        };
        assert_eq!(names(&then().statistics), ["written", "gone"]);
        assert_eq!(names(&Statistics { of: "2".into() }).len(), 3);
    }
}
