//! Carrying out the way back.

use tessallite_up_sdk::gcloud::{self, RestoreChange, RouteChange, Service, ServiceRoute};
use tessallite_up_sdk::prelude::*;

use crate::as_before::same_migration;
use crate::options::Options;
use crate::plan::{REVISION, TAG};
use crate::rollback::{KEPT, PINNED, PINNED_TAGS, RESTORED, former};
use crate::steps::of_services;
use crate::traffic::{Former, Kind};
use crate::verify::patiently;
use crate::{gate, kept};

/// How long a service is asked that may not answer before all is back.
const SHORT_S: u32 = 10;

/// # Errors
/// That of the route. What the service answers then is for the last step to judge.
pub fn send_back(step: &Step, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        let Effect::RunRoute(change) = effect else {
            carry_out(effect)?;
            continue;
        };
        if change.routes.iter().all(|route| is_untouched(&route.service, facts)) {
            continue;
        }
        gcloud::route(change)?;
        for ServiceRoute { service, .. } in &change.routes {
            let Some(former) = former(service, facts) else { continue };
            if former.kind == Kind::Latest {
                outcome = outcome.fact(&format!("{PINNED}{service}"), "true");
            }
            if !former.tags.is_empty() {
                let tags: Vec<&str> = former.tags.iter().map(|(tag, _)| tag.as_str()).collect();
                outcome = outcome.fact(&format!("{PINNED_TAGS}{service}"), tags.join(","));
            }
        }
        answer_again(change, facts, options);
    }
    Ok(outcome)
}

/// The former revisions may need what goes back only later: the services that they ask, and
/// the database. So nothing ends here: the last step is the one that insists.
fn answer_again(change: &RouteChange, facts: Facts, options: &Options) {
    let mut asks = of_services(change, facts, options);
    for ask in &mut asks {
        ask.within(SHORT_S);
    }
    if let Err(error) = gate::wait(&asks) {
        let text = format!("{}; it is asked again in the end", error.text());
        host::log(Level::Warn, &text);
    }
}

fn is_untouched(name: &str, facts: Facts) -> bool {
    let (Some(former), Some(tag)) = (former(name, facts), facts.get(&format!("{TAG}{name}")))
    else {
        return false;
    };
    let revision = facts.get(&format!("{REVISION}{name}")).unwrap_or_default();
    gcloud::get_service(name).is_ok_and(|now| looks_untouched(&now, &former, revision, tag))
}

/// Neither the run's revision nor its tag is there, nor is anything on its way that could bring
/// them, and the traffic is as it was, with all the tags that follow the latest. Tags that others
/// have set since are not ours to judge.
fn looks_untouched(now: &Service, former: &Former, revision: &str, tag: &str) -> bool {
    let is_ours =
        |target: &gcloud::Target| target.revision == revision || target.tag.as_deref() == Some(tag);
    let as_now = Former::of(now);
    now.ready
        && now.latest_created_revision != revision
        && !now.targets.iter().any(is_ours)
        && (as_now.kind, &as_now.shares) == (former.kind, &former.shares)
        && former.tags.iter().all(|tag| as_now.tags.contains(tag))
}

/// # Errors
/// Those of the calls; `Failed` where the database has to go back, and there is no backup.
pub fn bring_back(step: &Step, facts: Facts, options: &Options) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        let Effect::InstanceRestore(change) = effect else {
            carry_out(effect)?;
            continue;
        };
        if !is_backed_up(&change.backup)? {
            patiently(|| same_migration(facts, options))
                .map_err(|error| no_backup(change, &error))?;
            return Ok(outcome.line("no backup was made yet: the database stays as it is"));
        }
        let done = gcloud::restore_backup(change)?;
        if done.restored {
            outcome = outcome.fact(RESTORED, "true").line(format!(
                "the database is that of the backup {:?}: {}",
                change.backup, done.reason
            ));
            continue;
        }
        outcome = outcome.line(format!("the database was not brought back: {}", done.reason));
        // The operator keeps it. The step is done, and is not taken up again for it.
        if kept::is_migrated(facts, options) {
            outcome = outcome.fact(KEPT, kept::by_hand(change, facts));
        }
    }
    Ok(outcome)
}

fn is_backed_up(description: &str) -> Result<bool, Error> {
    let backups = gcloud::list_backups()?;
    Ok(backups.iter().any(|b| b.description == description && b.status == "SUCCESSFUL"))
}

fn no_backup(change: &RestoreChange, error: &Error) -> Error {
    Error::Failed(format!(
        "the database has to go back, but the instance lists no successful backup {:?}: {}. Restore \
         another one by hand: gcloud sql backups list",
        change.backup,
        error.text()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};

    #[test]
    fn a_service_that_the_upgrade_did_not_come_to_is_told_from_one_that_it_did() {
        let now = service("a", vec![target("a-1", 100, true)]);
        let former = Former::of(&now);
        assert!(looks_untouched(&now, &former, "a-2", "up-t"));
        let held = service("a", vec![target("a-1", 100, false)]);
        assert!(!looks_untouched(&held, &former, "a-2", "up-t"));
        let created = Service { latest_created_revision: "a-2".into(), ..now.clone() };
        assert!(!looks_untouched(&created, &former, "a-2", "up-t"));
        let unsettled = Service { ready: false, ..now.clone() };
        assert!(!looks_untouched(&unsettled, &former, "a-2", "up-t"));
        let mut tagged = now.clone();
        tagged.targets.push(gcloud::Target { tag: Some("up-t".into()), ..target("a-1", 0, false) });
        assert!(!looks_untouched(&tagged, &former, "a-2", "up-t"));
    }

    #[test]
    fn a_tag_that_is_held_was_touched_and_one_that_others_have_set_since_says_nothing() {
        let with = |tags: &[(&str, bool)]| {
            let mut targets = vec![target("a-1", 100, true)];
            targets.extend(tags.iter().map(|(tag, latest)| gcloud::Target {
                tag: Some((*tag).into()),
                ..target("a-1", 0, *latest)
            }));
            service("a", targets)
        };
        let former = Former::of(&with(&[("newest", true)]));
        let untouched = |now: &Service| looks_untouched(now, &former, "a-2", "up-t");
        assert!(untouched(&with(&[("newest", true), ("theirs", true)])));
        assert!(!untouched(&with(&[("newest", false)])));
    }
}
