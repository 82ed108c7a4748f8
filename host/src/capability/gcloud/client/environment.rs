//! What the environment says of Google Cloud: other endpoints, tokens, the metadata server.

use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::capability::error::{Error, Result};

const RUN: &str = "https://run.googleapis.com/";
const SQL: &str = "https://sqladmin.googleapis.com/";
const IAM_CREDENTIALS: &str = "https://iamcredentials.googleapis.com/";
const RESOURCE_MANAGER: &str = "https://cloudresourcemanager.googleapis.com/";
const METADATA: &str = "metadata.google.internal";
/// Below the home directory, or below `CLOUDSDK_CONFIG`.
const WELL_KNOWN: &str = "application_default_credentials.json";

/// Where Google's APIs are.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub run: Url,
    pub sql: Url,
    pub iam_credentials: Url,
    /// Absent where the others are not Google's: whoever is not asked for them by name is
    /// not sent their tokens.
    pub resource_manager: Option<Url>,
    /// In place of every registry's own host.
    pub registry: Option<Url>,
    pub metadata: String,
}

/// What there is to log in with, as far as the environment tells.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub access_token: Option<String>,
    /// The file of the application default credentials, where it is there.
    pub credentials_file: Option<PathBuf>,
    /// The environment names a metadata server.
    pub has_metadata: bool,
}

/// Variables by their names; empty ones count as absent.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Endpoints {
    pub(super) fn of(variable: Variables<'_>) -> Result<Self> {
        let url = |name: &str, default: &str| {
            let text = variable(name).unwrap_or_else(|| default.to_owned());
            endpoint(name, &text)
        };
        let registry = "TESSALLITE_UP_REGISTRY_ENDPOINT";
        let run = url("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", RUN)?;
        let sql = url("CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL", SQL)?;
        let are_googles = run.as_str() == RUN && sql.as_str() == SQL;
        let manager = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER";
        let manager = variable(manager)
            .map(|text| endpoint(manager, &text))
            .or_else(|| are_googles.then(|| endpoint(manager, RESOURCE_MANAGER)));
        Ok(Self {
            run,
            sql,
            resource_manager: manager.transpose()?,
            iam_credentials: url(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
                IAM_CREDENTIALS,
            )?,
            registry: variable(registry).map(|text| endpoint(registry, &text)).transpose()?,
            metadata: variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.to_owned()),
        })
    }
}

/// With a slash at its end, so that paths are added to it and not put in its place.
fn endpoint(name: &str, text: &str) -> Result<Url> {
    let with_slash = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    match Url::parse(&with_slash) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(Error::invalid(format!("{name} is not an address: {text:?}"))
            .hint("write it as https://HOST/ or unset it")),
    }
}

impl Login {
    pub(super) fn of(variable: Variables<'_>) -> Self {
        let tokens = ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"];
        let named = variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        let well_known = || {
            let path = configuration(variable)?.join(WELL_KNOWN);
            path.is_file().then_some(path)
        };
        Self {
            access_token: tokens.into_iter().find_map(variable),
            credentials_file: named.or_else(well_known),
            has_metadata: variable("GCE_METADATA_HOST").is_some(),
        }
    }
}

/// The directory of gcloud's own configuration.
pub(super) fn configuration(variable: Variables<'_>) -> Option<PathBuf> {
    let of_home = || Some(Path::new(&variable("HOME")?).join(".config/gcloud"));
    variable("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(of_home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_googles_unless_the_environment_says_otherwise() {
        let none = Endpoints::of(&|_| None).unwrap();
        assert_eq!(none.run.as_str(), RUN);
        assert_eq!(none.registry, None);
        assert_eq!(none.resource_manager.unwrap().as_str(), RESOURCE_MANAGER);
        let here =
            |name: &str| (name != "GCE_METADATA_HOST").then(|| "http://127.0.0.1:1/x".into());
        let here = Endpoints::of(&here).unwrap();
        for url in [&here.run, &here.sql, &here.iam_credentials, here.registry.as_ref().unwrap()] {
            assert_eq!(url.as_str(), "http://127.0.0.1:1/x/");
        }
        assert!(here.resource_manager.is_some());
        let run = |name: &str| name.ends_with("_RUN").then(|| "http://127.0.0.1:1".into());
        assert_eq!(Endpoints::of(&run).unwrap().resource_manager, None);
        let error = Endpoints::of(&|_| Some("nowhere".into())).unwrap_err().full_text();
        assert!(error.contains("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN"), "{error}");
    }

    #[test]
    fn the_login_is_found_where_gcloud_has_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().display().to_string();
        let variable = |name: &str| (name == "HOME").then(|| path.clone());
        assert_eq!(Login::of(&variable).credentials_file, None);
        let directory = home.path().join(".config/gcloud");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(WELL_KNOWN), "{}").unwrap();
        assert_eq!(Login::of(&variable).credentials_file, Some(directory.join(WELL_KNOWN)));
        let named = |name: &str| (name == "GOOGLE_APPLICATION_CREDENTIALS").then(|| "/k".into());
        assert_eq!(Login::of(&named).credentials_file, Some("/k".into()));
    }
}
