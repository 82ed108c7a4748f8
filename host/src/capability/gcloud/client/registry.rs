//! Which digest an image reference names now.

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, Url};

use super::Client;
use super::failure::{Failure, Refusal};
use super::probe::check_safe;
use super::services::joined;
use super::transport::{Answer, Call, Repeat};
use crate::capability::error::{Error, Result};
use crate::text::hex;
use sha2::{Digest as _, Sha256};

const DIGEST: &str = "docker-content-digest";
/// Else a registry may convert a manifest into one of another digest.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

struct Reference<'a> {
    host: &'a str,
    path: &'a str,
    /// A tag, or a digest.
    version: &'a str,
}

impl Client {
    /// # Errors
    /// `NotFound`, `Invalid`, and those of the registry.
    pub async fn resolve(&self, image: &str) -> Result<String> {
        let Some(reference) = parse(image) else {
            return Err(Error::invalid(format!(
                "no image reference with a registry and a tag: {image:?}"
            ))
            .hint("it is HOST/PROJECT/REPOSITORY/IMAGE:TAG, or …@DIGEST"));
        };
        let doing = format!("looking up the image {image}");
        let url = self.manifest(&reference)?;
        let answer =
            self.get_manifest(&doing, &reference, url).await.map_err(|failure| match failure {
                Failure::Refused(refusal) if refusal.code == 404 => {
                    Error::not_found(format!("{doing}: the registry does not have it"))
                        .hint("see that the version is right, and that its images were pushed")
                }
                failure => failure.into(),
            })?;
        let told = answer.headers.iter().find(|(name, _)| name == DIGEST);
        let digest = match told {
            Some((_, digest)) => digest.trim().to_owned(),
            None => format!("sha256:{}", hex(&Sha256::digest(&answer.body))),
        };
        if reference.version.starts_with("sha256:") && reference.version != digest {
            return Err(Error::failed(format!("{doing}: the registry answered with {digest}")));
        }
        Ok(digest)
    }

    /// Google's registries take the token of Google Cloud; nobody else gets it.
    async fn get_manifest(
        &self,
        doing: &str,
        reference: &Reference<'_>,
        url: Url,
    ) -> Result<Answer, Failure> {
        let repeat = Repeat::Read;
        if self.inner.endpoints.registry.is_some() || is_googles(reference.host) {
            check_safe(&url).map_err(Failure::Undone)?;
            let accept = Some(MANIFESTS);
            let call = Call { doing, method: Method::GET, url, body: None, accept, repeat };
            return self.transport().call(&call).await;
        }
        let mut request = Request::new(Method::GET, url);
        *request.timeout_mut() = Some(self.place().patience.request);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
        let answer = self.transport().plain(doing, request).await?;
        match answer.status {
            200 => Ok(answer),
            code => Err(Failure::Refused(Refusal::parse(doing, code, &answer.body, None))),
        }
    }

    fn manifest(&self, reference: &Reference<'_>) -> Result<Url> {
        let base = match &self.inner.endpoints.registry {
            Some(endpoint) => endpoint.clone(),
            None => Url::parse(&format!("https://{}/", reference.host)).map_err(|error| {
                Error::invalid(format!("the registry {:?} is no address", reference.host))
                    .because(error)
            })?,
        };
        let mut pieces = vec!["v2"];
        pieces.extend(reference.path.split('/'));
        pieces.extend(["manifests", reference.version]);
        joined(&base, &pieces)
    }
}

fn is_googles(host: &str) -> bool {
    let is_below = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    ["pkg.dev", "gcr.io"].iter().any(|domain| is_below(domain))
}

/// `HOST/PATH[:TAG][@DIGEST]`; a digest counts more than a tag.
fn parse(image: &str) -> Option<Reference<'_>> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let (host, rest) = name.split_once('/')?;
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (rest, ""),
    };
    let is_host = host.contains(['.', ':']) || host == "localhost";
    let version = digest.unwrap_or(tag);
    (is_host && !path.is_empty() && !version.is_empty()).then_some(Reference {
        host,
        path,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_registry_a_path_and_a_version() {
        let seen = |image| {
            parse(image).map(|r| (r.host.to_owned(), r.path.to_owned(), r.version.to_owned()))
        };
        let some = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(seen("eu-docker.pkg.dev/p/r/i:1.5"), some("eu-docker.pkg.dev", "p/r/i", "1.5"));
        assert_eq!(seen("h.io:5000/p/i:2"), some("h.io:5000", "p/i", "2"));
        assert_eq!(seen("h.io:5000/p/i"), None);
        assert_eq!(seen("h.io/p/i:1@sha256:ab"), some("h.io", "p/i", "sha256:ab"));
        assert_eq!(seen("postgres:15"), None);
        assert_eq!(seen("library/postgres:15"), None);
    }

    #[test]
    fn only_googles_registries_get_the_token() {
        assert!(is_googles("europe-docker.pkg.dev") && is_googles("eu.gcr.io"));
        assert!(!is_googles("pkg.dev.example.com") && !is_googles("notgcr.io"));
    }
}
