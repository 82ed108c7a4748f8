//! Recreating and stopping services, by the operator's own `docker compose`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Client;
use super::containers::{Found, HASH_LABEL};
use super::images::{Local, Pinned};
use super::model::{Model, ServiceModel};
use crate::capability::docker::reference::Reference;
use crate::capability::docker::types::{DeployedContainer, FormerImage, ServiceImage};
use crate::capability::error::{Error, Result};

/// What a deployment has to come to, for one service.
struct Goal<'a> {
    service: &'a str,
    /// As the project's files name the image, for messages.
    image: String,
    /// The engine's ID of the image.
    image_id: String,
}

/// How Compose is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It starts the containers too, after another look at all that they depend on.
    Up,
    /// As `Up`, and what they depend on is left as it is, where that is not as its files say.
    ///
    /// Before 2.29.3, Compose then forgets the dependencies of a service, and with them a part
    /// of the digest by which it later sees whether a container is up to date: the next
    /// plain `docker compose up` would recreate them all. So it is not the usual way.
    UpAlone,
    /// Compose stops the old containers and makes the new ones; we start them: what they
    /// depend on runs, and is not a part of this change.
    CreateAndStart,
}

impl Client {
    /// Recreates these services, and only these, on what the project's files say now,
    /// keeping the number of their containers. Afterwards their containers are
    /// started, and each runs the image of the change; their health is not waited for.
    /// A service that already runs so is left alone. What is returned are their
    /// containers, for [`super::WatchHandle::add`].
    ///
    /// It is carried to its end even when the caller goes away.
    ///
    /// Errors: `Conflict` when the files say another image, `Failed` when an image
    /// has not been pulled or Compose fails.
    pub async fn up(&self, services: &[ServiceImage]) -> Result<Vec<DeployedContainer>> {
        self.refresh_model().await;
        let names: Vec<&str> = services.iter().map(|service| service.service.as_str()).collect();
        let model = self.check_services(&names).await?;
        let mut goals = Vec::new();
        for wanted in services {
            let modelled = Self::modelled(&model, &wanted.service)?;
            goals.push(self.prepare(wanted, modelled).await?);
        }
        self.recreate(&model, &goals).await
    }

    /// As [`Client::up`], on images that were in use before: each reference of the
    /// project's files names its image on this engine from then on.
    ///
    /// Errors: `NotFound` when an image is not on the engine any more, `Conflict` when the
    /// files have a digest of another image, `Failed` when Compose fails.
    pub async fn revert(&self, formers: &[FormerImage]) -> Result<Vec<DeployedContainer>> {
        self.refresh_model().await;
        let names: Vec<&str> = formers.iter().map(|former| former.service.as_str()).collect();
        let model = self.check_services(&names).await?;
        let mut goals = Vec::new();
        for former in formers {
            let modelled = Self::modelled(&model, &former.service)?;
            goals.push(self.name_again(former, modelled).await?);
        }
        self.recreate(&model, &goals).await
    }

    /// The containers of these services, as if they had been deployed before.
    pub async fn deployed(&self, services: &[String]) -> Result<Vec<DeployedContainer>> {
        let mut deployed = Vec::new();
        for service in services {
            deployed.extend(self.containers_of(service).await?.into_iter().map(|found| {
                let (id, name) = (found.container.id, found.container.name);
                DeployedContainer { service: service.clone(), id, name, fresh: false }
            }));
        }
        Ok(deployed)
    }

    async fn recreate(&self, model: &Model, goals: &[Goal<'_>]) -> Result<Vec<DeployedContainer>> {
        let names: Vec<&str> = goals.iter().map(|goal| goal.service).collect();
        let doing = format!("recreating {}", names.join(", "));
        let before = self.containers(&model.project).await?;
        let way = self.way(model, goals, &before).await?;
        let args = up_args(goals, &before, way);
        let compose = &self.inner.compose;
        match way {
            Way::CreateAndStart => {
                compose.change_and_start(&doing, &args, &model.project, &names).await?;
            }
            Way::Up | Way::UpAlone => compose.change(&doing, &args).await?,
        }
        let after = self.containers(&model.project).await?;
        verify(goals, &before, after)
    }

    async fn way(&self, model: &Model, goals: &[Goal<'_>], before: &[Found]) -> Result<Way> {
        let dependencies = dependencies(model, goals);
        let hashes = match dependencies.is_empty() {
            true => Arc::default(),
            false => self.hashes().await?,
        };
        for name in dependencies {
            let service = model.services.get(&name);
            let reference = service.map_or("", |service| service.image.as_str());
            let image = self.image(reference).await?.and_then(|image| image.id);
            let hash = hashes.get(&name).map(String::as_str);
            if !is_current(&name, before, hash, image.as_deref()) {
                return Ok(Way::UpAlone);
            }
        }
        let in_order = |service: &ServiceModel| {
            let mut on = service.depends_on.iter();
            on.any(|on| goals.iter().any(|goal| goal.service == on.service))
        };
        let mut services = goals.iter().filter_map(|goal| model.services.get(goal.service));
        let is_up = services.any(|service| service.needs_preparation || in_order(service));
        Ok(if is_up { Way::Up } else { Way::CreateAndStart })
    }

    /// A tag that has moved on leads to the former image again.
    async fn name_again<'a>(
        &self,
        former: &'a FormerImage,
        modelled: &ServiceModel,
    ) -> Result<Goal<'a>> {
        let FormerImage { service, image_id } = former;
        let found = self.image(image_id).await?.and_then(Local::of);
        let Some(found) = found.filter(|found| found.id == *image_id) else {
            return Err(Error::not_found(format!(
                "the former image {image_id} of {service} is not on the engine any more"
            ))
            .hint(format!("pull it again by its digest, and tag it as {}", modelled.image)));
        };
        let reference = Reference::parse(&modelled.image)?;
        self.tag(&found, &reference).await?;
        let named = self.image(reference.as_str()).await?.and_then(|image| image.id);
        if named.as_ref() != Some(image_id) {
            return Err(Error::conflict(format!(
                "the project's files say {reference} for {service}, which is {}, not {image_id}",
                named.as_deref().unwrap_or("not on the engine")
            )));
        }
        Ok(Goal { service, image: modelled.image.clone(), image_id: image_id.clone() })
    }

    /// The files must say the image of the change, and its tag must name that image:
    /// Compose goes by both.
    async fn prepare<'a>(
        &self,
        wanted: &'a ServiceImage,
        modelled: &ServiceModel,
    ) -> Result<Goal<'a>> {
        let service = wanted.service.as_str();
        let pinned = Pinned::check(&wanted.image)?;
        if !says(&modelled.image, &pinned) {
            return Err(Error::conflict(format!(
                "the project's files say {} for {service}, and not {}",
                modelled.image, pinned.reference
            )));
        }
        let Some(local) = self.local(&pinned).await? else {
            return Err(Error::failed(format!(
                "{} for {service} has not been pulled",
                pinned.by_digest()
            )));
        };
        self.tag(&local, &pinned.reference).await?;
        Ok(Goal { service, image: pinned.by_digest(), image_id: local.id })
    }

    /// Afterwards none of the services runs, but for those all of whose containers use the
    /// image that they are spared for; each had its own grace period.
    ///
    /// Errors: `Failed` when Compose fails or a container goes on.
    pub async fn stop(&self, services: &[String], spared: &[FormerImage]) -> Result<()> {
        let names: Vec<&str> = services.iter().map(String::as_str).collect();
        let model = self.check_services(&names).await?;
        let found = self.containers(&model.project).await?;
        let names: Vec<&str> =
            names.into_iter().filter(|name| !is_spared(name, &found, spared)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let doing = format!("stopping {}", names.join(", "));
        let args = ["stop", "--"].into_iter().chain(names.iter().copied()).map(str::to_owned);
        self.inner.compose.change(&doing, &args.collect::<Vec<_>>()).await?;
        let left = self.containers(&model.project).await?;
        let running =
            left.iter().find(|found| found.is_running() && names.contains(&found.service.as_str()));
        match running {
            Some(found) => {
                Err(Error::failed(format!("{doing}: {} still runs", found.container.name)))
            }
            None => Ok(()),
        }
    }
}

/// All that these services depend on, themselves left out.
fn dependencies(model: &Model, goals: &[Goal<'_>]) -> Vec<String> {
    let mut open: Vec<&str> = goals.iter().map(|goal| goal.service).collect();
    let mut seen: BTreeSet<&str> = open.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        let depends_on = model.services.get(name).map(|s| s.depends_on.as_slice());
        for needed in depends_on.unwrap_or_default() {
            if seen.insert(&needed.service) {
                found.push(needed.service.clone());
                open.push(&needed.service);
            }
        }
    }
    found
}

/// The service runs as the files and the engine's names of images say now.
fn is_current(service: &str, found: &[Found], hash: Option<&str>, image: Option<&str>) -> bool {
    let own: Vec<&Found> = found.iter().filter(|found| found.service == service).collect();
    let as_now = |found: &&Found| {
        found.is_running()
            && found.label(HASH_LABEL) == hash
            && Some(found.container.image_id.as_str()) == image
    };
    !own.is_empty() && own.iter().all(as_now)
}

fn is_spared(service: &str, found: &[Found], spared: &[FormerImage]) -> bool {
    let image = spared.iter().find(|former| former.service == service);
    let mut own = found.iter().filter(|found| found.service == service);
    image.is_some_and(|former| own.all(|found| found.container.image_id == former.image_id))
}

/// Both may be spelled differently, such as with or without `docker.io`.
fn says(model: &str, pinned: &Pinned) -> bool {
    let Ok(model) = Reference::parse(model) else { return false };
    let wanted = &pinned.reference;
    let tag = |reference: &Reference| match (reference.tag(), reference.digest()) {
        (None, None) => Some("latest".to_owned()),
        (tag, _) => tag.map(str::to_owned),
    };
    model.normalized_repository() == wanted.normalized_repository()
        && model.digest().is_none_or(|digest| digest == pinned.digest)
        && (model.digest().is_some() || tag(&model) == tag(wanted))
}

fn up_args(goals: &[Goal<'_>], before: &[Found], way: Way) -> Vec<String> {
    let mut args: Vec<String> =
        ["up", "--detach", "--no-build", "--pull", "never"].map(str::to_owned).to_vec();
    match way {
        Way::Up => {}
        Way::UpAlone => args.push("--no-deps".to_owned()),
        Way::CreateAndStart => args.push("--no-start".to_owned()),
    }
    let counts = counts(before);
    for goal in goals {
        if let Some(count) = counts.get(goal.service) {
            args.push("--scale".to_owned());
            args.push(format!("{}={count}", goal.service));
        }
    }
    args.push("--".to_owned());
    args.extend(goals.iter().map(|goal| goal.service.to_owned()));
    args
}

/// By their numbers: a recreation that was broken off leaves two of the same.
fn counts(found: &[Found]) -> BTreeMap<&str, usize> {
    let mut numbers: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for found in found {
        numbers.entry(found.service.as_str()).or_default().insert(found.number);
    }
    numbers.into_iter().map(|(service, numbers)| (service, numbers.len())).collect()
}

/// Compose exits with 0 in more cases than those in which all is as wanted.
fn verify(
    goals: &[Goal<'_>],
    before: &[Found],
    after: Vec<Found>,
) -> Result<Vec<DeployedContainer>> {
    for goal in goals {
        let mut own = after.iter().filter(|found| found.service == goal.service).peekable();
        if own.peek().is_none() {
            return Err(Error::failed(format!("recreating {}: it has no container", goal.service)));
        }
        if let Some(wrong) = own.find(|found| found.container.image_id != goal.image_id) {
            return Err(Error::failed(format!(
                "recreating {}: {} was created from {} instead of {} ({})",
                goal.service,
                wrong.container.name,
                wrong.container.image_id,
                goal.image_id,
                goal.image,
            )));
        }
    }
    let old: BTreeSet<&str> = before.iter().map(|found| found.container.id.as_str()).collect();
    let ours =
        after.into_iter().filter(|found| goals.iter().any(|goal| goal.service == found.service));
    Ok(ours
        .map(|found| DeployedContainer {
            fresh: !old.contains(found.container.id.as_str()),
            service: found.service,
            id: found.container.id,
            name: found.container.name,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::docker::types::PinnedImage;

    #[test]
    fn spelling_is_not_a_difference_but_the_image_is() {
        let digest = format!("sha256:{}", "aa".repeat(32));
        let image = PinnedImage {
            reference: "docker.io/library/postgres:15".to_owned(),
            digest: digest.clone(),
        };
        let pinned = Pinned::check(&image).unwrap();
        assert!(says("postgres:15", &pinned));
        assert!(says(&format!("postgres:15@{digest}"), &pinned));
        assert!(says(&format!("postgres@{digest}"), &pinned));
        assert!(!says("postgres:16", &pinned));
        assert!(!says("postgres", &pinned));
        assert!(!says(&format!("postgres:15@sha256:{}", "bb".repeat(32)), &pinned));
        assert!(!says("r.example/postgres:15", &pinned));
        assert!(!says("", &pinned));
    }
}
