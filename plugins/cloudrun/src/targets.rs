//! What each service is to become.

use tessallite_up_sdk::gcloud::{self, Service};
use tessallite_up_sdk::{Error, Refusal, Upgrade};

use crate::options::Options;
use crate::reference::Reference;
use crate::survey::Survey;
use crate::traffic::share_of;

pub struct Target {
    pub service: String,
    /// The image of the service's template now.
    pub before: String,
    /// The image that it is to have, as it was asked for.
    pub after: String,
    /// What the registry says that it is.
    pub digest: Result<String, Error>,
    /// What the release, or the operator, says that it has to be.
    pub promised: Option<String>,
}

/// Before it is resolved.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    after: String,
    promised: Option<String>,
}

/// # Errors
/// `Usage` where no version is named, and none can be guessed.
pub fn choose(
    survey: &Survey,
    upgrade: &Upgrade,
    options: &Options,
) -> Result<Vec<Target>, Refusal> {
    let repository = options.repository.or(survey.place.repository.as_deref());
    let services = options.own().filter_map(|name| survey.service(name));
    services
        .map(|service| {
            let Wanted { after, promised } =
                want(service, upgrade, repository, options).map_err(Refusal::Usage)?;
            Ok(Target {
                service: service.name.clone(),
                before: service.image.clone(),
                digest: gcloud::resolve(&after),
                after,
                promised,
            })
        })
        .collect()
}

fn want(
    service: &Service,
    upgrade: &Upgrade,
    repository: Option<&str>,
    options: &Options,
) -> Result<Wanted, String> {
    let name = service.name.as_str();
    let digest = options.digest(name).map(str::to_owned);
    if let Some(image) = options.image(name) {
        return Ok(Wanted { after: image.to_owned(), promised: digest });
    }
    if let Some(image) = upgrade.images.iter().find(|image| image.service == name) {
        let promised = digest.or(image.digest.clone());
        return Ok(Wanted { after: image.reference.clone(), promised });
    }
    let before = Reference::parse(&service.image);
    let repository = match repository {
        Some(repository) => format!("{repository}/{name}"),
        None => before.repository.to_owned(),
    };
    let tag = options.tag(name).map(str::to_owned).or_else(|| {
        let version = upgrade.version.as_deref()?;
        let is_with_v = before.version().is_some() && before.tag?.starts_with('v');
        let v = if is_with_v && !version.starts_with('v') { "v" } else { "" };
        Some(format!("{v}{version}"))
    });
    let after = match (tag, &digest) {
        (Some(tag), _) => format!("{repository}:{tag}"),
        (None, Some(digest)) => format!("{repository}@{digest}"),
        // What a tag that moves names now; for a check, what is there already.
        (None, None)
            if options.check_only || before.tag.is_some() && before.version().is_none() =>
        {
            service.image.clone()
        }
        (None, None) => {
            return Err(format!(
                "{name} is to be upgraded from {}; say to which version: --to VERSION",
                service.image
            ));
        }
    };
    Ok(Wanted { after, promised: digest })
}

/// The image that answers the requests now; `None` where it is not that of the template.
pub fn served(service: &Service) -> Option<&str> {
    let all = share_of(&service.targets, &service.latest_created_revision) == 100;
    all.then_some(service.image.as_str())
}

/// All requests are answered by the image of the plan already.
pub fn is_there(service: &Service, target: &Target) -> bool {
    let (Some(image), Ok(digest)) = (served(service), &target.digest) else {
        return false;
    };
    let before = Reference::parse(image);
    let after = Reference::parse(&target.after);
    let same = match before.digest {
        Some(served) => served == digest,
        // What a tag named when the revision was made is not known where the tag moves.
        None => {
            before.version().is_some()
                && (before.repository, before.tag) == (after.repository, after.tag)
        }
    };
    same && service.ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::tests::{service, target};
    use tessallite_up_sdk::{Intent, ReleaseImage, Request};

    fn running(image: &str) -> Service {
        let running = service("gateway", vec![target("gateway-1", 100, true)]);
        Service { image: image.into(), ..running }
    }

    fn wanted(image: &str, request: &Request) -> Result<Wanted, String> {
        let Intent::Upgrade(upgrade) = &request.intent;
        want(&running(image), upgrade, Some("reg/p/t"), &Options::of(request).unwrap())
    }

    fn after(image: &str, request: &Request) -> String {
        wanted(image, request).unwrap().after
    }

    fn to_nothing() -> Request {
        let mut request = Request::upgrade_to("");
        let Intent::Upgrade(upgrade) = &mut request.intent;
        upgrade.version = None;
        request
    }

    #[test]
    fn the_operators_image_goes_before_the_releases_and_that_before_the_tag() {
        let mut request = Request::upgrade_to("2.0.0").set("tag", "2.0.1");
        assert_eq!(after("x/gateway:1", &request), "reg/p/t/gateway:2.0.1");
        let Intent::Upgrade(upgrade) = &mut request.intent;
        upgrade.images.push(ReleaseImage {
            service: "gateway".into(),
            reference: "vendor/gateway:2".into(),
            digest: Some("sha256:22".into()),
        });
        let release = wanted("x/gateway:1", &request).unwrap();
        assert_eq!(release.after, "vendor/gateway:2");
        assert_eq!(release.promised.as_deref(), Some("sha256:22"));
        let own = wanted("x/gateway:1", &request.set("services.gateway.image", "o/g:3")).unwrap();
        assert_eq!(own, Wanted { after: "o/g:3".into(), promised: None });
    }

    #[test]
    fn a_leading_v_stays_and_a_tag_that_moves_does_not() {
        let request = Request::upgrade_to("2.0.0");
        assert_eq!(after("x/gateway:v1.4.0", &request), "reg/p/t/gateway:v2.0.0");
        assert_eq!(after("x/gateway:stable", &request), "reg/p/t/gateway:2.0.0");
        let Intent::Upgrade(upgrade) = &request.intent;
        let bare = want(&running("x/gateway:1"), upgrade, None, &Options::of(&request).unwrap());
        assert_eq!(bare.unwrap().after, "x/gateway:2.0.0");
    }

    #[test]
    fn without_a_version_only_a_moving_tag_or_a_check_has_a_target() {
        assert_eq!(after("x/gateway:stable", &to_nothing()), "x/gateway:stable");
        assert!(wanted("x/gateway:1.4.0", &to_nothing()).unwrap_err().contains("--to VERSION"));
        let check = to_nothing().set("check-only", "true");
        assert_eq!(after("x/gateway:1.4.0", &check), "x/gateway:1.4.0");
        let digest = to_nothing().set("services.gateway.digest", "sha256:22");
        assert_eq!(after("x/gateway:1.4.0", &digest), "reg/p/t/gateway@sha256:22");
    }

    fn there(service: &Service, after: &str) -> bool {
        let target = Target {
            service: "gateway".into(),
            before: service.image.clone(),
            after: after.into(),
            digest: Ok("sha256:22".into()),
            promised: None,
        };
        is_there(service, &target)
    }

    #[test]
    fn a_service_is_there_when_everything_goes_to_the_wanted_digest() {
        assert!(there(&running("x/g:1@sha256:22"), "x/g:2"));
        assert!(!there(&running("x/g:2@sha256:11"), "x/g:2"));
        let split = vec![target("gateway-1", 50, false), target("gateway-0", 50, false)];
        assert!(!there(&Service { targets: split, ..running("x/g:2@sha256:22") }, "x/g:2"));
        assert!(!there(&Service { ready: false, ..running("x/g:2@sha256:22") }, "x/g:2"));
    }

    #[test]
    fn without_a_digest_a_version_is_believed_and_a_moving_tag_is_not() {
        assert!(there(&running("x/g:2.0.0"), "x/g:2.0.0"));
        assert!(!there(&running("x/g:2.0.0"), "y/g:2.0.0"));
        assert!(!there(&running("x/g:stable"), "x/g:stable"));
    }

    #[test]
    fn what_a_template_says_is_not_served_after_a_rollback() {
        let back = vec![target("gateway-0", 100, false)];
        assert_eq!(served(&Service { targets: back, ..running("x/g:2.0.0") }), None);
        assert_eq!(served(&running("x/g:2.0.0")), Some("x/g:2.0.0"));
    }
}
