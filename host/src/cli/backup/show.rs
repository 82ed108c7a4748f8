//! What the commands of `backup` print.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::capability::sql::types::{Backup, Check, Progress, Pruned, TableChange, Verified};
use crate::cli::args::Output;
use crate::cli::display;
use crate::cli::error::Failure;
use crate::engine::dump_path;
use crate::report::format;
use crate::text::one_line;

/// How things are shown: for people, or one JSON object a line.
#[derive(Clone, Copy)]
pub struct Show {
    pub output: Output,
}

impl Show {
    fn print(self, human: impl FnOnce() -> String, json: impl FnOnce() -> Vec<Value>) {
        display::print(&match self.output {
            Output::Human => human(),
            Output::Json => json().iter().map(|line| format!("{line}\n")).collect(),
        });
    }

    pub fn warnings(self, warnings: &[String]) {
        for warning in warnings {
            display::note(&format!("warning: {}", one_line(warning)));
        }
    }

    pub fn made(self, backup: &Backup, directory: &Path) {
        let human = || {
            let file = dump_path(directory, &backup.label);
            let size = format::bytes(backup.bytes);
            format!(
                "{}: {} tables, {size}, in {}\n",
                backup.label,
                backup.tables,
                one_line(&file.display().to_string())
            )
        };
        self.print(human, || vec![as_json(backup)]);
    }

    pub fn list(self, backups: &[Backup], directory: &Path) {
        let human = || {
            if backups.is_empty() {
                return format!("no backup in {}\n", one_line(&directory.display().to_string()));
            }
            let width = backups.iter().map(|backup| backup.label.len()).max().unwrap_or(0);
            let mut text = String::new();
            for backup in backups {
                let Backup { label, started_at, bytes, tables, encrypted, .. } = backup;
                let _ = writeln!(
                    text,
                    "{label:<width$}  {}  {:>9}  {tables:>4} tables  {}{}",
                    one_line(started_at),
                    format::bytes(*bytes),
                    if *encrypted { "encrypted, " } else { "" },
                    proof(backup.verified.as_ref())
                );
            }
            text
        };
        self.print(human, || backups.iter().map(as_json).collect());
    }

    pub fn verified(self, label: &str, verified: &Verified) {
        self.print(
            || format!("{label}: {}\n", proof(Some(verified))),
            || vec![json!({"label": label, "verified": verified})],
        );
    }

    pub fn not_verified(self, label: &str, failure: &Failure) {
        self.print(
            || format!("{label}: not verified\n"),
            || vec![json!({"label": label, "verified": null, "error": failure.text})],
        );
    }

    /// For people it is what they are asked about; as JSON it is told too.
    pub fn lost(self, lost: &[TableChange]) {
        let human = || {
            let mut text =
                "Written since the backup, and kept only in the former database:\n".to_owned();
            for change in lost {
                let _ = writeln!(text, "  {}", one_line(&in_words(change)));
            }
            text
        };
        self.print(human, || {
            let tables: Vec<Value> = lost.iter().map(change_json).collect();
            vec![json!({"written_since": tables})]
        });
    }

    pub fn restored(self, label: &str, kept: &str) {
        let human = || {
            format!(
                "{label} is the database now. What was there is kept as {kept}.\n\
                 When it is not needed any longer: tessallite-up backup prune --databases {kept}\n"
            )
        };
        self.print(human, || vec![json!({"restored": label, "kept_as": kept})]);
    }

    pub fn pruned(self, pruned: &Pruned, databases: &[String], is_dry: bool) {
        let human = || {
            let word = if is_dry { "would be removed" } else { "removed" };
            let mut text = String::new();
            for backup in &pruned.removed {
                let _ = writeln!(text, "{}  {}  {word}", backup.label, format::bytes(backup.bytes));
            }
            for name in pruned.leftovers.iter().chain(databases) {
                let _ = writeln!(text, "{}  {word}", one_line(name));
            }
            if text.is_empty() {
                text.push_str("nothing to remove\n");
            }
            text
        };
        self.print(human, || {
            let labels = |backups: &[Backup]| -> Vec<String> {
                backups.iter().map(|backup| backup.label.clone()).collect()
            };
            vec![json!({
                "removed": labels(&pruned.removed), "kept": labels(&pruned.kept),
                "leftovers": pruned.leftovers, "databases": databases, "dry_run": is_dry,
            })]
        });
    }
}

fn as_json(backup: &Backup) -> Value {
    let Backup { label, bytes, sha256, tables, encrypted, started_at, verified } = backup;
    json!({
        "label": label, "started_at": started_at, "bytes": bytes, "sha256": sha256,
        "tables": tables, "encrypted": encrypted, "verified": verified,
    })
}

fn change_json(change: &TableChange) -> Value {
    let TableChange { schema, name, rows_then, rows_now, inserted, updated, deleted } = change;
    json!({
        "schema": schema, "table": name, "rows_then": rows_then, "rows_now": rows_now,
        "inserted": inserted, "updated": updated, "deleted": deleted,
    })
}

fn in_words(change: &TableChange) -> String {
    let number =
        |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let mut text = format!("{}.{}", change.schema, change.name);
    let _ = match (change.rows_then, change.rows_now) {
        (Some(then), Some(now)) => write!(text, ": {then} rows then, {now} now"),
        (None, now) => write!(text, ": new, {} rows", number(now)),
        (Some(then), None) => write!(text, ": gone, had {then} rows"),
    };
    if change.inserted.is_some() {
        let _ = write!(
            text,
            " ({} inserted, {} updated, {} deleted)",
            number(change.inserted),
            number(change.updated),
            number(change.deleted)
        );
    }
    text
}

fn proof(verified: Option<&Verified>) -> String {
    match verified {
        None => "not verified".to_owned(),
        Some(Verified { at, how: Check::Quick }) => format!("read back {}", one_line(at)),
        Some(Verified { at, how: Check::Full }) => {
            format!("restored and compared {}", one_line(at))
        }
    }
}

/// How far something has come, on a terminal.
pub struct Counter {
    what: String,
    told: Option<Mutex<Instant>>,
}

impl Counter {
    pub fn new(what: &str) -> Self {
        let told = stderr().is_terminal().then(|| Mutex::new(Instant::now()));
        Self { what: one_line(what), told }
    }

    pub fn tell(&self, Progress { done, estimate }: Progress) {
        let Some(Ok(mut told)) = self.told.as_ref().map(Mutex::lock) else { return };
        if told.elapsed() >= Duration::from_millis(200) {
            *told = Instant::now();
            let estimate = estimate.max(done);
            display::prompt(&format!(
                "\r\x1b[K{}: {} of {}",
                self.what,
                format::bytes(done),
                format::bytes(estimate)
            ));
        }
    }

    pub fn end(&self) {
        if self.told.is_some() {
            display::prompt("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_readable() {
        let change = TableChange {
            schema: "acme-eu_meta".into(),
            name: "models".into(),
            rows_then: Some(3),
            rows_now: Some(4),
            inserted: Some(1),
            updated: Some(0),
            deleted: Some(0),
        };
        assert_eq!(
            in_words(&change),
            "acme-eu_meta.models: 3 rows then, 4 now (1 inserted, 0 updated, 0 deleted)"
        );
    }
}
