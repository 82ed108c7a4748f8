//! Who gets which share of a service's requests: before, on the way, and afterwards.

use tessallite_up_sdk::gcloud::{Service, ServiceRoute, Share, Target};

/// How a service's requests were shared out before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Revisions and percentages, none of them 0.
    pub shares: Vec<(String, u32)>,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of it follows the latest revision.
    Latest,
    /// All of it is on one revision that is named.
    Pinned,
    Split,
}

impl Former {
    pub fn of(service: &Service) -> Self {
        let shares = shares(&service.targets);
        let carry = |target: &&Target| target.percent > 0;
        let kind = match shares.len() {
            1 if service.targets.iter().filter(carry).all(|target| target.latest) => Kind::Latest,
            1 => Kind::Pinned,
            _ => Kind::Split,
        };
        Self { shares, kind }
    }

    /// For a fact.
    pub fn written(&self) -> String {
        let kind = match self.kind {
            Kind::Latest => "latest",
            Kind::Pinned => "pinned",
            Kind::Split => "split",
        };
        let shares: Vec<String> =
            self.shares.iter().map(|(revision, percent)| format!("{revision}={percent}")).collect();
        format!("{kind} {}", shares.join(","))
    }

    pub fn read(text: &str) -> Option<Self> {
        let (kind, shares) = text.split_once(' ')?;
        let kind = match kind {
            "latest" => Kind::Latest,
            "pinned" => Kind::Pinned,
            "split" => Kind::Split,
            _ => return None,
        };
        let share = |text: &str| {
            let (revision, percent) = text.split_once('=')?;
            Some((revision.to_owned(), percent.parse().ok()?))
        };
        Some(Self { shares: shares.split(',').map(share).collect::<Option<_>>()?, kind })
    }

    /// For the operator.
    pub fn told(&self) -> String {
        let shares: Vec<String> = self
            .shares
            .iter()
            .map(|(revision, percent)| format!("{percent} % on {revision}"))
            .collect();
        shares.join(", ")
    }

    /// The way back: by the revisions' names, whatever the latest is by then.
    pub fn route(&self, service: &str, tag: &str) -> ServiceRoute {
        ServiceRoute {
            service: service.to_owned(),
            shares: self.shares.iter().map(|(name, percent)| share(name, *percent)).collect(),
            untag: vec![tag.to_owned()],
        }
    }
}

/// What each revision gets in all, by however many targets.
pub fn shares(targets: &[Target]) -> Vec<(String, u32)> {
    let mut shares: Vec<(String, u32)> = Vec::new();
    for target in targets.iter().filter(|target| target.percent > 0) {
        match shares.iter_mut().find(|(revision, _)| *revision == target.revision) {
            Some((_, percent)) => *percent += target.percent,
            None => shares.push((target.revision.clone(), target.percent)),
        }
    }
    shares
}

pub fn share_of(targets: &[Target], revision: &str) -> u32 {
    let all = targets.iter().filter(|target| target.revision == revision);
    all.map(|target| target.percent).sum()
}

/// On the way: the new revision gets this much, and the former ones the rest, as they
/// shared it before.
pub fn some(service: &str, new: &str, percent: u32, former: &Former) -> ServiceRoute {
    let rest = divided(&former.shares, 100 - percent);
    let former = rest.iter().filter(|(_, percent)| *percent > 0);
    let shares = std::iter::once(share(new, percent))
        .chain(former.map(|(name, percent)| share(name, *percent)))
        .collect();
    ServiceRoute { service: service.to_owned(), shares, untag: Vec::new() }
}

/// In the end: the new revision gets everything, and its tag goes.
pub fn all(service: &str, new: &str, latest: bool, tag: &str) -> ServiceRoute {
    ServiceRoute {
        service: service.to_owned(),
        shares: vec![Share { revision: new.to_owned(), percent: 100, latest }],
        untag: vec![tag.to_owned()],
    }
}

fn share(revision: &str, percent: u32) -> Share {
    Share { revision: revision.to_owned(), percent, latest: false }
}

/// `total` in the proportions of the shares; what rounding leaves goes to the largest
/// remainders.
fn divided(shares: &[(String, u32)], total: u32) -> Vec<(String, u32)> {
    let sum = shares.iter().map(|(_, percent)| percent).sum::<u32>().max(1);
    let mut parts: Vec<(String, u32)> =
        shares.iter().map(|(name, percent)| (name.clone(), percent * total / sum)).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(shares[*at].1 * total % sum));
    let given: u32 = parts.iter().map(|(_, percent)| percent).sum();
    let left = total.saturating_sub(given) as usize;
    for at in order.into_iter().take(left) {
        parts[at].1 += 1;
    }
    parts
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn target(revision: &str, percent: u32, latest: bool) -> Target {
        Target { revision: revision.into(), percent, latest, tag: None, url: None }
    }

    pub fn service(name: &str, targets: Vec<Target>) -> Service {
        Service {
            name: name.into(),
            url: format!("https://{name}.example"),
            image: format!("r/{name}:1.4.0"),
            latest_created_revision: format!("{name}-1"),
            latest_ready_revision: format!("{name}-1"),
            targets,
            ready: true,
            message: String::new(),
        }
    }

    fn former(targets: Vec<Target>) -> Former {
        Former::of(&service("a", targets))
    }

    fn split(shares: &[(&str, u32)]) -> Former {
        former(shares.iter().map(|(name, percent)| target(name, *percent, false)).collect())
    }

    #[test]
    fn targets_of_one_revision_count_together_and_those_without_traffic_not_at_all() {
        let shares =
            shares(&[target("a-1", 60, true), target("a-0", 0, false), target("a-1", 40, false)]);
        assert_eq!(shares, [("a-1".to_owned(), 100)]);
    }

    #[test]
    fn following_pinned_and_split_are_told_apart() {
        assert_eq!(former(vec![target("a-1", 100, true)]).kind, Kind::Latest);
        assert_eq!(former(vec![target("a-1", 100, false)]).kind, Kind::Pinned);
        assert_eq!(
            former(vec![target("a-1", 60, true), target("a-1", 40, false)]).kind,
            Kind::Pinned
        );
        assert_eq!(split(&[("a-1", 90), ("a-0", 10)]).kind, Kind::Split);
        let tagged = vec![target("a-1", 100, true), target("a-0", 0, false)];
        assert_eq!(former(tagged).kind, Kind::Latest);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let former = split(&[("a-1", 90), ("a-0", 10)]);
        assert_eq!(former.written(), "split a-1=90,a-0=10");
        assert_eq!(Former::read(&former.written()), Some(former));
        assert_eq!(Former::read("latest"), None);
        assert_eq!(Former::read("latest a-1"), None);
        assert_eq!(Former::read("odd a-1=100"), None);
    }

    fn percentages(route: &ServiceRoute) -> Vec<(&str, u32)> {
        route.shares.iter().map(|share| (share.revision.as_str(), share.percent)).collect()
    }

    #[test]
    fn the_former_revisions_keep_their_proportions() {
        let former = split(&[("a-1", 60), ("a-0", 40)]);
        let route = some("a", "a-2", 50, &former);
        assert_eq!(percentages(&route), [("a-2", 50), ("a-1", 30), ("a-0", 20)]);
        assert!(route.untag.is_empty() && route.shares.iter().all(|share| !share.latest));
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_remainders() {
        let former = split(&[("a", 33), ("b", 33), ("c", 34)]);
        let route = some("s", "n", 90, &former);
        assert_eq!(percentages(&route), [("n", 90), ("a", 3), ("b", 3), ("c", 4)]);
        let former = split(&[("a", 99), ("b", 1)]);
        assert_eq!(percentages(&some("s", "n", 99, &former)), [("n", 99), ("a", 1)]);
    }

    #[test]
    fn every_route_adds_up_to_one_hundred() {
        for percent in 1..100 {
            let former = split(&[("a", 1), ("b", 7), ("c", 13), ("d", 79)]);
            let route = some("s", "n", percent, &former);
            assert_eq!(route.shares.iter().map(|share| share.percent).sum::<u32>(), 100);
            assert!(route.shares.iter().all(|share| share.percent > 0));
        }
    }

    #[test]
    fn the_way_back_names_revisions_and_drops_the_tag() {
        let route = former(vec![target("a-1", 100, true)]).route("a", "up-1");
        assert_eq!(percentages(&route), [("a-1", 100)]);
        assert!(!route.shares[0].latest);
        assert_eq!(route.untag, ["up-1"]);
    }
}
