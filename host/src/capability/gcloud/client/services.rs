//! The services, as the Cloud Run Admin API has them.

use reqwest::{Method, Url};
use serde_json::Value;

use super::Client;
use super::failure::Failure;
use super::transport::{Call, Repeat};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::gcloud::convert;
use crate::contract::gcloud::Service;

impl Client {
    /// Those of the configuration that are there, in its order.
    ///
    /// # Errors
    /// Those of Google Cloud.
    pub async fn services(&self) -> Result<Vec<Service>> {
        let named = self.place().services.iter().filter(|service| !service.external);
        let asked = named.map(|service| self.service(&service.name));
        let mut services = Vec::new();
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Err(error) if error.kind == Kind::NotFound => {}
                answer => services.push(answer?),
            }
        }
        Ok(services)
    }

    /// # Errors
    /// `NotFound`, and those of Google Cloud.
    pub async fn service(&self, name: &str) -> Result<Service> {
        self.on_cloud_run(name)?;
        Ok(convert::service(&self.raw(name).await?))
    }

    /// The image of a revision; nothing where there is no such one.
    ///
    /// # Errors
    /// Those of Google Cloud.
    pub async fn image_of(&self, service: &str, revision: &str) -> Result<Option<String>> {
        self.on_cloud_run(service)?;
        let found = self.revision(service, revision).await?;
        Ok(found.as_ref().map(convert::image_of_revision))
    }

    /// As it is answered.
    pub(super) async fn raw(&self, name: &str) -> Result<Value, Failure> {
        let url = self.of_service(name, &[]).map_err(Failure::Undone)?;
        self.transport().read(&format!("reading the service {name}"), url).await
    }

    /// Nothing where there is no such revision.
    pub(super) async fn revision(&self, service: &str, name: &str) -> Result<Option<Value>> {
        let url = self.of_service(service, &["revisions", name])?;
        match self.transport().read(&format!("reading the revision {name}"), url).await {
            Ok(revision) => Ok(Some(revision)),
            Err(Failure::Refused(refusal)) if refusal.code == 404 => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Changes these fields; what is answered is the operation.
    pub(super) async fn patch(&self, change: Patch<'_>) -> Result<Value, Failure> {
        let Patch { service, doing, body, mask, validate_only } = change;
        let mut url = self.of_service(service, &[]).map_err(Failure::Undone)?;
        url.query_pairs_mut().append_pair("updateMask", mask);
        if validate_only {
            url.query_pairs_mut().append_pair("validateOnly", "true");
        }
        let repeat = if validate_only { Repeat::Read } else { Repeat::Guarded };
        let call =
            Call { doing, method: Method::PATCH, url, body: Some(body), accept: None, repeat };
        self.transport().json(call).await
    }

    fn of_service(&self, name: &str, below: &[&str]) -> Result<Url> {
        let place = self.place();
        let path = ["v2", "projects", &place.project, "locations", &place.region, "services", name];
        joined(&self.inner.endpoints.run, &[&path, below].concat())
    }
}

/// A change of a service.
pub(super) struct Patch<'a> {
    pub service: &'a str,
    pub doing: &'a str,
    /// With the etag that was read.
    pub body: &'a Value,
    pub mask: &'a str,
    pub validate_only: bool,
}

/// Each piece is one component of the path, whatever is in it.
pub(super) fn joined(base: &Url, pieces: &[&str]) -> Result<Url> {
    if pieces.iter().any(|piece| piece.is_empty() || *piece == "." || *piece == "..") {
        return Err(Error::invalid(format!("no name of Google Cloud: {}", pieces.join("/"))));
    }
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(pieces);
        }
        Err(()) => return Err(Error::invalid(format!("{base} is no base for addresses"))),
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_of_a_path() {
        let base = Url::parse("http://127.0.0.1:1/x/").unwrap();
        assert_eq!(joined(&base, &["v2", "a/b?c"]).unwrap().path(), "/x/v2/a%2Fb%3Fc");
        assert!(joined(&base, &["v2", ".."]).is_err());
        assert!(joined(&base, &["v2", ""]).is_err());
    }
}
