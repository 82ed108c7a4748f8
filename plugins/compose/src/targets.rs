//! What each service of the product is to become.

use std::collections::BTreeMap;

use tessallite_up_sdk::docker::{self, PinnedImage, RegistryImage, Service};
use tessallite_up_sdk::{Error, Refusal, Upgrade};

use crate::members;
use crate::options::Options;
use crate::reference::{Reference, upgraded, version_of};
use crate::survey::Survey;

pub struct Target {
    pub service: String,
    /// As the project's files say now.
    pub before: String,
    /// As they are to say.
    pub after: String,
    /// What the registry says of `after`.
    pub image: Result<RegistryImage, Error>,
    /// The digest that the release manifest promises.
    pub promised: Option<String>,
}

impl Target {
    /// The image of the plan; `None` where the registry has none.
    pub fn pinned(&self) -> Option<PinnedImage> {
        let image = self.image.as_ref().ok()?;
        Some(PinnedImage { reference: self.after.clone(), digest: image.digest.clone() })
    }
}

pub fn choose(
    survey: &Survey,
    upgrade: &Upgrade,
    options: &Options,
) -> Result<Vec<Target>, Refusal> {
    let names = members(survey, upgrade, options)?;
    check_release_services(survey, upgrade)?;
    let mut wanted = Vec::new();
    for name in &names {
        let Some(service) = survey.service(name) else {
            return Err(Refusal::Usage(format!(
                "the project has no service {name:?}; it has {}",
                all_names(survey)
            )));
        };
        wanted.push(want(service, upgrade, options)?);
    }
    let mut references: Vec<String> = wanted.iter().map(|(_, after, _)| after.clone()).collect();
    references.sort();
    references.dedup();
    let answers = docker::resolve(&references);
    let known: BTreeMap<&str, Result<RegistryImage, Error>> =
        references.iter().map(String::as_str).zip(answers).collect();
    let answer = |after: &str| {
        let missing = || Err(Error::Failed(format!("the registry gave no answer for {after}")));
        known.get(after).cloned().unwrap_or_else(missing)
    };
    Ok(names
        .iter()
        .zip(wanted)
        .map(|(service, (before, after, promised))| Target {
            service: service.clone(),
            before,
            image: answer(&after),
            after,
            promised,
        })
        .collect())
}

fn members(survey: &Survey, upgrade: &Upgrade, options: &Options) -> Result<Vec<String>, Refusal> {
    let mut names: Vec<String> = match &options.services {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => {
            let images: Vec<(&str, &str)> = survey
                .services
                .iter()
                .filter(|service| service.active || !service.containers.is_empty())
                .map(|service| (service.name.as_str(), service.image.as_str()))
                .collect();
            members::find(&images, upgrade.version.as_deref())
                .map_err(|why| Refusal::Preflight(vec![why]))?
        }
    };
    // What the release or the operator names an image for belongs, too.
    let asked = upgrade.images.iter().map(|image| image.service.as_str());
    let asked = asked.chain(
        survey
            .services
            .iter()
            .map(|service| service.name.as_str())
            .filter(|name| options.image(name).is_some()),
    );
    for name in asked {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn check_release_services(survey: &Survey, upgrade: &Upgrade) -> Result<(), Refusal> {
    let unknown: Vec<&str> = upgrade
        .images
        .iter()
        .map(|image| image.service.as_str())
        .filter(|name| survey.service(name).is_none())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::Preflight(vec![format!(
        "the release has services that the project does not have: {}; it has {}. \
         Add them to the project's files first, or leave them out of the release manifest",
        unknown.join(", "),
        all_names(survey)
    )]))
}

/// Before, after, and the digest that was promised.
fn want(
    service: &Service,
    upgrade: &Upgrade,
    options: &Options,
) -> Result<(String, String, Option<String>), Refusal> {
    let before = service.image.clone();
    if before.is_empty() {
        return Err(Refusal::Preflight(vec![format!(
            "{} is built from source and has no image to upgrade; \
             leave it out: --set services=…",
            service.name
        )]));
    }
    let of_release = upgrade.images.iter().find(|image| image.service == service.name);
    let asked = options.image(&service.name).or(of_release.map(|image| image.reference.as_str()));
    if let Some(asked) = asked {
        let promised = of_release.and_then(|image| image.digest.clone());
        return Ok((before, asked.to_owned(), promised));
    }
    let reference = Reference::parse(&before);
    let is_version = version_of(reference.tag_or_latest()).is_some();
    if upgrade.version.is_none() && is_version && !options.check_only {
        return Err(Refusal::Usage(format!(
            "{} runs {before}; say which version to upgrade to: --to VERSION",
            service.name
        )));
    }
    let after = upgraded(&reference, upgrade.version.as_deref());
    Ok((before, after, None))
}

fn all_names(survey: &Survey) -> String {
    let names: Vec<&str> = survey.services.iter().map(|service| service.name.as_str()).collect();
    names.join(", ")
}
