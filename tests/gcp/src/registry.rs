//! Artifact Registry: which digest a tag names, and what the image of a digest does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::exchange::{Answer, Call, Outcome};
use crate::release::Release;
use crate::setup::Setup;
use crate::world::World;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Debug, Clone)]
pub struct Image {
    pub digest: String,
    pub manifest: String,
    pub release: Release,
}

#[derive(Debug, Clone)]
pub struct Registry {
    /// Digests by reference: `HOST/PROJECT/REPOSITORY/IMAGE:TAG`.
    tags: BTreeMap<String, String>,
    /// Images by digest.
    images: BTreeMap<String, Image>,
}

impl Registry {
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let mut registry = Self { tags: BTreeMap::new(), images: BTreeMap::new() };
        for service in &setup.services {
            for release in &setup.releases {
                registry.push(&setup.image(&service.name, &release.tag), release);
            }
        }
        registry
    }

    /// Pushes an image; a tag that there is already moves to it.
    pub fn push(&mut self, reference: &str, release: &Release) -> String {
        let manifest = manifest(reference, release);
        let digest = format!("sha256:{}", hex(&Sha256::digest(&manifest)));
        self.tags.insert(reference.to_owned(), digest.clone());
        let release = release.clone();
        let image = Image { digest: digest.clone(), manifest, release };
        self.images.insert(digest.clone(), image);
        digest
    }

    /// Takes a tag away; the image stays under its digest.
    pub fn untag(&mut self, reference: &str) {
        self.tags.remove(reference);
    }

    /// Takes the image away, under all its names.
    pub fn remove(&mut self, reference: &str) {
        if let Some(digest) = self.digest_of(reference) {
            self.images.remove(&digest);
            self.tags.retain(|_, known| *known != digest);
        }
    }

    /// The digest that a reference names, by tag or by digest.
    #[must_use]
    pub fn digest_of(&self, reference: &str) -> Option<String> {
        match reference.split_once('@') {
            Some((_, digest)) => self.images.contains_key(digest).then(|| digest.to_owned()),
            None => self.tags.get(reference).cloned(),
        }
    }

    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&Image> {
        self.images.get(&self.digest_of(reference)?)
    }

    /// What an image does as this service.
    #[must_use]
    pub fn release(&self, reference: &str, service: &str) -> Release {
        let image = self.image(reference);
        image.map(|image| image.release.of(service)).unwrap_or_default()
    }

    #[must_use]
    pub fn view(&self) -> Value {
        json!(self.tags)
    }
}

/// An image reference without tag and digest.
#[must_use]
pub fn without_version(reference: &str) -> &str {
    let reference = reference.split_once('@').map_or(reference, |(name, _)| name);
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => reference,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image that behaves otherwise has other layers, and so another digest.
fn manifest(reference: &str, release: &Release) -> String {
    let layer = hex(&Sha256::digest(format!("{reference} {release:?}")));
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{layer}"),
            "size": 7023,
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": format!("sha256:{layer}"),
            "size": 32_654,
        }],
    })
    .to_string()
}

impl World {
    /// What is below `/v2/` and not Cloud Run's: `NAME/manifests/REFERENCE`.
    #[must_use]
    pub fn manifests(&self, rest: &[&str], call: &Call) -> Outcome {
        Outcome::Answer(self.manifest_answer(rest, call))
    }

    fn manifest_answer(&self, rest: &[&str], call: &Call) -> Answer {
        if !self.registry_login(call) {
            let realm =
                format!("Bearer realm=\"{}/v2/token\",service=\"{}\"", self.base, call.host);
            return refused(401, "UNAUTHORIZED", "authentication required")
                .header("www-authenticate", realm);
        }
        if rest == [""] || rest.is_empty() {
            return Answer::json(200, &json!({}));
        }
        let [name @ .., "manifests", version] = rest else {
            return refused(404, "NAME_UNKNOWN", "there is no such path");
        };
        if !matches!(call.method.as_str(), "GET" | "HEAD") {
            return refused(405, "UNSUPPORTED", "only GET and HEAD are known here");
        }
        let host = self.setup.repository.split('/').next().unwrap_or_default();
        let name = name.join("/");
        if self.permit("artifactregistry.repositories.downloadArtifacts", &name).is_err() {
            let message = format!(
                "Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"{name}\""
            );
            return refused(403, "DENIED", &message);
        }
        let separator = if version.starts_with("sha256:") { '@' } else { ':' };
        let reference = format!("{host}/{name}{separator}{version}");
        let Some(image) = self.registry.image(&reference) else {
            return refused(404, "MANIFEST_UNKNOWN", &format!("Failed to fetch \"{version}\""));
        };
        if !accepts(call) {
            return refused(404, "MANIFEST_UNKNOWN", "no manifest of an accepted type");
        }
        let answer = Answer::with(200, MANIFEST, image.manifest.clone());
        answer.header("docker-content-digest", image.digest.clone())
    }

    /// A Bearer token, or Basic with `oauth2accesstoken` as the user.
    fn registry_login(&self, call: &Call) -> bool {
        use base64::Engine as _;
        if let Some(token) = call.bearer() {
            return self.credentials.accepts(token);
        }
        let value = call.header("authorization").unwrap_or_default();
        let Some(basic) = value.strip_prefix("Basic ") else {
            return false;
        };
        let decoded = base64::engine::general_purpose::STANDARD.decode(basic.trim());
        let pair = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.unwrap_or_default();
        let token = pair.strip_prefix("oauth2accesstoken:");
        token.is_some_and(|token| self.credentials.accepts(token))
    }
}

/// The client takes manifests of the type that there is.
fn accepts(call: &Call) -> bool {
    let mut accepted = call.headers.iter().filter(|(name, _)| name == "accept").peekable();
    if accepted.peek().is_none() {
        return true;
    }
    let fits = |value: &str| {
        let mut kinds =
            value.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        kinds.any(|kind| kind == MANIFEST || kind == "*/*" || kind == "application/*")
    };
    accepted.any(|(_, value)| fits(value))
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"code": code, "message": message}]}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_moves_and_the_old_image_stays_under_its_digest() {
        let setup = Setup::default();
        let mut registry = Registry::new(&setup);
        let reference = setup.image("frontend", "1.4.0");
        let before = registry.digest_of(&reference);
        registry.push(&reference, &Release::new("1.4.0", Some("0009")));
        assert_ne!(registry.digest_of(&reference), before);
        let name = without_version(&reference);
        let pinned = format!("{name}@{}", before.clone().unwrap_or_default());
        assert_eq!(registry.digest_of(&pinned), before);
    }

    #[test]
    fn a_reference_loses_its_version() {
        assert_eq!(without_version("h:80/p/i:1"), "h:80/p/i");
        assert_eq!(without_version("h:80/p/i"), "h:80/p/i");
        assert_eq!(without_version("h/p/i@sha256:0"), "h/p/i");
        assert_eq!(without_version("h/p/i:1@sha256:0"), "h/p/i");
    }
}
