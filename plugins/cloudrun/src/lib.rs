//! The bundled procedure for Tessallite on Google Cloud Run and Cloud SQL.
//!
//! `make_plan` is the preflight: it reads everything, refuses with every reason at once, and
//! plans backup → one deployment a service → soak → verify. Each deployment creates a
//! revision without traffic, asks it at an address of its own, and only then moves traffic
//! to it. `apply` carries out one of these steps.

mod as_before;
mod back;
mod expected;
mod gate;
mod instance;
mod kept;
mod migration;
mod names;
mod notes;
mod options;
mod permissions;
mod plan;
mod preflight;
mod preview;
mod reference;
mod rollback;
mod standing;
mod steps;
mod survey;
mod targets;
mod traffic;
mod untold;
mod verify;
mod work;

use options::Options;
use tessallite_up_sdk::prelude::*;

struct CloudRun;

impl Procedure for CloudRun {
    fn describe() -> Description {
        Description::new(
            "cloudrun",
            env!("CARGO_PKG_VERSION"),
            "Upgrades Tessallite on Google Cloud Run",
        )
        .target("cloudrun")
        .request("gcloud.get-place", "know the project, the region and the instance")
        .request("gcloud.list-services", "find the services, their images and their traffic")
        .request("gcloud.get-service", "see whether a step has been carried out before")
        .request("gcloud.get-revision-image", "know the version that serves where it is pinned")
        .request("gcloud.get-instance", "check that the database can be backed up now")
        .request("gcloud.list-backups", "check that the backup is there and whole")
        .request("gcloud.list-missing-permissions", "find missing permissions on the database")
        .request("gcloud.resolve", "check that every image is in its registry")
        .request("gcloud.probe", "ask services and new revisions for their health")
        .request("gcloud.preview-deploy", "find missing permissions before anything changes")
        .request("gcloud.create-backup", "back up the instance before anything changes")
        .request("gcloud.deploy", "create the new revisions, without traffic")
        .request("gcloud.route", "move the traffic to revisions that were probed, and back")
        .request("gcloud.restore-backup", "rollback: bring the database back if it was migrated")
        .request("sql.query", "read the migration of every schema, where a connection is named")
    }

    fn make_plan(request: &Request) -> Result<Proposal, Refusal> {
        let options = Options::of(request).map_err(Refusal::Usage)?;
        let Intent::Upgrade(upgrade) = &request.intent;
        let survey = survey::look(&options)?;
        let targets = targets::choose(&survey, upgrade, &options)?;
        let jobs = work::jobs(request, upgrade, &survey, &targets, &options);
        preflight::check(request, upgrade, &survey, &targets, &jobs, &options)?;
        Ok(plan::make(request, upgrade, &survey, &targets, &jobs, &options).into())
    }

    fn make_rollback(request: &Request, upgrade: &Plan) -> Result<Proposal, Refusal> {
        let options = Options::of(request).map_err(Refusal::Usage)?;
        Ok(rollback::make(request, upgrade, &options).into())
    }

    fn apply(request: &Request, step: &Step, facts: &[Fact]) -> Result<Outcome, Error> {
        let options = Options::of(request).map_err(Error::Invalid)?;
        let facts = Facts(facts);
        if let Some(back) = rollback::apply(request, step, facts, &options) {
            return back;
        }
        match step.id.as_str() {
            plan::BACKUP => steps::back_up(step),
            plan::SOAK => steps::soak(facts, &options),
            plan::VERIFY => verify::verify(request, facts, &options),
            _ => steps::deploy(request, step, facts, &options),
        }
    }
}

export!(CloudRun);
