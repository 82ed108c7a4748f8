//! Images on the engine: finding them by digest, naming them, keeping them.

use bollard::errors::Error as EngineError;
use bollard::models::ImageInspect;
use bollard::query_parameters::TagImageOptions;

use super::Client;
use super::failure;
use super::registry::is_digest;
use super::services::digests;
use crate::capability::docker::reference::Reference;
use crate::capability::docker::types::{KeptImage, PinnedImage};
use crate::capability::error::{Error, Result};

/// Where the images in use are kept from being cleaned up.
const KEPT: &str = "tessallite-up/kept";
const LONGEST_TAG: usize = 128;

/// A pinned image whose parts have been checked.
pub(super) struct Pinned {
    pub(super) reference: Reference,
    pub(super) digest: String,
}

impl Pinned {
    /// Errors: `Invalid` when reference or digest are not well-formed, or contradict
    /// each other.
    pub(super) fn check(image: &PinnedImage) -> Result<Self> {
        let reference = Reference::parse(&image.reference)?;
        if !is_digest(&image.digest) {
            return Err(Error::invalid(format!(
                "the digest for {reference} is not sha256:… in hexadecimal"
            )));
        }
        if reference.digest().is_some_and(|own| own != image.digest) {
            return Err(Error::invalid(format!(
                "{reference} names another digest than {}",
                image.digest
            )));
        }
        Ok(Self { reference, digest: image.digest.clone() })
    }

    pub(super) fn by_digest(&self) -> String {
        self.reference.with_digest(&self.digest)
    }
}

/// An image that the engine has.
pub(super) struct Local {
    pub(super) id: String,
    /// Its local tags.
    names: Vec<String>,
}

impl Local {
    pub(super) fn of(image: ImageInspect) -> Option<Self> {
        Some(Self { id: image.id?, names: image.repo_tags.unwrap_or_default() })
    }

    fn has_name(&self, repository: &str, tag: &str) -> bool {
        let is_it = |name: &Reference| {
            name.normalized_repository() == repository && name.tag() == Some(tag)
        };
        self.names.iter().filter_map(|name| Reference::parse(name).ok()).any(|name| is_it(&name))
    }
}

impl Client {
    /// The pinned image; nothing when it is not there. An image that came without a
    /// registry (from an archive) is found when the digest is its ID.
    pub(super) async fn local(&self, pinned: &Pinned) -> Result<Option<Local>> {
        let by_digest = self.image(&pinned.by_digest()).await?;
        if let Some(image) = by_digest {
            let listed = digests(&image, pinned.reference.as_str()).contains(&pinned.digest);
            if listed || image.id.as_deref() == Some(pinned.digest.as_str()) {
                return Ok(Local::of(image));
            }
        }
        let by_id = self.image(&pinned.digest).await?;
        Ok(by_id.and_then(Local::of).filter(|image| image.id == pinned.digest))
    }

    /// The local tag of the reference names this image afterwards. Where it does already, the
    /// engine is spared the writing of all its tags.
    pub(super) async fn tag(&self, image: &Local, reference: &Reference) -> Result<()> {
        let tag = reference.tag().unwrap_or("latest");
        let is_by_digest = reference.digest().is_some() && reference.tag().is_none();
        if is_by_digest || image.has_name(&reference.normalized_repository(), tag) {
            return Ok(());
        }
        self.tag_as(&image.id, reference.repository(), tag)
            .await
            .map_err(|error| failure::engine(format!("tagging the image as {reference}"), error))
    }

    async fn tag_as(&self, id: &str, repository: &str, tag: &str) -> Result<(), EngineError> {
        let options =
            TagImageOptions { repo: Some(repository.to_owned()), tag: Some(tag.to_owned()) };
        self.docker().tag_image(id, Some(options)).await
    }

    /// Gives every image that a container of the project uses a local tag of its own,
    /// so that no clean-up removes it; what is returned names them. To be called before
    /// anything is pulled. Calling it again for the same run adds the images in use by
    /// then, and takes none away. An image that is gone already is left out.
    pub async fn keep_current_images(&self, run: &str) -> Result<Vec<KeptImage>> {
        let model = self.model().await?;
        let mut kept: Vec<KeptImage> = Vec::new();
        for found in self.containers(&model.project).await? {
            let image_id = found.container.image_id;
            if kept.iter().any(|kept| kept.service == found.service && kept.image_id == image_id) {
                continue;
            }
            let tag = kept_tag(&model.project, &found.service, run, &image_id);
            match self.tag_as(&image_id, KEPT, &tag).await {
                Ok(()) => kept.push(KeptImage {
                    service: found.service,
                    image_id,
                    tag: format!("{KEPT}:{tag}"),
                }),
                Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => {
                    return Err(failure::engine(
                        format!("keeping the image of {}", found.service),
                        error,
                    ));
                }
            }
        }
        Ok(kept)
    }
}

/// `PROJECT-SERVICE-RUN-ID`: the image's ID makes it name the same image for ever.
fn kept_tag(project: &str, service: &str, run: &str, image_id: &str) -> String {
    let id: String = image_id.trim_start_matches("sha256:").chars().take(12).collect();
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' };
    let room = LONGEST_TAG - 1 - id.len();
    let front: String =
        format!("{project}-{service}-{run}").chars().map(plain).take(room).collect();
    format!("{}-{id}", front.trim_start_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_tag_is_always_a_tag() {
        let id = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            kept_tag("tess", "query-router", "20261122-1", &id),
            "tess-query-router-20261122-1-abababababab"
        );
        let long = kept_tag("-ä", &"x".repeat(300), "r", &id);
        assert!(Reference::parse(&format!("{KEPT}:{long}")).is_ok(), "{long}");
        assert!(long.ends_with("-abababababab"));
    }

    #[test]
    fn an_image_has_its_names_however_they_are_spelled() {
        let names = ["postgres:15", "r.example:5000/a:1"].map(str::to_owned).to_vec();
        let image = Local { id: "sha256:1".to_owned(), names };
        assert!(image.has_name("docker.io/library/postgres", "15"));
        assert!(image.has_name("r.example:5000/a", "1"));
        assert!(!image.has_name("r.example:5000/a", "15"));
        assert!(!image.has_name("docker.io/library/a", "1"));
    }

    #[test]
    fn a_reference_and_a_digest_that_contradict_each_other_are_refused() {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
        let pinned = |reference: String, digest: String| {
            Pinned::check(&PinnedImage { reference, digest }).is_ok()
        };
        assert!(pinned("r.example/a:1".to_owned(), digest("aa")));
        assert!(pinned(format!("r.example/a:1@{}", digest("aa")), digest("aa")));
        assert!(!pinned(format!("r.example/a:1@{}", digest("aa")), digest("bb")));
        assert!(!pinned("r.example/a:1".to_owned(), "1".to_owned()));
        assert!(!pinned("r.example/a:1 --help".to_owned(), digest("aa")));
    }
}
