//! Which services get a new revision, and what it is called.

use tessallite_up_sdk::gcloud::{NewRevision, ServiceRoute};
use tessallite_up_sdk::{Request, Upgrade};

use crate::names;
use crate::options::Options;
use crate::reference::Reference;
use crate::survey::Survey;
use crate::targets::{Target, is_there};
use crate::traffic::{Former, Forth, Kind};

/// One service's new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub service: String,
    pub before: String,
    /// By its digest.
    pub image: String,
    pub revision: String,
    pub tag: String,
    pub former: Former,
}

impl Job {
    pub fn new_revision(&self) -> NewRevision {
        NewRevision {
            service: self.service.clone(),
            image: self.image.clone(),
            before: self.before.clone(),
            name: self.revision.clone(),
            tag: self.tag.clone(),
        }
    }

    /// The ways of its traffic, one after the other.
    pub fn routes(&self, options: &Options) -> Vec<ServiceRoute> {
        let forth = Forth {
            service: &self.service,
            new: &self.revision,
            tag: &self.tag,
            former: &self.former,
            latest: self.ends_on_latest(options),
        };
        forth.routes(&options.traffic)
    }

    /// Its traffic is to follow the latest revision in the end.
    pub fn ends_on_latest(&self, options: &Options) -> bool {
        self.former.kind == Kind::Latest || !options.keep_pins
    }
}

/// In the configured order; without those that cannot be planned, which the preflight tells.
pub fn jobs(
    request: &Request,
    upgrade: &Upgrade,
    survey: &Survey,
    targets: &[Target],
    options: &Options,
) -> Vec<Job> {
    let wanted = targets.iter().filter(|target| !is_left(survey, target, options));
    wanted.filter_map(|target| job(request, upgrade, survey, target)).collect()
}

fn job(request: &Request, upgrade: &Upgrade, survey: &Survey, target: &Target) -> Option<Job> {
    let service = survey.service(&target.service)?;
    let digest = target.digest.as_ref().ok()?;
    let after = Reference::parse(&target.after);
    let version = after.tag.or(upgrade.version.as_deref()).unwrap_or_default();
    Some(Job {
        service: target.service.clone(),
        before: target.before.clone(),
        image: after.pinned(digest),
        revision: names::revision(&target.service, version, &request.run),
        tag: names::tag(&target.service, &request.run).ok()?,
        former: Former::of(service),
    })
}

/// It serves what it is to serve. A pinned one gets a new revision all the same, as it is to
/// follow the latest revision again.
pub fn is_left(survey: &Survey, target: &Target, options: &Options) -> bool {
    let Some(service) = survey.service(&target.service) else {
        return false;
    };
    let follows = Former::of(service).kind == Kind::Latest;
    !options.check_only && is_there(service, target) && (follows || options.keep_pins)
}

/// One step each; with `parallel`, those together that come after model-service, which migrates
/// the database, and before gateway, which asks them all. Where one of these is not on Cloud
/// Run, it is the first or the last that goes alone in its place.
pub fn groups<'a>(jobs: &'a [Job], options: &Options) -> Vec<Vec<&'a Job>> {
    let own: Vec<&str> = options.own().collect();
    let between = between(&own);
    let is_between = |job: &Job| between.contains(&job.service.as_str());
    let mut groups: Vec<Vec<&Job>> = Vec::new();
    for job in jobs {
        match groups.last_mut() {
            Some(group) if options.parallel && is_between(job) && is_between(group[0]) => {
                group.push(job);
            }
            _ => groups.push(vec![job]),
        }
    }
    groups
}

fn between<'o, 's>(own: &'o [&'s str]) -> &'o [&'s str] {
    let at = |name: &str| own.iter().position(|own| *own == name);
    let first = at("model-service").unwrap_or(0);
    let last = at("gateway").unwrap_or(own.len().saturating_sub(1));
    own.get(first + 1..last).unwrap_or_default()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn job_of(service: &str, kind: Kind) -> Job {
        let shares = match kind {
            Kind::Split => vec![(format!("{service}-1"), 60), (format!("{service}-0"), 40)],
            _ => vec![(format!("{service}-1"), 100)],
        };
        Job {
            service: service.into(),
            before: format!("r/{service}:1.4.0"),
            image: format!("r/{service}:2.0.0@sha256:22"),
            revision: format!("{service}-2-0-0-t"),
            tag: "up-t".into(),
            former: Former { shares, kind, tags: Vec::new() },
        }
    }

    fn grouped(settings: &[(&str, &str)], jobs: &[&str]) -> Vec<Vec<String>> {
        let request = settings
            .iter()
            .fold(Request::upgrade_to("2.0.0"), |r, (name, value)| r.set(name, value));
        let jobs: Vec<Job> = jobs.iter().map(|name| job_of(name, Kind::Latest)).collect();
        groups(&jobs, &Options::of(&request).unwrap())
            .iter()
            .map(|group| group.iter().map(|job| job.service.clone()).collect())
            .collect()
    }

    #[test]
    fn services_go_one_by_one() {
        assert_eq!(
            grouped(&[], &["model-service", "optimizer"]),
            [["model-service"], ["optimizer"]]
        );
    }

    #[test]
    fn side_by_side_go_those_between_model_service_and_gateway() {
        let parallel = [("parallel", "true")];
        assert_eq!(
            grouped(&parallel, &["model-service", "query-router", "frontend", "gateway"]),
            [vec!["model-service"], vec!["query-router", "frontend"], vec!["gateway"]]
        );
        assert_eq!(grouped(&parallel, &["frontend", "gateway"]), [["frontend"], ["gateway"]]);
        let with_more = ["early", "model-service", "a", "b", "gateway", "late", "later"];
        let names = with_more.join(",");
        assert_eq!(
            grouped(&[("parallel", "true"), ("services", &names)], &with_more),
            [
                vec!["early"],
                vec!["model-service"],
                vec!["a", "b"],
                vec!["gateway"],
                vec!["late"],
                vec!["later"]
            ]
        );
    }

    #[test]
    fn without_one_of_them_on_cloud_run_the_first_or_the_last_goes_alone() {
        let external = [
            ("parallel", "true"),
            ("services.gateway.external", "true"),
            ("services.agent.external", "true"),
        ];
        assert_eq!(
            grouped(&external, &["model-service", "optimizer", "scheduler", "frontend"]),
            [vec!["model-service"], vec!["optimizer", "scheduler"], vec!["frontend"]]
        );
    }

    #[test]
    fn in_any_order_there_is_a_between_or_none() {
        assert_eq!(between(&["a", "b", "c"]), ["b"]);
        assert_eq!(between(&["a", "model-service", "b", "c"]), ["b"]);
        let none: [&[&str]; 4] =
            [&[], &["a"], &["gateway", "a", "model-service"], &["a", "model-service"]];
        for own in none {
            assert!(between(own).is_empty(), "{own:?}");
        }
    }

    #[test]
    fn a_pin_is_left_behind_unless_it_is_to_be_kept() {
        let ends = |kind, keep: &str| {
            let request = Request::upgrade_to("2").set("keep-pins", keep);
            job_of("a", kind).ends_on_latest(&Options::of(&request).unwrap())
        };
        assert!(ends(Kind::Pinned, "no") && ends(Kind::Split, "no"));
        assert!(!ends(Kind::Pinned, "yes") && !ends(Kind::Split, "yes"));
        assert!(ends(Kind::Latest, "yes"));
    }
}
