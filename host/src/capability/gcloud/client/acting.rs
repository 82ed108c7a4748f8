//! Acting as a service account: its tokens are asked for with the operator's own.

use reqwest::{Method, Request, Url};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::credentials::{Identity, access_request, identity_request};
use super::failure::Failure;
use super::transport::{Call, Repeat, Transport, Who};
use crate::capability::error::{Error, Result};

/// They last an hour.
const FRESH: Duration = Duration::from_secs(50 * 60);

/// Whom to act as, and where tokens for that are had.
pub(super) struct Acting {
    account: Option<String>,
    iam_credentials: Url,
    metadata: String,
    token: Mutex<Option<(String, Instant)>>,
}

impl Acting {
    pub(super) fn new(account: Option<String>, iam_credentials: Url, metadata: String) -> Self {
        Self { account, iam_credentials, metadata, token: Mutex::default() }
    }

    fn url(&self, account: &str, method: &str) -> Result<Url> {
        let path = format!("v1/projects/-/serviceAccounts/{account}:{method}");
        // The colon must not make a scheme of what is before it.
        self.iam_credentials.join(&format!("./{path}")).map_err(|error| {
            Error::invalid(format!("the service account {account:?} makes no address"))
                .because(error)
        })
    }
}

impl Transport {
    /// The access token that requests carry.
    pub(super) async fn token(&self) -> Result<String, Failure> {
        let Some(account) = &self.acting.account else {
            return self.credentials.access_token().await.map_err(Failure::Undone);
        };
        let mut kept = self.acting.token.lock().await;
        if let Some((token, since)) = &*kept
            && since.elapsed() < FRESH
        {
            return Ok(token.clone());
        }
        let doing = format!("acting as {account}");
        let answer =
            self.ask_for(&doing, account, "generateAccessToken", &access_request()).await?;
        let token = text(&doing, &answer, "accessToken").map_err(Failure::Undone)?;
        *kept = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    /// Google Cloud has refused this token. Whether there may be another one.
    pub(super) async fn renew(&self, refused: &str, who: Who) -> bool {
        if who == Who::Acting && self.acting.account.is_some() {
            *self.acting.token.lock().await = None;
            return true;
        }
        self.credentials.renew(refused).await
    }

    /// A token that proves to a service who asks it; another one than was refused.
    pub(super) async fn identity(&self, audience: &str, refused: Option<&str>) -> Result<String> {
        if let Some(refused) = refused {
            self.credentials.forget(refused).await;
        }
        if let Some(token) = self.credentials.kept_identity(audience).await {
            return Ok(token);
        }
        let doing = format!("getting an ID token for {audience}");
        let identity = match &self.acting.account {
            Some(account) => Identity::Account(account.clone()),
            None => self.credentials.identity(audience).await?,
        };
        let token = match identity {
            Identity::Token(token) => token,
            Identity::Metadata => self.of_metadata(&doing, audience).await?,
            Identity::Account(account) => {
                let request = identity_request(audience);
                let answer = self.ask_for(&doing, &account, "generateIdToken", &request).await?;
                text(&doing, &answer, "token")?
            }
        };
        self.credentials.keep_identity(audience, &token).await;
        Ok(token)
    }

    async fn ask_for(
        &self,
        doing: &str,
        account: &str,
        method: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let url = self.acting.url(account, method).map_err(Failure::Undone)?;
        // It gives a token and changes nothing.
        let call = Call {
            doing,
            method: Method::POST,
            url,
            body: Some(body),
            accept: None,
            repeat: Repeat::Read,
        };
        // Whatever it says is not about what the token is for.
        let answer = self.call_as(&call, Who::Operator).await;
        let answer = answer.map_err(|failure| Failure::Undone(failure.into()))?;
        serde_json::from_slice(&answer.body).map_err(|_| {
            Failure::Undone(Error::failed(format!("{doing}: what was answered is no JSON")))
        })
    }

    async fn of_metadata(&self, doing: &str, audience: &str) -> Result<String> {
        let base = format!(
            "http://{}/computeMetadata/v1/instance/service-accounts/default/identity",
            self.acting.metadata
        );
        let query = [("audience", audience), ("format", "full")];
        let url = Url::parse_with_params(&base, query).map_err(|error| {
            Error::invalid(format!("{doing}: GCE_METADATA_HOST makes no address")).because(error)
        })?;
        let mut request = Request::new(Method::GET, url);
        *request.timeout_mut() = Some(Duration::from_secs(10));
        let google = reqwest::header::HeaderValue::from_static("Google");
        request.headers_mut().insert("metadata-flavor", google);
        let answer = self.plain(doing, request).await?;
        if answer.status != 200 {
            return Err(Error::failed(format!(
                "{doing}: the metadata server answered {}",
                answer.status
            )));
        }
        Ok(String::from_utf8_lossy(&answer.body).trim().to_owned())
    }
}

fn text(doing: &str, answer: &Value, field: &str) -> Result<String> {
    let found = answer[field].as_str().filter(|text| !text.is_empty());
    found
        .map(str::to_owned)
        .ok_or_else(|| Error::failed(format!("{doing}: Google Cloud's answer has no {field}")))
}
