//! Carrying out the steps of the plan.

use tessallite_up_sdk::gcloud::{self, BackupChange, DeployChange, RouteChange};
use tessallite_up_sdk::prelude::*;

use crate::expected;
use crate::gate::{self, Ask};
use crate::options::Options;
use crate::plan::TAG;

/// How long a revision may take to answer well once it has traffic.
pub const SOON_S: u32 = 30;

/// # Errors
/// Those of the calls; `Failed` where the backup is not among those that can be restored.
pub fn back_up(step: &Step) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        if let Effect::InstanceBackup(change) = effect {
            outcome = outcome.line(taken(change)?);
        } else {
            carry_out(effect)?;
        }
    }
    Ok(outcome)
}

/// A backup counts once the instance lists it as successful.
fn taken(change: &BackupChange) -> Result<String, Error> {
    let backup = gcloud::create_backup(change)?;
    let listed = gcloud::list_backups()?;
    let is_it = |other: &gcloud::Backup| {
        other.description == change.description && other.status == "SUCCESSFUL"
    };
    if !listed.iter().any(is_it) {
        return Err(Error::Failed(format!(
            "the backup {} ({:?}) is not listed as SUCCESSFUL, so it could not be gone back to: \
             gcloud sql backups list shows what became of it",
            backup.id, change.description
        )));
    }
    Ok(format!(
        "the backup {} of {} has the state of before ({:?}); it stays until somebody deletes it",
        backup.id, backup.started_at, change.description
    ))
}

/// Nobody meets a revision that was not probed: all of the step's revisions answer at their
/// tags before the traffic of any of them moves, and tell the expected migration.
///
/// # Errors
/// Those of the calls, and of the gates.
pub fn deploy(
    request: &Request,
    step: &Step,
    facts: Facts,
    options: &Options,
) -> Result<Outcome, Error> {
    for effect in &step.effects {
        carry_out(effect)?;
        match effect {
            Effect::RunDeploy(change) => {
                gate::wait(&of_revisions(change, facts, options))?;
                expected::told(&change.revisions, request, facts, options)?;
            }
            Effect::RunRoute(change) => {
                gate::wait(&soon(of_services(change, facts, options)))?;
                gate::wait(&soon(of_tags(change, facts, options)))?;
            }
            _ => {}
        }
    }
    Ok(Outcome::default())
}

fn of_revisions(change: &DeployChange, facts: Facts, options: &Options) -> Vec<Ask> {
    let asked = change.revisions.iter().filter(|new| !options.never_asked(&new.service));
    asked.map(|new| Ask::new(&new.service, Some(&new.tag), facts, options)).collect()
}

/// Users meet it by now, and it was well a moment ago: nobody waits for long.
pub fn soon(mut asks: Vec<Ask>) -> Vec<Ask> {
    for ask in &mut asks {
        ask.within(SOON_S);
    }
    asks
}

/// What the users of the services meet.
pub fn of_services(change: &RouteChange, facts: Facts, options: &Options) -> Vec<Ask> {
    let asked = change.routes.iter().filter(|route| !options.never_asked(&route.service));
    asked.map(|route| Ask::new(&route.service, None, facts, options)).collect()
}

/// While a service's own address is answered by several revisions, the new one is asked by
/// itself, too.
fn of_tags(change: &RouteChange, facts: Facts, options: &Options) -> Vec<Ask> {
    let shared = change.routes.iter().filter(|route| route.untag.is_empty());
    shared
        .filter(|route| !options.never_asked(&route.service))
        .filter_map(|route| {
            let tag = facts.get(&format!("{TAG}{}", route.service))?;
            Some(Ask::new(&route.service, Some(tag), facts, options))
        })
        .collect()
}

/// # Errors
/// Those of the gate.
pub fn soak(facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let asked = options.own().filter(|name| !options.never_asked(name));
    let asks: Vec<Ask> = asked.map(|name| Ask::new(name, None, facts, options)).collect();
    gate::soak(&asks, options.soak_s)?;
    Ok(Outcome::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Kind;
    use crate::work::tests::job_of;
    use tessallite_up_sdk::Fact;

    fn places(asks: &[Ask]) -> Vec<(&str, Option<&str>)> {
        asks.iter().map(|ask| (ask.service.as_str(), ask.tag.as_deref())).collect()
    }

    #[test]
    fn revisions_are_asked_at_their_tags_but_for_those_that_have_no_health() {
        let request = Request::upgrade_to("2").set("services.b.health", "none");
        let options = Options::of(&request).unwrap();
        let revisions = ["a", "b"].map(|name| job_of(name, Kind::Latest).new_revision()).to_vec();
        let asks = of_revisions(&DeployChange { revisions }, Facts(&[]), &options);
        assert_eq!(places(&asks), [("a", Some("up-t"))]);
    }

    #[test]
    fn a_share_is_asked_for_at_both_addresses_and_everything_at_one() {
        let request = Request::upgrade_to("2").set("traffic", "10,100");
        let options = Options::of(&request).unwrap();
        let facts = [Fact { name: "tag.a".into(), value: "up-t".into() }];
        let job = job_of("a", Kind::Latest);
        let mut changes = job.routes(&options).into_iter();
        let mut change = || RouteChange { routes: changes.next().into_iter().collect() };
        let part = change();
        assert_eq!(places(&of_services(&part, Facts(&facts), &options)), [("a", None)]);
        assert_eq!(places(&of_tags(&part, Facts(&facts), &options)), [("a", Some("up-t"))]);
        let everything = change();
        assert!(of_tags(&everything, Facts(&facts), &options).is_empty());
    }
}
