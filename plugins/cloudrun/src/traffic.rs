//! Who gets which share of a service's requests: before, on the way, and afterwards.

use std::fmt::Display;
use std::mem;
use std::str::FromStr;

use tessallite_up_sdk::gcloud::{Service, ServiceRoute, Share, Tagged, Target};

/// How a service's requests were shared out before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Revisions and percentages, none of them 0.
    pub shares: Vec<(String, u32)>,
    pub kind: Kind,
    /// The tags that follow the latest revision, and the revision that it was.
    pub tags: Vec<(String, String)>,
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
        Self { shares, kind, tags: tags(&service.targets) }
    }

    /// For a fact.
    pub fn written(&self) -> String {
        let kind = match self.kind {
            Kind::Latest => "latest",
            Kind::Pinned => "pinned",
            Kind::Split => "split",
        };
        let tags = if self.tags.is_empty() { "" } else { " " };
        format!("{kind} {}{tags}{}", pairs(&self.shares), pairs(&self.tags))
    }

    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        let (shares, tags) = match rest.split_once(' ') {
            Some((shares, tags)) => (shares, unpaired(tags)?),
            None => (rest, Vec::new()),
        };
        let kind = match kind {
            "latest" => Kind::Latest,
            "pinned" => Kind::Pinned,
            "split" => Kind::Split,
            _ => return None,
        };
        Some(Self { shares: unpaired(shares)?, kind, tags })
    }

    /// For the operator.
    pub fn told(&self) -> String {
        told(&self.shares)
    }

    /// The way back: by the revisions' names, whatever the latest is by then.
    pub fn route(&self, service: &str, tag: &str) -> ServiceRoute {
        ServiceRoute {
            service: service.to_owned(),
            before: Vec::new(),
            shares: named(&self.shares),
            tags: self.tags.iter().map(|(tag, revision)| tagged(tag, revision, false)).collect(),
            untag: vec![tag.to_owned()],
        }
    }
}

/// For the operator.
pub fn told(shares: &[(String, u32)]) -> String {
    let shares: Vec<String> =
        shares.iter().map(|(revision, percent)| format!("{percent} % on {revision}")).collect();
    shares.join(", ")
}

fn pairs<T: Display>(pairs: &[(String, T)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

fn unpaired<T: FromStr>(text: &str) -> Option<Vec<(String, T)>> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.split(',').map(pair).collect()
}

/// The tags that follow the latest revision.
fn tags(targets: &[Target]) -> Vec<(String, String)> {
    let following = targets.iter().filter(|target| target.latest);
    following.filter_map(|target| Some((target.tag.clone()?, target.revision.clone()))).collect()
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

/// The routes to a new revision.
pub struct Forth<'a> {
    pub service: &'a str,
    pub new: &'a str,
    /// The tag that the new revision is probed at.
    pub tag: &'a str,
    pub former: &'a Former,
    /// In the end, the traffic is to follow the latest revision.
    pub latest: bool,
}

impl Forth<'_> {
    /// One after the other, each from where the one before it has left the traffic.
    pub fn routes(&self, percents: &[u32]) -> Vec<ServiceRoute> {
        let mut before = named(&self.former.shares);
        let mut routes = Vec::new();
        for percent in percents {
            let mut route = if *percent == 100 { self.all() } else { self.some(*percent) };
            route.before = mem::replace(&mut before, route.shares.clone());
            routes.push(route);
        }
        routes
    }

    /// On the way: the new revision gets this much, and the former ones the rest, as they
    /// shared it before. The tags stay where they are held.
    fn some(&self, percent: u32) -> ServiceRoute {
        let mut shares = vec![share(self.new, percent)];
        let rest = divided(&self.former.shares, 100 - percent);
        shares.extend(named(&rest).into_iter().filter(|share| share.percent > 0));
        ServiceRoute {
            service: self.service.to_owned(),
            before: Vec::new(),
            shares,
            tags: Vec::new(),
            untag: Vec::new(),
        }
    }

    /// In the end: the new revision gets everything, its tag goes, and the tags that followed
    /// the latest revision follow it again, whether or not the traffic does.
    fn all(&self) -> ServiceRoute {
        let follow = self.former.tags.iter().map(|(tag, _)| tagged(tag, self.new, true));
        ServiceRoute {
            service: self.service.to_owned(),
            before: Vec::new(),
            shares: vec![Share { latest: self.latest, ..share(self.new, 100) }],
            tags: follow.collect(),
            untag: vec![self.tag.to_owned()],
        }
    }
}

fn named(shares: &[(String, u32)]) -> Vec<Share> {
    shares.iter().map(|(revision, percent)| share(revision, *percent)).collect()
}

fn share(revision: &str, percent: u32) -> Share {
    Share { revision: revision.to_owned(), percent, latest: false }
}

fn tagged(tag: &str, revision: &str, latest: bool) -> Tagged {
    Tagged { tag: tag.to_owned(), revision: revision.to_owned(), latest }
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

    fn with_tags() -> Former {
        let tag = |tag: &str, target| Target { tag: Some(tag.into()), ..target };
        former(vec![
            tag("live", target("a-1", 100, true)),
            tag("newest", target("a-1", 0, true)),
            tag("fixed", target("a-1", 0, false)),
        ])
    }

    #[test]
    fn tags_that_follow_the_latest_are_remembered_and_others_are_not() {
        let former = with_tags();
        assert_eq!(former.written(), "latest a-1=100 live=a-1,newest=a-1");
        assert_eq!(Former::read(&former.written()), Some(former));
        assert_eq!(Former::read("latest a-1=100 live"), None);
    }

    fn forth<'a>(former: &'a Former, latest: bool) -> Forth<'a> {
        Forth { service: "a", new: "a-2", tag: "up-1", former, latest }
    }

    fn some(new: &str, percent: u32, former: &Former) -> ServiceRoute {
        Forth { new, ..forth(former, true) }.some(percent)
    }

    #[test]
    fn every_route_starts_where_the_one_before_it_ends() {
        let former = split(&[("a-1", 60), ("a-0", 40)]);
        let routes = forth(&former, true).routes(&[10, 50, 100]);
        assert_eq!(routes[0].before, named(&former.shares));
        assert_eq!(routes[1].before, routes[0].shares);
        assert_eq!(routes[2].before, routes[1].shares);
        assert_eq!(percentages(&routes[2]), [("a-2", 100)]);
    }

    #[test]
    fn tags_follow_again_in_the_end_and_lead_back_by_name() {
        let former = with_tags();
        for latest in [true, false] {
            let routes = forth(&former, latest).routes(&[10, 100]);
            assert!(routes[0].tags.is_empty() && routes[0].untag.is_empty());
            assert_eq!(routes[1].shares[0].latest, latest);
            assert_eq!(
                routes[1].tags,
                [tagged("live", "a-2", true), tagged("newest", "a-2", true)]
            );
            assert_eq!(routes[1].untag, ["up-1"]);
        }
        let back = former.route("a", "up-1");
        assert_eq!(back.tags, [tagged("live", "a-1", false), tagged("newest", "a-1", false)]);
        assert!(back.before.is_empty());
    }

    fn percentages(route: &ServiceRoute) -> Vec<(&str, u32)> {
        route.shares.iter().map(|share| (share.revision.as_str(), share.percent)).collect()
    }

    #[test]
    fn the_former_revisions_keep_their_proportions() {
        let former = split(&[("a-1", 60), ("a-0", 40)]);
        let route = some("a-2", 50, &former);
        assert_eq!(percentages(&route), [("a-2", 50), ("a-1", 30), ("a-0", 20)]);
        assert!(route.untag.is_empty() && route.shares.iter().all(|share| !share.latest));
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_remainders() {
        let former = split(&[("a", 33), ("b", 33), ("c", 34)]);
        let route = some("n", 90, &former);
        assert_eq!(percentages(&route), [("n", 90), ("a", 3), ("b", 3), ("c", 4)]);
        let former = split(&[("a", 99), ("b", 1)]);
        assert_eq!(percentages(&some("n", 99, &former)), [("n", 99), ("a", 1)]);
    }

    #[test]
    fn every_route_adds_up_to_one_hundred() {
        for percent in 1..100 {
            let former = split(&[("a", 1), ("b", 7), ("c", 13), ("d", 79)]);
            let route = some("n", percent, &former);
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
