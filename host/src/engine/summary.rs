//! How a run ended, in words that a person can act on.

use std::collections::BTreeMap;
use std::path::Path;

use super::permit::Ledger;
use super::plan::Plan;
use crate::contract::{Effect, Impact};
use crate::report::event::{BackupView, Ending, ServiceChange};

/// The backup that the run has taken, if it has.
pub(super) fn backup(ledger: &Ledger, backup_dir: &Path) -> Option<BackupView> {
    let finished = ledger.finished();
    let (_, result) = finished.iter().find(|(effect, _)| matches!(effect, Effect::SqlDump(_)))?;
    let backup: crate::contract::sql::Backup = serde_json::from_value(result.clone()).ok()?;
    let path = crate::capability::sql::dump_path(backup_dir, &backup.label);
    let (bytes, sha256, tables) = (backup.bytes, backup.sha256, backup.tables);
    Some(BackupView { path: path.display().to_string(), bytes, sha256, tables })
}

/// The services whose deployment finished, and was not taken back.
pub(super) fn deployed(ledger: &Ledger, plan: &Plan) -> Vec<ServiceChange> {
    let finished = ledger.finished();
    let finished = || finished.iter().map(|(effect, _)| effect);
    match plan.is_on_google_cloud() {
        true => served_by_new(plan, finished()),
        false => named(plan, finished()),
    }
}

/// Those whose traffic was moved last to a revision of this plan: one without traffic has
/// changed nothing for anybody yet.
fn served_by_new<'a>(plan: &Plan, effects: impl Iterator<Item = &'a Effect>) -> Vec<ServiceChange> {
    let steps = plan.steps.iter().flat_map(|planned| &planned.step.effects);
    let revisions = steps.filter_map(|effect| match effect {
        Effect::RunDeploy(change) => Some(&change.revisions),
        _ => None,
    });
    let new: Vec<&str> = revisions.flatten().map(|new| new.name.as_str()).collect();
    let routes = effects.filter_map(|effect| match effect {
        Effect::RunRoute(change) => Some(&change.routes),
        _ => None,
    });
    let mut last = BTreeMap::new();
    for route in routes.flatten() {
        let is_new = route.shares.iter().any(|share| new.contains(&share.revision.as_str()));
        last.insert(route.service.as_str(), is_new);
    }
    let is_served = |change: &&ServiceChange| last.get(change.service.as_str()) == Some(&true);
    plan.services.iter().filter(is_served).cloned().collect()
}

/// What the state is now and what to do about it.
pub(super) fn advice(
    ending: Ending,
    ledger: &Ledger,
    plan: &Plan,
    backup: Option<&BackupView>,
) -> Vec<String> {
    let mut lines = Vec::new();
    if matches!(ending, Ending::Done | Ending::NothingToDo) {
        return lines;
    }
    if ending == Ending::RolledBack {
        went_back(&mut lines, ledger, plan);
        return lines;
    }
    if !ledger.touched() {
        lines.push(
            "The installation is as it was: its services, files and data were not touched.".into(),
        );
        return lines;
    }
    state(&mut lines, ledger, plan);
    if let Some(backup) = backup {
        lines.push(format!("The database of before is in {}.", backup.path));
    }
    for (effect, _) in ledger.finished() {
        if let Effect::InstanceBackup(change) = effect {
            let description = &change.description;
            lines.push(format!("The database of before is in the backup {description:?}."));
        }
    }
    let look = match plan.is_on_google_cloud() {
        true => "gcloud run services describe SERVICE, gcloud run services logs read SERVICE",
        false => "docker compose ps -a, docker compose logs SERVICE",
    };
    lines.push(format!("Look at the services first: {look}."));
    lines
}

/// Nothing that ever was is gone: where it is now.
fn went_back(lines: &mut Vec<String>, ledger: &Ledger, plan: &Plan) {
    lines.push(as_it_was(ledger, plan));
    for (effect, result) in ledger.finished() {
        // Both kinds of restore say it with the same name.
        let kept = match effect {
            _ if result["restored"] != true => continue,
            Effect::SqlRestore(change) => format!("as {}", change.keep_as),
            Effect::InstanceRestore(change) => format!("in the backup {:?}", change.safety),
            _ => continue,
        };
        lines.push(format!(
            "The database as the upgrade left it, with the writes since the backup, is kept \
             {kept}: look into it, and drop it when nobody needs it any more."
        ));
    }
}

fn as_it_was(ledger: &Ledger, plan: &Plan) -> String {
    if !plan.is_on_google_cloud() {
        return "The installation is as it was: its services, files and data.".into();
    }
    let finished = ledger.finished();
    let restore = finished.iter().find(|(effect, _)| matches!(effect, Effect::InstanceRestore(_)));
    match restore {
        Some((_, result)) if result["restored"] == true => {
            "The installation is as it was: its services and data.".into()
        }
        Some((_, result)) => format!(
            "The services are as they were. The database was not restored: {}.",
            result["reason"].as_str().unwrap_or("nobody says why")
        ),
        None => "The services are as they were. The database was left as it is.".into(),
    }
}

fn state(lines: &mut Vec<String>, ledger: &Ledger, plan: &Plan) {
    let names = |changes: &[ServiceChange]| {
        changes.iter().map(|change| change.service.as_str()).collect::<Vec<_>>().join(", ")
    };
    let begun = ledger.begun();
    if begun.iter().any(|effect| matches!(effect, Effect::DockerPin(_))) {
        lines.push("The project's files name the new images.".into());
    }
    let done = deployed(ledger, plan);
    let tried: Vec<ServiceChange> = named(plan, begun.iter().filter(|e| is_deploy(e)))
        .into_iter()
        .filter(|change| !done.contains(change))
        .collect();
    let waiting: Vec<ServiceChange> = plan
        .services
        .iter()
        .filter(|change| !done.contains(change) && !tried.contains(change))
        .cloned()
        .collect();
    let words = match plan.is_on_google_cloud() {
        true => ["Served by the new revision", "In the middle of it", "Served as before"],
        false => [
            "Recreated on the new image",
            "Left in the middle of being recreated",
            "Still on the old image",
        ],
    };
    for (what, changes) in words.into_iter().zip([done, tried, waiting]) {
        if !changes.is_empty() {
            lines.push(format!("{what}: {}.", names(&changes)));
        }
    }
    let others: Vec<String> = begun
        .iter()
        .filter(|e| {
            e.impact() == Impact::Installation
                && !is_deploy(e)
                && !matches!(e, Effect::DockerPin(_))
        })
        .map(Effect::summary)
        .collect();
    if !others.is_empty() {
        lines.push(format!("Also begun: {}.", others.join("; ")));
    }
}

fn is_deploy(effect: &Effect) -> bool {
    matches!(effect, Effect::DockerDeploy(_) | Effect::RunDeploy(_) | Effect::RunRoute(_))
}

/// The changes of the services that these deployments name.
fn named<'a>(plan: &Plan, effects: impl Iterator<Item = &'a Effect>) -> Vec<ServiceChange> {
    let names: Vec<&str> = effects.filter(|effect| is_deploy(effect)).flat_map(services).collect();
    plan.services.iter().filter(|c| names.contains(&c.service.as_str())).cloned().collect()
}

fn services(effect: &Effect) -> Vec<&str> {
    match effect {
        Effect::DockerDeploy(change) => {
            change.services.iter().map(|deployed| deployed.service.as_str()).collect()
        }
        Effect::RunDeploy(change) => {
            change.revisions.iter().map(|new| new.service.as_str()).collect()
        }
        Effect::RunRoute(change) => change.routes.iter().map(|r| r.service.as_str()).collect(),
        _ => Vec::new(),
    }
}
