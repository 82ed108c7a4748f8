//! Access tokens for Google's APIs and ID tokens for private services.
//!
//! Tried in this order: a token in the environment; the application default credentials
//! (a file of a service account, a user, a federated or impersonated identity, or the
//! metadata server that the environment names); the login of the gcloud CLI; the machine's
//! metadata server.

use std::collections::HashMap;
use std::path::Path;

use google_cloud_auth::credentials::{
    AccessTokenCredentials, external_account, impersonated, mds, service_account, user_account,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::cli::Cli;
use super::environment::Login;
use crate::capability::error::{Error, Result};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token is used whose end is not known; gcloud's last an hour.
const FRESH: Duration = Duration::from_secs(20 * 60);

/// Where tokens come from.
enum Source {
    /// Cannot be renewed.
    Token(String),
    /// The credentials of a file, with what that file is.
    File(AccessTokenCredentials, Value),
    Metadata(AccessTokenCredentials),
    Cli(Cli),
}

/// The identity that is worked with, found when it is needed first.
pub(super) struct Credentials {
    login: Login,
    /// Google Cloud's service for identities, where one is acted as.
    source: Mutex<Option<Source>>,
    tokens: Mutex<HashMap<Wanted, (String, Instant)>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Access,
    /// For this audience.
    Id(String),
}

/// How an ID token can be had.
pub(super) enum Identity {
    Token(String),
    /// Of the metadata server, which is to be asked.
    Metadata,
    /// The IAM Credentials API is to be asked for one of this service account.
    Account(String),
}

impl Credentials {
    pub(super) fn new(login: Login) -> Self {
        Self { login, source: Mutex::default(), tokens: Mutex::default() }
    }

    /// # Errors
    /// `Failed`: there is no login, or it is no longer good.
    pub(super) async fn access_token(&self) -> Result<String> {
        if let Some(token) = self.kept(&Wanted::Access).await {
            return Ok(token);
        }
        let mut source = self.source.lock().await;
        let source = match &mut *source {
            Some(source) => source,
            empty => empty.insert(find(&self.login).await?),
        };
        let (token, keep) = match source {
            Source::Token(token) => (token.clone(), false),
            // Kept by the library, for as long as they are good.
            Source::File(credentials, _) | Source::Metadata(credentials) => {
                (token_of(credentials).await?, false)
            }
            Source::Cli(cli) => (cli.access_token().await?, true),
        };
        if keep {
            self.keep(Wanted::Access, &token).await;
        }
        Ok(token)
    }

    /// Google Cloud has refused this token. Whether there may be another one.
    pub(super) async fn renew(&self, refused: &str) -> bool {
        self.forget(refused).await;
        let mut source = self.source.lock().await;
        match &*source {
            Some(Source::Token(_)) => false,
            // Whatever the library keeps, it takes for good.
            Some(Source::File(..) | Source::Metadata(_)) => {
                *source = None;
                true
            }
            _ => true,
        }
    }

    pub(super) async fn forget(&self, refused: &str) {
        self.tokens.lock().await.retain(|_, (token, _)| token != refused);
    }

    /// # Errors
    /// `Failed`: with this login there is none.
    pub(super) async fn identity(&self, audience: &str) -> Result<Identity> {
        // It decides which source there is.
        self.access_token().await?;
        let source = self.source.lock().await;
        let cli = match &*source {
            Some(Source::Metadata(_)) => return Ok(Identity::Metadata),
            Some(Source::File(_, file)) if file["type"] == "service_account" => {
                let email = file["client_email"].as_str().unwrap_or_default().to_owned();
                return Ok(Identity::Account(email));
            }
            Some(Source::Cli(cli)) => Some(cli.clone()),
            _ if self.login.has_metadata => return Ok(Identity::Metadata),
            _ => Cli::find(),
        };
        drop(source);
        let Some(cli) = cli else { return Err(no_identity(audience)) };
        Ok(Identity::Token(cli.identity_token(audience).await?))
    }

    /// One that was got before and is still good.
    pub(super) async fn kept_identity(&self, audience: &str) -> Option<String> {
        self.kept(&Wanted::Id(audience.to_owned())).await
    }

    pub(super) async fn keep_identity(&self, audience: &str, token: &str) {
        self.keep(Wanted::Id(audience.to_owned()), token).await;
    }

    async fn kept(&self, wanted: &Wanted) -> Option<String> {
        let tokens = self.tokens.lock().await;
        let (token, since) = tokens.get(wanted)?;
        (since.elapsed() < FRESH).then(|| token.clone())
    }

    async fn keep(&self, wanted: Wanted, token: &str) {
        self.tokens.lock().await.insert(wanted, (token.to_owned(), Instant::now()));
    }
}

fn no_identity(audience: &str) -> Error {
    Error::failed(format!(
        "an ID token for {audience}: the credentials that are used here cannot give one"
    ))
    .hint(
        "name a service account to act as (impersonate in [cloudrun]) that may call the service, \
         or log in with gcloud auth login",
    )
}

async fn find(login: &Login) -> Result<Source> {
    if let Some(token) = &login.access_token {
        return Ok(Source::Token(token.clone()));
    }
    if let Some(path) = &login.credentials_file {
        let file = read(path).await?;
        let credentials = of_file(path, &file)?;
        return Ok(Source::File(credentials, file));
    }
    if login.has_metadata {
        return metadata();
    }
    match Cli::find() {
        Some(cli) if cli.has_account().await => Ok(Source::Cli(cli)),
        _ => metadata(),
    }
}

fn metadata() -> Result<Source> {
    let built = mds::Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
    built.map(Source::Metadata).map_err(|error| {
        Error::failed("preparing to ask the metadata server for a token").because(error)
    })
}

async fn read(path: &Path) -> Result<Value> {
    let doing = format!("reading the credentials {}", path.display());
    let text = tokio::fs::read(path).await.map_err(|error| {
        Error::failed(doing.clone())
            .because(error)
            .hint("GOOGLE_APPLICATION_CREDENTIALS names it, or gcloud has written it")
    })?;
    // The error would quote the file, which is a secret.
    serde_json::from_slice(&text).map_err(|_| Error::failed(format!("{doing}: it is no JSON")))
}

fn of_file(path: &Path, file: &Value) -> Result<AccessTokenCredentials> {
    let json = file.clone();
    let built = match file["type"].as_str().unwrap_or_default() {
        "authorized_user" => {
            user_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        "service_account" => service_account::Builder::new(json)
            .with_access_specifier(service_account::AccessSpecifier::from_scopes([SCOPE]))
            .build_access_token_credentials(),
        "impersonated_service_account" => {
            impersonated::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        "external_account" => external_account::Builder::new(json)
            .with_scopes([SCOPE])
            .build_access_token_credentials(),
        other => {
            return Err(Error::failed(format!(
                "the credentials {} are of the kind {other:?}, which is not known",
                path.display()
            ))
            .hint("gcloud auth application-default login makes some that are"));
        }
    };
    built.map_err(|error| {
        Error::failed(format!("preparing the credentials {}", path.display())).because(error)
    })
}

async fn token_of(credentials: &AccessTokenCredentials) -> Result<String> {
    let token = credentials.access_token().await.map_err(|error| {
        Error::failed("getting an access token for Google Cloud").because(error).hint(
            "log in: gcloud auth login, or gcloud auth application-default login; or set \
             GOOGLE_APPLICATION_CREDENTIALS",
        )
    })?;
    Ok(token.token)
}

/// What the IAM Credentials API is asked for.
pub(super) fn access_request() -> Value {
    json!({"scope": [SCOPE]})
}

pub(super) fn identity_request(audience: &str) -> Value {
    json!({"audience": audience, "includeEmail": true})
}
