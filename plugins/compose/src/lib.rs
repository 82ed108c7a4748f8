//! The bundled procedure for Tessallite on Docker Compose.
//!
//! `make_plan` is the preflight: it reads everything, refuses with every reason at
//! once, and plans backup → pull → pin → one deployment a level → soak → verify.
//! `apply` carries out one of these steps and waits at its gate.

mod levels;
mod members;
mod migration;
mod options;
mod plan;
mod preflight;
mod reference;
mod rollback;
mod survey;
mod targets;
mod verify;

use options::Options;
use tessallite_up_sdk::prelude::*;

struct Compose;

impl Procedure for Compose {
    fn describe() -> Description {
        Description::new(
            "compose",
            env!("CARGO_PKG_VERSION"),
            "Upgrades Tessallite on Docker Compose",
        )
        .target("compose")
        .request("docker.get-engine", "check the engine and the space for images")
        .request("docker.list-services", "find the services, their images and their order")
        .request("docker.get-service", "wait until a service is healthy")
        .request("docker.check-health", "run a health check that has given no verdict yet")
        .request("docker.resolve", "check that every image is in its registry")
        .request("docker.preview-pin", "check that the project's files can be written")
        .request("docker.pull", "pull the images before any service stops")
        .request("docker.pin", "write the new images into the project's files")
        .request("docker.deploy", "recreate the services, level by level")
        .request("docker.unpin", "rollback: put the project's files back")
        .request("docker.revert", "rollback: recreate the services on the images of before")
        .request("docker.stop", "stop the services before the database goes back")
        .request("sql.get-database", "check the server's version and the size of a dump")
        .request("sql.query", "read the migration of every schema, before and after")
        .request("sql.get-dump-target", "check the space for the backup")
        .request("sql.dump", "back up the database before anything changes")
        .request("sql.compare", "rollback: see whether the upgrade has changed the database")
        .request("sql.restore", "rollback: bring the database back if it has")
        .request("http.get", "ask the services for their health")
    }

    fn make_plan(request: &Request) -> Result<Proposal, Refusal> {
        let options = Options::of(request).map_err(Refusal::Usage)?;
        let Intent::Upgrade(upgrade) = &request.intent;
        let survey = survey::look(&options)?;
        let targets = targets::choose(&survey, upgrade, &options)?;
        preflight::check(&survey, &targets, upgrade, &options)?;
        Ok(plan::make(request, upgrade, &survey, &targets, &options).into())
    }

    fn make_rollback(request: &Request, upgrade: &Plan) -> Result<Proposal, Refusal> {
        let options = Options::of(request).map_err(Refusal::Usage)?;
        Ok(rollback::make(request, upgrade, &options)?.into())
    }

    fn apply(request: &Request, step: &Step, facts: &[Fact]) -> Result<Outcome, Error> {
        let options = Options::of(request).map_err(Error::Invalid)?;
        let facts = Facts(facts);
        if let Some(back) = rollback::apply(request, step, facts, &options) {
            return back;
        }
        match step.id.as_str() {
            plan::SOAK => {
                soak(options.soak_s);
                Ok(Outcome::default())
            }
            plan::VERIFY => verify::verify(request, facts, &options),
            _ => {
                carry_out_all(&step.effects)?;
                gate::wait_until_healthy(&plan::gates(step, facts, &options))?;
                Ok(Outcome::default())
            }
        }
    }
}

/// The host watches the services; all there is to do is to give it the time.
fn soak(seconds: u32) {
    let end = host::elapsed() + u64::from(seconds) * 1000;
    loop {
        let left = end.saturating_sub(host::elapsed());
        if left == 0 {
            return;
        }
        host::sleep(u32::try_from(left).unwrap_or(u32::MAX).min(1_000));
    }
}

export!(Compose);
