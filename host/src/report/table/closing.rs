//! The end of a run.

use super::item;
use crate::report::event::{Ending, ServiceChange, Summary};
use crate::report::format::{UNCHANGED, bytes, change, duration, pad, repository, transition};
use crate::report::paint::Paint;
use crate::text::one_line;

/// What changed, how long it took, what was unavailable, where the backup is; and after
/// a failure why, what the state is now and what to do. That comes last, where the eye is.
pub fn summary(summary: &Summary, width: usize, colour: bool) -> String {
    let paint = Paint::new(colour);
    let mut lines = vec![heading(summary, paint)];
    if let Some(error) = &summary.error {
        item(&mut lines, "  ", error, width);
    }
    services(&mut lines, summary, paint);
    if let Some(backup) = &summary.backup {
        let tables = if backup.tables == 1 { "table" } else { "tables" };
        lines.extend([String::new(), paint.bold("Backup")]);
        lines.push(format!("  {}", one_line(&backup.path)));
        lines.push(format!("  {}, {} {tables}", bytes(backup.bytes), backup.tables));
        lines.push(format!("  sha256 {}", one_line(&backup.sha256)));
    }
    list(&mut lines, "Found out", &summary.report, width, paint);
    if let Some(record) = &summary.record {
        let label = paint.bold("Record of this run");
        lines.extend([String::new(), label, format!("  {}", one_line(record))]);
    }
    list(&mut lines, "What now", &summary.advice, width, paint);
    if !summary.by_hand.is_empty() {
        let label = "By hand, in the project's directory, one after the other";
        lines.extend([String::new(), paint.bold(label)]);
        // Each is to be copied as it is: the terminal may break it, this does not.
        lines.extend(summary.by_hand.iter().map(|command| format!("  {}", one_line(command))));
    }
    lines.join("\n") + "\n"
}

fn heading(summary: &Summary, paint: Paint) -> String {
    let time = duration(summary.ms);
    match summary.ending {
        Ending::Done => paint.good(&format!("✓ Done and verified in {time}")),
        Ending::NothingToDo => paint.good("✓ There was nothing to do"),
        Ending::Denied => {
            paint.bad(&format!("✗ Denied after {time}; the installation was not changed"))
        }
        Ending::FailedUntouched => {
            paint.bad(&format!("✗ Failed after {time}; the installation was not changed"))
        }
        Ending::RolledBack => paint.warning(&format!("! Rolled back after {time}")),
        Ending::Failed => {
            paint.bad(&format!("✗ Failed after {time}; the installation was changed"))
        }
        Ending::Interrupted => paint.warning(&format!("! Interrupted after {time}")),
    }
}

fn list(lines: &mut Vec<String>, label: &str, items: &[String], width: usize, paint: Paint) {
    if items.is_empty() {
        return;
    }
    lines.extend([String::new(), paint.bold(label)]);
    for text in items {
        item(lines, "  - ", text, width);
    }
}

/// A row for each service that was changed or did not answer.
fn services(lines: &mut Vec<String>, summary: &Summary, paint: Paint) {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for change in &summary.services {
        let unavailable = unavailable(summary, &change.service).unwrap_or_default();
        rows.push([one_line(&change.service), change_of(change), unavailable]);
    }
    for downtime in &summary.downtimes {
        if !summary.services.iter().any(|change| change.service == downtime.service) {
            let unavailable = unavailable(summary, &downtime.service).unwrap_or_default();
            rows.push([one_line(&downtime.service), String::new(), unavailable]);
        }
    }
    if rows.is_empty() {
        return;
    }
    let widest = |column: usize| {
        rows.iter().map(|row| console::measure_text_width(&row[column])).max().unwrap_or(0)
    };
    let (names, changes) = (widest(0), widest(1));
    let gap = if changes == 0 { "" } else { "  " };
    lines.extend([String::new(), paint.bold("Services")]);
    for [name, change, unavailable] in &rows {
        let (name, change) = (pad(name, names), pad(change, changes));
        let line = format!("  {name}  {change}{gap}{unavailable}");
        lines.push(line.trim_end().to_owned());
    }
}

/// Only the tags where the rest stays the same.
fn change_of(service: &ServiceChange) -> String {
    let (before, after) = change(service);
    let repository = repository(&service.before);
    let tag = |text: &str| Some(text.strip_prefix(repository)?.strip_prefix(':')?.to_owned());
    one_line(&match (tag(&before), tag(&after)) {
        (Some(before), Some(after)) => transition(&before, &after),
        (Some(before), None) if after == UNCHANGED => transition(&before, UNCHANGED),
        _ => transition(&before, &after),
    })
}

fn unavailable(summary: &Summary, service: &str) -> Option<String> {
    let downtime = summary.downtimes.iter().find(|downtime| downtime.service == service)?;
    Some(match downtime.ms {
        Some(ms) => format!("unavailable for {}", duration(ms)),
        None => "has not come back".into(),
    })
}
