//! Carrying out the way back.

use tessallite_up_sdk::gcloud::{self, RestoreChange, RouteChange, ServiceRoute};
use tessallite_up_sdk::prelude::*;

use crate::as_before::same_migration;
use crate::migration::told_before;
use crate::options::Options;
use crate::plan::{INSTANCE, REVISION, TAG};
use crate::rollback::{KEPT, MOVED, PINNED, PINNED_TAGS, RESTORED, former};
use crate::standing::{self, Standing};
use crate::steps::of_services;
use crate::traffic::Kind;
use crate::verify::patiently;
use crate::{gate, kept};

/// How long a service is asked that may not answer before all is back.
const SHORT_S: u32 = 10;
/// Where the database is going to be restored: what runs only on that of before cannot answer
/// until then, and waiting prolongs the outage.
const SHORTEST_S: u32 = 2;

/// # Errors
/// That of the route. What the service answers then is for the last step to judge.
pub fn send_back(
    request: &Request,
    step: &Step,
    facts: Facts,
    options: &Options,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for effect in &step.effects {
        let Effect::RunRoute(change) = effect else {
            carry_out(effect)?;
            continue;
        };
        // Each service has a step of its own.
        let mut goes_back = false;
        for ServiceRoute { service, .. } in &change.routes {
            let standing = standing(service, facts);
            goes_back |= matches!(standing, Standing::Ours { .. });
            outcome = noted(outcome, service, &standing, facts);
        }
        if !goes_back {
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
        answer_again(change, facts, options, patience_s(request, facts));
    }
    Ok(outcome)
}

/// The former revisions may need what goes back only later: the services that they ask, and
/// the database. So nothing ends here: the last step is the one that insists.
fn answer_again(change: &RouteChange, facts: Facts, options: &Options, seconds: u32) {
    let mut asks = of_services(change, facts, options);
    for ask in &mut asks {
        ask.within(seconds);
    }
    if let Err(error) = gate::wait(&asks) {
        let text = format!("{}; it is asked again in the end", error.text());
        host::log(Level::Warn, &text);
    }
}

fn patience_s(request: &Request, facts: Facts) -> u32 {
    let Intent::Upgrade(wanted) = &request.intent;
    let is_told = !told_before(facts).is_empty();
    let is_restored = facts.get(INSTANCE).is_some() && is_told && !wanted.keeps_compatibility;
    if is_restored { SHORTEST_S } else { SHORT_S }
}

/// A service that cannot be read is sent back.
fn standing(name: &str, facts: Facts) -> Standing {
    let seen = || {
        let former = former(name, facts)?;
        let tag = facts.get(&format!("{TAG}{name}"))?;
        let revision = facts.get(&format!("{REVISION}{name}")).unwrap_or_default();
        let now = gcloud::get_service(name).ok()?;
        Some(standing::of(&now, &former, revision, tag))
    };
    seen().unwrap_or(Standing::Ours { others: None })
}

/// What is to be said and remembered of a service before anything is done with it.
fn noted(outcome: Outcome, name: &str, standing: &Standing, facts: Facts) -> Outcome {
    let recorded = former(name, facts).map(|former| former.told()).unwrap_or_default();
    match standing {
        Standing::Moved(now) => outcome.fact(&format!("{MOVED}{name}"), now.clone()).line(format!(
            "{name}: somebody else has moved its traffic ({now}; it was {recorded}), and \
                 nothing of it is this run's: it was left as it is"
        )),
        Standing::Ours { others: Some(others) } => outcome.line(format!(
            "{name}: somebody else had moved some of its traffic ({others}), and some was this \
             run's: it went back to what was recorded ({recorded})"
        )),
        Standing::Ours { others: None } | Standing::Untouched => outcome,
    }
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

    #[test]
    fn nobody_waits_long_for_what_needs_the_database_of_before() {
        let mut plan = Plan::new()
            .fact("migration.a", "7")
            .fact("migration-path.a", "/health")
            .fact("migration-field.a", "db_migration");
        let mut request = Request::upgrade_to("2");
        assert_eq!(patience_s(&request, Facts(&plan.facts)), SHORT_S);
        plan = plan.fact(INSTANCE, "db");
        assert_eq!(patience_s(&request, Facts(&plan.facts)), SHORTEST_S);
        assert_eq!(patience_s(&request, Facts(&plan.facts[3..])), SHORT_S);
        let Intent::Upgrade(wanted) = &mut request.intent;
        wanted.keeps_compatibility = true;
        assert_eq!(patience_s(&request, Facts(&plan.facts)), SHORT_S);
    }

    #[test]
    fn what_others_have_moved_is_told_and_remembered_where_it_is_left() {
        let plan = Plan::new().fact("former.a", "latest a-1=100");
        let facts = Facts(&plan.facts);
        let noted = |standing| noted(Outcome::default(), "a", &standing, facts);
        let left = noted(Standing::Moved("100 % on a-3".into()));
        assert_eq!(Facts(&left.facts).get("moved.a"), Some("100 % on a-3"));
        assert!(left.report[0].contains("(100 % on a-3; it was 100 % on a-1)"));
        let partly = noted(Standing::Ours { others: Some("50 % on a-3".into()) });
        assert!(partly.facts.is_empty() && partly.report[0].contains("it went back to what was"));
        for silent in [Standing::Untouched, Standing::Ours { others: None }] {
            assert!(noted(silent).report.is_empty());
        }
    }
}
