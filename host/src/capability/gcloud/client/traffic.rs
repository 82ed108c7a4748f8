//! The traffic that is asked for. Pure.

use serde_json::{Value, json};

use crate::capability::gcloud::convert::{follows_latest, percent, short};
use crate::contract::gcloud::{ServiceRoute, Share, Target};

const LATEST: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

/// What serves now, held where it is: a new revision gets none of it, and no tag leads to it.
/// Nothing where what serves is not known in full.
pub(super) fn held(asked: &[Value], in_effect: &[Target]) -> Option<Vec<Value>> {
    let mut held: Vec<Value> = Vec::new();
    for target in in_effect.iter().filter(|target| target.percent > 0) {
        let same = held.iter_mut().find(|value| value["revision"] == target.revision);
        match same {
            Some(same) => same["percent"] = json!(percent(same) + target.percent),
            None => held.push(named(&target.revision, target.percent)),
        }
    }
    let is_whole = held.iter().map(percent).sum::<u32>() == 100
        && held
            .iter()
            .all(|target| target["revision"].as_str().is_some_and(|name| !name.is_empty()));
    let now = |tag: &str| in_effect.iter().find(|target| target.tag.as_deref() == Some(tag));
    let tags = tags_of(asked).map(|(tag, target)| match now(tag) {
        Some(now) if follows_latest(target) => tagged(&now.revision, tag),
        _ => tag_alone(tag, target),
    });
    is_whole.then(|| held.into_iter().chain(tags).collect())
}

/// What a route wants, and the tags that stay.
pub(super) fn routed(asked: &[Value], route: &ServiceRoute) -> Vec<Value> {
    let one = |share: &Share| match share.latest {
        true => json!({"type": LATEST, "percent": share.percent}),
        false => named(&share.revision, share.percent),
    };
    let shares = route.shares.iter().filter(|share| share.percent > 0).map(one);
    let set = |tag: &str| route.tags.iter().any(|set| set.tag == tag);
    let goes = |tag: &str| route.untag.iter().any(|gone| gone == tag);
    let stay = tags_of(asked)
        .filter(|(tag, _)| !set(tag) && !goes(tag))
        .map(|(tag, target)| tag_alone(tag, target));
    let tags = route.tags.iter().map(|set| match set.latest {
        true => json!({"type": LATEST, "tag": set.tag}),
        false => tagged(&set.revision, &set.tag),
    });
    shares.chain(stay).chain(tags).collect()
}

/// A tag without traffic.
pub(super) fn tagged(revision: &str, tag: &str) -> Value {
    json!({"type": REVISION, "revision": revision, "tag": tag})
}

fn named(revision: &str, percent: u32) -> Value {
    json!({"type": REVISION, "revision": revision, "percent": percent})
}

fn tags_of(asked: &[Value]) -> impl Iterator<Item = (&str, &Value)> {
    asked
        .iter()
        .filter_map(|target| Some((target["tag"].as_str().filter(|tag| !tag.is_empty())?, target)))
}

/// The tag of a target, as a target of its own.
fn tag_alone(tag: &str, target: &Value) -> Value {
    match follows_latest(target) {
        true => json!({"type": LATEST, "tag": tag}),
        false => tagged(short(target["revision"].as_str().unwrap_or_default()), tag),
    }
}

/// Whether these shares are what serves, whatever follows the latest.
pub(super) fn serves(shares: &[Share], in_effect: &[Target]) -> bool {
    let wanted = |revision: &str| -> u32 {
        shares.iter().filter(|share| share.revision == revision).map(|share| share.percent).sum()
    };
    let now = |revision: &str| -> u32 {
        let of_it = in_effect.iter().filter(|target| target.revision == revision);
        of_it.map(|target| target.percent).sum()
    };
    let names = shares.iter().map(|share| share.revision.as_str());
    let mut names = names.chain(in_effect.iter().map(|target| target.revision.as_str()));
    names.all(|revision| wanted(revision) == now(revision))
}

/// Whether that is what serves.
pub(super) fn is_in_effect(route: &ServiceRoute, in_effect: &[Target]) -> bool {
    let follows = |share: &Share| {
        let mut serving =
            in_effect.iter().filter(|t| t.percent > 0 && t.revision == share.revision);
        serving.all(|target| target.latest == share.latest)
    };
    let of_tag = |tag: &str| in_effect.iter().find(|target| target.tag.as_deref() == Some(tag));
    serves(&route.shares, in_effect)
        && route.shares.iter().filter(|share| share.percent > 0).all(follows)
        && route.untag.iter().all(|tag| of_tag(tag).is_none())
        && route
            .tags
            .iter()
            .all(|set| of_tag(&set.tag).is_some_and(|now| now.revision == set.revision))
}

/// Whether two lists ask for the same traffic.
pub(super) fn is_same(one: &[Value], other: &[Value]) -> bool {
    let key = |target: &Value| {
        (
            follows_latest(target),
            short(target["revision"].as_str().unwrap_or_default()).to_owned(),
            percent(target),
            target["tag"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let sorted = |list: &[Value]| {
        let mut keys: Vec<_> = list.iter().map(key).collect();
        keys.sort();
        keys
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::gcloud::Tagged;

    fn target(revision: &str, percent: u32, latest: bool, tag: Option<&str>) -> Target {
        let tag = tag.map(str::to_owned);
        Target { revision: revision.into(), percent, latest, tag, url: None }
    }

    fn share(revision: &str, percent: u32, latest: bool) -> Share {
        Share { revision: revision.into(), percent, latest }
    }

    fn route(shares: Vec<Share>, untag: &[&str]) -> ServiceRoute {
        let untag = untag.iter().map(ToString::to_string).collect();
        ServiceRoute { service: "s".into(), before: Vec::new(), shares, tags: Vec::new(), untag }
    }

    #[test]
    fn traffic_and_tags_that_follow_the_latest_are_held_by_name() {
        let asked = [json!({"type": LATEST, "percent": 100}), json!({"type": LATEST, "tag": "x"})];
        let in_effect = [target("s-1", 100, true, None), target("s-1", 0, true, Some("x"))];
        let expected = [named("s-1", 100), tagged("s-1", "x")];
        assert_eq!(held(&asked, &in_effect).unwrap(), expected);
    }

    #[test]
    fn what_is_not_known_in_full_is_not_held() {
        assert_eq!(held(&[], &[]), None);
        assert_eq!(held(&[], &[target("s-1", 90, false, None)]), None);
        assert_eq!(held(&[], &[target("", 100, true, None)]), None);
    }

    #[test]
    fn tags_are_given_back_to_the_latest_or_to_a_revision() {
        let asked = [named("s-1", 100), tagged("s-1", "x"), tagged("s-0", "y")];
        let set = |latest| Tagged { tag: "x".into(), revision: "s-2".into(), latest };
        let forth =
            ServiceRoute { tags: vec![set(true)], ..route(vec![share("s-2", 100, true)], &[]) };
        let expected = [
            json!({"type": LATEST, "percent": 100}),
            tagged("s-0", "y"),
            json!({"type": LATEST, "tag": "x"}),
        ];
        assert_eq!(routed(&asked, &forth), expected);
        let in_effect = [target("s-2", 100, true, None), target("s-2", 0, true, Some("x"))];
        assert!(is_in_effect(&forth, &in_effect));
        assert!(!is_in_effect(&forth, &[target("s-2", 100, true, None)]));
    }

    #[test]
    fn what_serves_is_compared_share_by_share() {
        let former = [share("s-1", 90, false), share("s-0", 10, false)];
        assert!(serves(&former, &[target("s-0", 10, false, None), target("s-1", 90, true, None)]));
        assert!(!serves(&former, &[target("s-1", 100, true, None)]));
        assert!(!serves(
            &former[..1],
            &[target("s-1", 90, true, None), target("s-9", 10, false, None)]
        ));
    }

    #[test]
    fn tags_of_others_stay_also_on_targets_with_traffic() {
        let asked = [
            json!({"type": REVISION, "revision": "s-1", "percent": 90, "tag": "stable"}),
            json!({"type": REVISION, "revision": "s-2", "percent": 10}),
        ];
        let in_effect = [target("s-1", 90, false, Some("stable")), target("s-2", 10, false, None)];
        let expected = [named("s-1", 90), named("s-2", 10), tagged("s-1", "stable")];
        assert_eq!(held(&asked, &in_effect).unwrap(), expected);
        let back = route(vec![share("s-3", 100, true)], &["stable"]);
        assert_eq!(routed(&asked, &back), [json!({"type": LATEST, "percent": 100})]);
    }

    #[test]
    fn what_serves_is_compared_by_shares_latest_and_tags() {
        let wanted = route(vec![share("s-2", 100, true)], &["up"]);
        assert!(is_in_effect(&wanted, &[target("s-2", 100, true, None)]));
        assert!(!is_in_effect(&wanted, &[target("s-2", 100, false, None)]));
        assert!(!is_in_effect(&wanted, &[target("s-1", 100, true, None)]));
        let tagged = [target("s-2", 100, true, None), target("s-2", 0, false, Some("up"))];
        assert!(!is_in_effect(&wanted, &tagged));
        let split = route(vec![share("s-1", 90, false), share("s-2", 10, false)], &[]);
        assert!(is_in_effect(
            &split,
            &[target("s-2", 10, false, None), target("s-1", 90, false, None)]
        ));
        assert!(!is_in_effect(&split, &[target("s-2", 100, false, None)]));
    }

    #[test]
    fn the_order_of_targets_does_not_matter() {
        let one = [named("a", 10), named("b", 90)];
        assert!(is_same(&one, &[named("b", 90), named("a", 10)]));
        assert!(!is_same(&one, &[named("b", 10), named("a", 90)]));
    }
}
