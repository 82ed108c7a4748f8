//! Whose a service's traffic is, when a rollback comes to it.

use tessallite_up_sdk::gcloud::{Service, Target};

use crate::traffic::{Former, shares, told};

#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// The upgrade has not come to it, and nobody else either.
    Untouched,
    /// Nothing is this run's, and somebody else has moved the traffic, to this.
    Moved(String),
    /// It goes back; part of it was somebody else's, as it is told here.
    Ours { others: Option<String> },
}

/// Neither the run's revision nor its tag is in effect, nor anything on its way that could
/// bring them: then there is nothing to take back. Tags that others have set since are not ours
/// to judge, but those that follow the latest were held by the upgrade.
pub fn of(now: &Service, former: &Former, revision: &str, tag: &str) -> Standing {
    let is_ours = |target: &Target| {
        target.revision == revision && target.percent > 0 || target.tag.as_deref() == Some(tag)
    };
    let has_ours = now.targets.iter().any(is_ours);
    let on_its_way = !now.ready && now.latest_created_revision == revision;
    let as_now = Former::of(now);
    let is_recorded = sorted(&as_now.shares) == sorted(&former.shares);
    if !has_ours && !on_its_way && !is_recorded {
        return Standing::Moved(told(&as_now.shares));
    }
    let is_untouched = now.ready
        && now.latest_created_revision != revision
        && !has_ours
        && is_recorded
        && as_now.kind == former.kind
        && !now.targets.iter().any(|target| target.revision == revision)
        && former.tags.iter().all(|tag| as_now.tags.contains(tag));
    if is_untouched {
        return Standing::Untouched;
    }
    let is_known = |name: &str| name == revision || former.shares.iter().any(|(n, _)| n == name);
    let theirs: Vec<(String, u32)> =
        shares(&now.targets).into_iter().filter(|(name, _)| !is_known(name)).collect();
    Standing::Ours { others: (!theirs.is_empty()).then(|| told(&theirs)) }
}

/// In whatever order they are listed.
pub fn sorted(shares: &[(String, u32)]) -> Vec<(String, u32)> {
    let mut shares = shares.to_vec();
    shares.sort();
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};

    const OURS: Standing = Standing::Ours { others: None };

    fn judged(now: &Service, former: &Former) -> Standing {
        of(now, former, "a-2", "up-t")
    }

    fn tagged(tag: &str, revision: &str, latest: bool) -> Target {
        Target { tag: Some(tag.into()), ..target(revision, 0, latest) }
    }

    #[test]
    fn a_service_that_the_upgrade_did_not_come_to_is_told_from_one_that_it_did() {
        let now = service("a", vec![target("a-1", 100, true)]);
        let former = Former::of(&now);
        assert_eq!(judged(&now, &former), Standing::Untouched);
        let held = service("a", vec![target("a-1", 100, false)]);
        assert_eq!(judged(&held, &former), OURS);
        let created = Service { latest_created_revision: "a-2".into(), ..now.clone() };
        assert_eq!(judged(&created, &former), OURS);
        let unsettled = Service { ready: false, ..now.clone() };
        assert_eq!(judged(&unsettled, &former), OURS);
        let mut probed = now.clone();
        probed.targets.push(tagged("up-t", "a-2", false));
        assert_eq!(judged(&probed, &former), OURS);
    }

    #[test]
    fn a_tag_that_is_held_was_touched_and_one_that_others_have_set_since_says_nothing() {
        let with = |tags: &[(&str, bool)]| {
            let mut targets = vec![target("a-1", 100, true)];
            targets.extend(tags.iter().map(|(tag, latest)| tagged(tag, "a-1", *latest)));
            service("a", targets)
        };
        let former = Former::of(&with(&[("newest", true)]));
        let theirs = with(&[("newest", true), ("theirs", true)]);
        assert_eq!(judged(&theirs, &former), Standing::Untouched);
        assert_eq!(judged(&with(&[("newest", false)]), &former), OURS);
    }

    fn recorded() -> Former {
        Former::of(&service("a", vec![target("a-1", 100, true)]))
    }

    #[test]
    fn what_somebody_else_has_moved_is_left_where_nothing_of_it_is_ours() {
        let moved = || Standing::Moved("100 % on a-3".into());
        let theirs = service("a", vec![target("a-3", 100, true)]);
        assert_eq!(judged(&theirs, &recorded()), moved());
        let idle = service("a", vec![target("a-3", 100, false), target("a-2", 0, false)]);
        let idle = Service { latest_created_revision: "a-2".into(), ..idle };
        assert_eq!(judged(&idle, &recorded()), moved());
        let under_way = Service { ready: false, ..theirs.clone() };
        assert_eq!(judged(&under_way, &recorded()), moved());
        let ours_under_way = Service { ready: false, ..idle };
        assert!(matches!(judged(&ours_under_way, &recorded()), Standing::Ours { .. }));
    }

    #[test]
    fn what_is_partly_ours_goes_back_and_the_rest_is_told() {
        let others = |now: Service| match judged(&now, &recorded()) {
            Standing::Ours { others } => others,
            other => panic!("{other:?}"),
        };
        assert_eq!(others(service("a", vec![target("a-2", 100, true)])), None);
        let canary = vec![target("a-2", 10, false), target("a-1", 90, false)];
        assert_eq!(others(service("a", canary)), None);
        let third = vec![target("a-2", 50, false), target("a-3", 50, false)];
        assert_eq!(others(service("a", third)).as_deref(), Some("50 % on a-3"));
        let at_our_tag = vec![target("a-3", 100, true), tagged("up-t", "a-2", false)];
        assert_eq!(others(service("a", at_our_tag)).as_deref(), Some("100 % on a-3"));
    }

    #[test]
    fn the_order_of_shares_does_not_matter() {
        let former =
            Former::of(&service("a", vec![target("a-1", 90, false), target("a-0", 10, false)]));
        let now = service("a", vec![target("a-0", 10, false), target("a-1", 90, false)]);
        assert_eq!(judged(&now, &former), Standing::Untouched);
    }
}
