//! Writes that a rollback of the database would leave behind.

use crate::capability::sql::types::TableChange;
use crate::text::one_line;

/// A line for each table.
pub fn writes(tables: &[TableChange]) -> String {
    tables.iter().map(|table| format!("  {}\n", line(table))).collect()
}

fn line(table: &TableChange) -> String {
    let TableChange { schema, name, rows_then, rows_now, inserted, updated, deleted } = table;
    let rows = match (rows_then, rows_now) {
        (Some(then), Some(now)) => format!("{then} rows then, {now} now"),
        (None, Some(now)) => format!("new, {now} rows"),
        (Some(then), None) => format!("gone, {then} rows then"),
        (None, None) => "not known".to_owned(),
    };
    let counts = [(inserted, "inserted"), (updated, "updated"), (deleted, "deleted")];
    let counts: Vec<String> = counts
        .iter()
        .filter_map(|(count, word)| Some(format!("{} {word}", count.filter(|n| *n > 0)?)))
        .collect();
    let counts =
        if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
    one_line(&format!("{schema}.{name}: {rows}{counts}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_a_line() {
        let table = |then, now, inserted| TableChange {
            schema: "acme_meta".into(),
            name: "models".into(),
            rows_then: then,
            rows_now: now,
            inserted,
            updated: Some(2),
            deleted: Some(0),
        };
        let shown = writes(&[
            table(Some(3), Some(5), Some(2)),
            table(None, Some(5), None),
            table(Some(3), None, None),
        ]);
        assert_eq!(
            shown,
            "  acme_meta.models: 3 rows then, 5 now (2 inserted, 2 updated)\n  \
             acme_meta.models: new, 5 rows (2 updated)\n  \
             acme_meta.models: gone, 3 rows then (2 updated)\n"
        );
    }
}
