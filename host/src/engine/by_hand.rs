//! What is left to do, as commands: this program's own, and those that need nothing but
//! Docker and PostgreSQL, or the gcloud CLI.

use std::path::Path;

use super::plan::Plan;
use super::progress::Direction;
use super::run::{End, Run};
use crate::capability::gcloud::client::Client as Gcloud;
use crate::capability::gcloud::types::Place as CloudPlace;
use crate::capability::sql::dump::{ByHand, by_hand};
use crate::contract::Effect;
use crate::contract::gcloud::{RestoreChange, RestoreWhen, ServiceRoute, Share, Told};

/// What finishes the way back of a run that stopped after it changed the installation.
pub(super) fn commands(run: &Run<'_>) -> Vec<String> {
    let plan = &run.prepared.plan;
    let backups = &run.prepared.installation.target.backup_dir;
    let place = Place {
        plan,
        backups,
        database: run.prepared.installation.target.database_service.as_deref(),
        cloud: run.prepared.installation.services.gcloud().ok().map(Gcloud::place),
        files: run.prepared.installation.services.former_files.list(&plan.run).unwrap_or_default(),
    };
    let begun = run.ledger.begun();
    let is_about_something = |effect: &&Effect| is_touched(effect, &begun);
    left(run).filter(is_about_something).flat_map(|effect| place.commands(effect)).collect()
}

/// The same with this program.
pub(super) fn goes_on(run: &str, end: &End) -> String {
    match end {
        End::Stuck { .. } => format!(
            "Once the cause is mended, tessallite-up resume {run} goes on with the rollback."
        ),
        _ => format!(
            "To go back to what was before: tessallite-up rollback {run}. Where the cause can be \
             mended: tessallite-up resume {run} goes on from here. A new upgrade is refused until then."
        ),
    }
}

/// A service that the upgrade has not come to stays as it is: to name its revision would pin it.
fn is_touched(effect: &Effect, begun: &[Effect]) -> bool {
    let Effect::RunRoute(back) = effect else { return true };
    let deployed = begun.iter().filter_map(|effect| match effect {
        Effect::RunDeploy(change) => Some(&change.revisions),
        _ => None,
    });
    let deployed: Vec<&str> = deployed.flatten().map(|new| new.service.as_str()).collect();
    back.routes.iter().any(|route| deployed.contains(&route.service.as_str()))
}

/// The effects of the rollback that have not finished.
fn left<'a>(run: &'a Run<'_>) -> impl Iterator<Item = &'a Effect> {
    let progress = run.ledger.progress();
    run.prepared.plan.steps_of(Direction::Rollback).iter().flat_map(move |planned| {
        let id = planned.step.id.clone();
        let done = progress.has_finished(&id);
        let progress = progress.clone();
        let effects = planned.step.effects.iter().enumerate();
        effects
            .filter(move |(declared, _)| !done && progress.answer(&id, *declared).is_none())
            .map(|(_, effect)| effect)
    })
}

struct Place<'a> {
    plan: &'a Plan,
    backups: &'a Path,
    database: Option<&'a str>,
    /// Where it is on Google Cloud.
    cloud: Option<&'a CloudPlace>,
    /// What is kept of the project's files: where each is, and where its copy is.
    files: Vec<(std::path::PathBuf, std::path::PathBuf)>,
}

impl Place<'_> {
    fn commands(&self, effect: &Effect) -> Vec<String> {
        match effect {
            Effect::DockerStop(change) => {
                vec![format!("docker compose stop {}", change.services.join(" "))]
            }
            Effect::SqlDump(_) => Vec::new(),
            Effect::SqlRestore(change) => {
                self.restore(&change.label, &change.into, &change.keep_as)
            }
            Effect::DockerUnpin(_) => {
                let copy = |(path, copy): &(std::path::PathBuf, std::path::PathBuf)| {
                    format!("cp {} {}", copy.display(), path.display())
                };
                self.files.iter().map(copy).collect()
            }
            Effect::DockerRevert(change) => {
                let reference = |service: &str| {
                    let known = self.plan.services.iter().find(|known| known.service == service);
                    known.map(|known| known.before.clone())
                };
                let tags = change.services.iter().filter_map(|former| {
                    let reference = reference(&former.service)?;
                    Some(format!("docker tag {} {reference}", former.image_id))
                });
                let names: Vec<&str> = change.services.iter().map(|s| s.service.as_str()).collect();
                let up = format!(
                    "docker compose up --detach --no-deps --pull never {}",
                    names.join(" ")
                );
                tags.chain([up]).collect()
            }
            Effect::RunRoute(change) => {
                change.routes.iter().map(|route| self.route(route)).collect()
            }
            Effect::InstanceRestore(change) => self.restore_instance(change),
            other => vec![format!("(no command is known for: {})", other.summary())],
        }
    }

    fn route(&self, route: &ServiceRoute) -> String {
        let one = |share: &Share| format!("{}={}", share.revision, share.percent);
        let shares: Vec<String> = route.shares.iter().map(one).collect();
        let untag = match route.untag.is_empty() {
            true => String::new(),
            false => format!(" --remove-tags {}", route.untag.join(",")),
        };
        let (service, shares) = (&route.service, shares.join(","));
        let place = self
            .cloud
            .map(|cloud| format!(" --project {} --region {}", cloud.project, cloud.region));
        let place = place.unwrap_or_default();
        format!(
            "gcloud run services update-traffic {service} --to-revisions {shares}{untag}{place}"
        )
    }

    /// The same as the program would do, where the migration has changed.
    fn restore_instance(&self, change: &RestoreChange) -> Vec<String> {
        let Some(cloud) = self.cloud else { return Vec::new() };
        let instance = quoted(cloud.instance.as_deref().unwrap_or("INSTANCE"));
        let at = format!("--instance {instance} --project {}", cloud.project);
        let filter = quoted(&format!("description=\"{}\"", change.backup));
        let id = format!("$(gcloud sql backups list {at} --filter {filter} --format 'value(id)')");
        let when = match &change.when {
            RestoreWhen::Always => Vec::new(),
            RestoreWhen::Changed(told) => told
                .iter()
                .map(|told| {
                    let Told { service, path, field, value } = told;
                    format!(
                        "(the next two only where {service} does not tell {field} {value} at \
                         {path} any more; what was written since is lost)"
                    )
                })
                .take(1)
                .collect(),
        };
        let commands = [
            format!("gcloud sql backups create {at} --description {}", quoted(&change.safety)),
            format!(
                "gcloud sql backups restore \"{id}\" --restore-instance {instance} --project {}",
                cloud.project
            ),
        ];
        when.into_iter().chain(commands).collect()
    }

    /// The same as the program would do, where the schema has changed.
    fn restore(&self, label: &str, into: &str, keep_as: &str) -> Vec<String> {
        let Some(restore) = by_hand(self.backups, label, into, keep_as) else {
            return vec![format!("(there is no whole backup {label} to restore)")];
        };
        let ByHand { dump, is_encrypted, before, after } = restore;
        let dump = quoted(&dump.display().to_string());
        let unpacked = match is_encrypted {
            true => format!("age --decrypt --identity IDENTITY {dump} | zstd -dc"),
            false => format!("zstd -dc {dump}"),
        };
        let inside =
            format!("docker compose exec -T {} sh -c", self.database.unwrap_or("postgres"));
        let psql = |lines: &[String]| {
            let lines: Vec<String> = lines.iter().map(|line| quoted(line)).collect();
            let psql = "psql -X -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d postgres";
            format!("printf '%s\\n' {} | {inside} '{psql}'", lines.join(" "))
        };
        let pg_restore = "pg_restore -U \"$POSTGRES_USER\" --single-transaction --exit-on-error \
            -d \"$0\"";
        vec![
            psql(&before),
            format!("{unpacked} | {inside} '{pg_restore}' {}", quoted(into)),
            psql(&after),
        ]
    }
}

/// One word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
