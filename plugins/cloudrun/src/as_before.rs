//! Whether a rollback has brought everything back.

use tessallite_up_sdk::gcloud::{self, RouteChange, Service};
use tessallite_up_sdk::prelude::*;
use tessallite_up_sdk::schemas;

use crate::migration::{moved, told_before};
use crate::options::Options;
use crate::plan::{FORMER, PROJECT, REGION, TAG};
use crate::rollback::{MOVED, PINNED, PINNED_TAGS, RESTORED, former, route};
use crate::standing::sorted;
use crate::steps::of_services;
use crate::traffic::{Former, shares, told};
use crate::verify::{ask_all, patiently};
use crate::{gate, kept};

/// # Errors
/// `Failed` with what is not as it was.
pub fn verify(facts: Facts, options: &Options) -> Result<Outcome, Error> {
    patiently(|| routed_as_before(facts))?;
    let routes = facts.below(FORMER).filter_map(|(name, _)| route(name, facts)).collect();
    gate::wait(&of_services(&RouteChange { routes }, facts, options))
        .map_err(|error| kept::explained(error, facts))?;
    let mut outcome = Outcome::default().line(traffic_line(facts));
    let told = || same_migration(facts, options);
    // What was not brought back does not become that of before by waiting.
    let same = if facts.get(RESTORED).is_some() { patiently(told) } else { told() };
    if let Err(error) = same {
        outcome = outcome.line(migration_stays(error, facts)?);
    }
    if let Some(why) = schemas_moved(facts, options)? {
        outcome = outcome.line(migration_stays(Error::Failed(why), facts)?);
    }
    outcome.report.extend(kept::line(facts));
    outcome.report.extend(pinned_now(facts));
    Ok(outcome)
}

/// Only a database that was brought back has to be that of before.
fn migration_stays(error: Error, facts: Facts) -> Result<String, Error> {
    if facts.get(RESTORED).is_some() {
        return Err(error);
    }
    Ok(format!(
        "warning: the database was not brought back, and is not as before: {}",
        error.text()
    ))
}

/// Somebody else has moved its traffic, and it was left so.
fn is_moved(name: &str, facts: Facts) -> bool {
    facts.get(&format!("{MOVED}{name}")).is_some()
}

fn traffic_line(facts: Facts) -> String {
    let moved: Vec<String> =
        facts.below(MOVED).map(|(name, now)| format!("{name} ({now})")).collect();
    match moved.is_empty() {
        true => "the traffic is that of before".into(),
        false => format!(
            "the traffic is that of before, but for what somebody else has moved, which was left: \
             {}",
            moved.join("; ")
        ),
    }
}

fn routed_as_before(facts: Facts) -> Result<(), Error> {
    let services = gcloud::list_services()?;
    let wrong: Vec<String> = facts
        .below(FORMER)
        .filter(|(name, _)| !is_moved(name, facts))
        .filter_map(|(name, _)| {
            let former = former(name, facts)?;
            let tag = facts.get(&format!("{TAG}{name}"))?;
            match services.iter().find(|service| service.name == name) {
                Some(service) => not_routed_as(service, &former, tag),
                None => Some(format!("{name} is gone from the region")),
            }
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(wrong.join("; "))) }
}

fn not_routed_as(service: &Service, former: &Former, tag: &str) -> Option<String> {
    let now = shares(&service.targets);
    if sorted(&now) != sorted(&former.shares) {
        return Some(format!("{} has {}, not {}", service.name, told(&now), former.told()));
    }
    if let Some((tag, revision)) = former.tags.iter().find(|tag| !leads(service, tag)) {
        return Some(format!("the tag {tag} of {} does not lead to {revision}", service.name));
    }
    let is_left = service.targets.iter().any(|target| target.tag.as_deref() == Some(tag));
    is_left.then(|| format!("{} has the tag {tag} still", service.name))
}

fn leads(service: &Service, (tag, revision): &(String, String)) -> bool {
    let of_tag = service.targets.iter().find(|target| target.tag.as_ref() == Some(tag));
    of_tag.is_some_and(|target| target.revision == *revision)
}

fn schemas_moved(facts: Facts, options: &Options) -> Result<Option<String>, Error> {
    let Some(connection) = options.connection else {
        return Ok(None);
    };
    let now = schemas::read(connection, options.migration_table)?;
    let moved: Vec<String> = schemas::remembered(facts)
        .iter()
        .filter(|(schema, old)| now.get(*schema) != Some(*old))
        .map(|(schema, old)| {
            let now = now.get(schema).map_or("nothing", String::as_str);
            format!("the schema {schema} is at {now}, not at {old}")
        })
        .collect();
    Ok((!moved.is_empty()).then(|| moved.join("; ")))
}

/// What keeps a later deployment from getting traffic, and how to end it.
fn pinned_now(facts: Facts) -> Vec<String> {
    let names: Vec<&str> = facts.below(PINNED).map(|(name, _)| name).collect();
    let mut lines = Vec::new();
    if !names.is_empty() {
        lines.push(format!(
            "pinned to their former revisions now: {}. Their latest revisions are those of the \
             upgrade, so a later deployment gets no traffic by itself. The next upgrade unpins \
             them; by hand, once the latest revision is a good one:",
            names.join(", ")
        ));
        lines.extend(names.iter().map(|name| update(name, "--to-latest", facts)));
    }
    for (name, tags) in facts.below(PINNED_TAGS) {
        let follow: Vec<String> = tags.split(',').map(|tag| format!("{tag}=LATEST")).collect();
        lines.push(format!(
            "tags of {name} that lead to their former revisions now, and do not follow the latest \
             any more: {tags}. To have them follow it again: {}",
            update(name, &format!("--update-tags {}", follow.join(",")), facts)
        ));
    }
    lines
}

fn update(name: &str, how: &str, facts: Facts) -> String {
    let place = |fact| facts.get(fact).unwrap_or_default();
    format!(
        "gcloud run services update-traffic {name} {how} --region {} --project {}",
        place(REGION),
        place(PROJECT)
    )
}

/// What the services told before, they tell again.
///
/// # Errors
/// `Failed` with what is told instead.
pub fn same_migration(facts: Facts, options: &Options) -> Result<(), Error> {
    let mut wrong = Vec::new();
    let told = ask_all(options, &mut wrong);
    let moved = moved(&told_before(facts), &told);
    if moved.is_empty() { Ok(()) } else { Err(Error::Failed(moved.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};

    #[test]
    fn traffic_is_as_before_in_any_order_and_without_the_tag() {
        let former =
            Former::of(&service("a", vec![target("a-1", 90, false), target("a-0", 10, false)]));
        let mut now = service("a", vec![target("a-0", 10, false), target("a-1", 90, false)]);
        assert_eq!(not_routed_as(&now, &former, "up-t"), None);
        now.targets.push(gcloud::Target { tag: Some("up-t".into()), ..target("a-2", 0, false) });
        assert!(
            not_routed_as(&now, &former, "up-t").is_some_and(|why| why.contains("the tag up-t"))
        );
        let other = service("a", vec![target("a-2", 100, true)]);
        assert!(
            not_routed_as(&other, &former, "up-t")
                .is_some_and(|why| why.contains("100 % on a-2, not 90 %"))
        );
    }

    #[test]
    fn what_somebody_else_has_moved_is_left_and_told() {
        assert_eq!(traffic_line(Facts(&[])), "the traffic is that of before");
        let plan = Plan::new().fact("moved.a", "100 % on a-3");
        let facts = Facts(&plan.facts);
        assert!(is_moved("a", facts) && !is_moved("b", facts));
        assert!(traffic_line(facts).ends_with("which was left: a (100 % on a-3)"));
    }

    #[test]
    fn tags_have_to_lead_to_the_revisions_of_before() {
        let tagged = |revision: &str, latest| {
            let tag = Some("newest".to_owned());
            gcloud::Target { tag, ..target(revision, 0, latest) }
        };
        let with = |tag| service("a", vec![target("a-1", 100, false), tag]);
        let former = Former::of(&with(tagged("a-1", true)));
        assert_eq!(not_routed_as(&with(tagged("a-1", false)), &former, "up-t"), None);
        for now in [with(tagged("a-2", true)), service("a", vec![target("a-1", 100, false)])] {
            let why = not_routed_as(&now, &former, "up-t");
            assert_eq!(why.as_deref(), Some("the tag newest of a does not lead to a-1"));
        }
    }

    #[test]
    fn only_a_database_that_was_brought_back_has_to_be_that_of_before() {
        let moved = || Error::Failed("model-service tells 0008, not 0007".into());
        assert!(migration_stays(moved(), Facts(&[])).unwrap().contains("warning"));
        let plan = Plan::new().fact(RESTORED, "true");
        assert_eq!(migration_stays(moved(), Facts(&plan.facts)), Err(moved()));
    }

    #[test]
    fn what_is_pinned_since_is_told_with_the_command() {
        let plan =
            Plan::new().fact("pinned.gateway", "true").fact("region", "r1").fact("project", "p");
        let lines = pinned_now(Facts(&plan.facts));
        assert_eq!(
            lines[1],
            "gcloud run services update-traffic gateway --to-latest --region r1 --project p"
        );
        assert!(pinned_now(Facts(&[])).is_empty());
        let plan = Plan::new().fact("pinned-tags.gateway", "live,newest").fact("region", "r1");
        assert!(
            pinned_now(Facts(&plan.facts))[0].contains(
                "update-traffic gateway --update-tags live=LATEST,newest=LATEST --region"
            )
        );
    }
}
