//! `backup prune`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::args::Prune;
use super::connect;
use super::show::Show;
use crate::capability::sql::types::Keep;
use crate::cli::error::{Failure, Result};
use crate::cli::exit_code;
use crate::engine::{Lock, history};
use crate::report::event::Ending;
use crate::settings::Settings;

/// How a plan names the effect that makes a backup.
const EFFECTS: [&str; 2] = ["SqlDump", "sql-dump"];

pub async fn run(settings: &Settings, show: Show, args: &Prune) -> Result<u8> {
    if args.keep.is_none() && args.older_than.is_none() && args.databases.is_empty() {
        return Err(Failure::usage("what is to be removed was not said")
            .hint("--keep N, --older-than DAYS, --databases NAME; --dry-run only shows it"));
    }
    let _lock = Lock::take(&settings.project_dir)?;
    let installation = connect(settings).await?;
    let backups = &installation.services.backups;
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    let keep = Keep { newest: args.keep, younger_than: args.older_than.map(days) };
    let protected = needed(&settings.state_dir);
    let pruned = backups.prune(keep, protected, args.dry_run).await?;
    show.warnings(&pruned.warnings);
    if !args.databases.is_empty() {
        backups.drop_databases(&args.databases, args.dry_run).await?;
    }
    show.pruned(&pruned, &args.databases, args.dry_run);
    Ok(exit_code::DONE)
}

/// The labels of the backups that a rollback may still need: those of the last run that
/// ended well, and of all that came later.
fn needed(state_dir: &Path) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for run in history::runs(state_dir) {
        if let Ok(text) = std::fs::read(run.directory.join("plan.json"))
            && let Ok(plan) = serde_json::from_slice::<Value>(&text)
        {
            labels(&plan, &mut needed);
        }
        if matches!(run.ending, Ok(Some(Ending::Done))) {
            break;
        }
    }
    needed
}

/// Wherever the plan has them.
fn labels(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| labels(value, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if EFFECTS.contains(&name.as_str())
                    && let Some(label) = value.get("label").and_then(Value::as_str)
                {
                    found.insert(label.to_owned());
                }
                labels(value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_labels_of_a_plan_are_found() {
        let plan = json!({"steps": [{"effects": [{"SqlDump": {"connection": "internal", "label": "a"}}]}]});
        let mut found = BTreeSet::new();
        labels(&plan, &mut found);
        assert_eq!(found, BTreeSet::from(["a".to_owned()]));
    }
}
