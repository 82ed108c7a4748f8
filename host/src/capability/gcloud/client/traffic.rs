//! The traffic that is asked for. Pure.

use serde_json::{Value, json};

use crate::capability::gcloud::convert::{follows_latest, percent, short};
use crate::contract::gcloud::{ServiceRoute, Share, Target};

const LATEST: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

/// What serves now, held where it is: a new revision gets none of it. Tags stay.
pub(super) fn held(asked: &[Value], in_effect: &[Target]) -> Vec<Value> {
    let mut held: Vec<Value> = Vec::new();
    for target in in_effect.iter().filter(|target| target.percent > 0) {
        let same = held.iter_mut().find(|value| value["revision"] == target.revision);
        match same {
            Some(same) => same["percent"] = json!(percent(same) + target.percent),
            None => held.push(named(&target.revision, target.percent)),
        }
    }
    with_tags(held, asked, &[])
}

/// What a route wants, and the tags that stay.
pub(super) fn routed(asked: &[Value], route: &ServiceRoute) -> Vec<Value> {
    let one = |share: &Share| match share.latest {
        true => json!({"type": LATEST, "percent": share.percent}),
        false => named(&share.revision, share.percent),
    };
    let shares = route.shares.iter().filter(|share| share.percent > 0).map(one).collect();
    with_tags(shares, asked, &route.untag)
}

/// A tag without traffic.
pub(super) fn tagged(revision: &str, tag: &str) -> Value {
    json!({"type": REVISION, "revision": revision, "tag": tag})
}

fn named(revision: &str, percent: u32) -> Value {
    json!({"type": REVISION, "revision": revision, "percent": percent})
}

/// Every tag of before but for those that go, each as a target of its own.
fn with_tags(mut traffic: Vec<Value>, asked: &[Value], untag: &[String]) -> Vec<Value> {
    for target in asked {
        let Some(tag) = target["tag"].as_str().filter(|tag| !tag.is_empty()) else { continue };
        if untag.iter().any(|gone| gone == tag) {
            continue;
        }
        traffic.push(match follows_latest(target) {
            true => json!({"type": LATEST, "tag": tag}),
            false => tagged(short(target["revision"].as_str().unwrap_or_default()), tag),
        });
    }
    traffic
}

/// Whether that is what serves.
pub(super) fn is_in_effect(route: &ServiceRoute, in_effect: &[Target]) -> bool {
    let share_of = |revision: &str| -> u32 {
        let of_it = in_effect.iter().filter(|target| target.revision == revision);
        of_it.map(|target| target.percent).sum()
    };
    let wanted: u32 = route.shares.iter().map(|share| share.percent).sum();
    let follows = |share: &Share| {
        let mut serving =
            in_effect.iter().filter(|t| t.percent > 0 && t.revision == share.revision);
        serving.all(|target| target.latest == share.latest)
    };
    let shares = route.shares.iter().filter(|share| share.percent > 0);
    let gone = |tag: &String| in_effect.iter().all(|target| target.tag.as_ref() != Some(tag));
    shares.clone().all(|share| share_of(&share.revision) == share.percent && follows(share))
        && in_effect.iter().map(|target| target.percent).sum::<u32>() == wanted
        && route.untag.iter().all(gone)
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

    fn target(revision: &str, percent: u32, latest: bool, tag: Option<&str>) -> Target {
        let tag = tag.map(str::to_owned);
        Target { revision: revision.into(), percent, latest, tag, url: None }
    }

    fn share(revision: &str, percent: u32, latest: bool) -> Share {
        Share { revision: revision.into(), percent, latest }
    }

    fn route(shares: Vec<Share>, untag: &[&str]) -> ServiceRoute {
        let untag = untag.iter().map(ToString::to_string).collect();
        ServiceRoute { service: "s".into(), shares, untag }
    }

    #[test]
    fn traffic_that_follows_the_latest_is_held_by_name() {
        let asked = [json!({"type": LATEST, "percent": 100}), json!({"type": LATEST, "tag": "x"})];
        let in_effect = [target("s-1", 100, true, None), target("s-1", 0, true, Some("x"))];
        assert_eq!(
            held(&asked, &in_effect),
            [named("s-1", 100), json!({"type": LATEST, "tag": "x"})]
        );
    }

    #[test]
    fn tags_of_others_stay_also_on_targets_with_traffic() {
        let asked = [
            json!({"type": REVISION, "revision": "s-1", "percent": 90, "tag": "stable"}),
            json!({"type": REVISION, "revision": "s-2", "percent": 10}),
        ];
        let in_effect = [target("s-1", 90, false, Some("stable")), target("s-2", 10, false, None)];
        let expected = [named("s-1", 90), named("s-2", 10), tagged("s-1", "stable")];
        assert_eq!(held(&asked, &in_effect), expected);
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
