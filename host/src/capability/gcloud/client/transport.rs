//! Requests to Google's APIs: with a token, repeated where that is safe.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Url};
use serde_json::Value;

use super::acting::Acting;
use super::backoff::Backoff;
use super::credentials::Credentials;
use super::failure::{Failure, Refusal};
use crate::capability::error::{Error, Kind, Result};
use crate::text::{one_line, shortened};

const CONNECT: Duration = Duration::from_secs(10);
/// The longest that one answer may take.
const ANSWER: Duration = Duration::from_secs(60);
const LONGEST_BODY: usize = 16 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// What may be repeated when nobody knows whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing.
    Read,
    /// It carries an etag: of two, only one is carried out.
    Guarded,
    /// Twice would be once too often.
    Never,
}

/// Whose token a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Operator,
    /// The service account of the configuration, else the operator.
    Acting,
}

/// A request, and what it is for.
pub(super) struct Call<'a> {
    /// For messages: "reading the service gateway".
    pub doing: &'a str,
    pub method: Method,
    pub url: Url,
    pub body: Option<&'a Value>,
    /// What kinds of answers are taken; JSON where nothing is said.
    pub accept: Option<&'static str>,
    pub repeat: Repeat,
}

/// An answer that was not an error.
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub(super) struct Transport {
    network: Client,
    pub(super) credentials: Credentials,
    pub(super) acting: Acting,
    within: Duration,
}

impl Transport {
    pub(super) fn new(credentials: Credentials, acting: Acting, within: Duration) -> Result<Self> {
        Ok(Self { network: network()?, credentials, acting, within })
    }

    pub(super) async fn read(&self, doing: &str, url: Url) -> Result<Value, Failure> {
        let (method, repeat) = (Method::GET, Repeat::Read);
        self.json(Call { doing, method, url, body: None, accept: None, repeat }).await
    }

    pub(super) async fn json(&self, call: Call<'_>) -> Result<Value, Failure> {
        let doing = call.doing;
        let answer = self.call(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::Lost(
                Error::failed(format!("{doing}: what Google Cloud answered is no JSON"))
                    .because(error),
            )
        })
    }

    /// Until it is answered, refused, or the time for it is used up.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.call_as(call, Who::Acting).await
    }

    /// As one of two: the operator, or whom the operator acts as.
    pub(super) async fn call_as(&self, call: &Call<'_>, who: Who) -> Result<Answer, Failure> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, self.within);
        let mut token_was_renewed = false;
        loop {
            let token = match who {
                // Boxed: to act as somebody takes a call of its own.
                Who::Acting => Box::pin(self.token()).await?,
                Who::Operator => self.credentials.access_token().await.map_err(Failure::Undone)?,
            };
            let failure = match self.once(call, &token).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if let Failure::Refused(refusal) = &failure
                && refusal.code == 401
                && !token_was_renewed
                && self.renew(&token, who).await
            {
                token_was_renewed = true;
                continue;
            }
            let Some(at_least) = worth_repeating(&failure, call.repeat) else {
                return Err(ambiguous(failure, call.repeat));
            };
            if backoff.pause(at_least).await.is_err() {
                return Err(ambiguous(failure, call.repeat));
            }
        }
    }

    async fn once(&self, call: &Call<'_>, token: &str) -> Result<Answer, Failure> {
        let mut request = Request::new(call.method.clone(), call.url.clone());
        *request.timeout_mut() = Some(ANSWER);
        let headers = request.headers_mut();
        let mut bearer = format!("Bearer {token}").parse::<HeaderValue>().map_err(|_| {
            Failure::Undone(Error::invalid("the access token has signs that none can have"))
        })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if let Some(accept) = call.accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(body) = call.body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = Some(body.to_string().into());
        }
        let answer = send(&self.network, request, call.doing).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let seconds = answer.headers.iter().find(|(name, _)| name == RETRY_AFTER.as_str());
        let retry_after = seconds.and_then(|(_, value)| value.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        Err(Failure::Refused(Refusal::parse(call.doing, answer.status, &answer.body, retry_after)))
    }

    /// A request as it is, once, to whom it may concern: without a token of ours.
    pub(super) async fn plain(&self, doing: &str, request: Request) -> Result<Answer, Failure> {
        send(&self.network, request, doing).await
    }
}

/// The pause that is asked for, where it makes sense to try again.
fn worth_repeating(failure: &Failure, repeat: Repeat) -> Option<Option<Duration>> {
    match failure {
        Failure::Undone(error) => (error.kind == Kind::Unavailable).then_some(None),
        Failure::Lost(_) => (repeat == Repeat::Read).then_some(None),
        Failure::Refused(refusal) => {
            let is_transient = match refusal.code {
                _ if refusal.is_throttled() => true,
                503 => repeat != Repeat::Never,
                500 | 502 | 504 => repeat == Repeat::Read,
                _ => false,
            };
            is_transient.then_some(refusal.retry_after)
        }
    }
}

/// An answer of a front end does not tell whether a change behind it was made.
fn ambiguous(failure: Failure, repeat: Repeat) -> Failure {
    match failure {
        Failure::Refused(refusal)
            if repeat != Repeat::Read && matches!(refusal.code, 500 | 502 | 503 | 504) =>
        {
            Failure::Lost(refusal.into())
        }
        other => other,
    }
}

/// Proxies are those of the environment, as for gcloud; names are not redirected.
fn network() -> Result<Client> {
    // Another part of the program may have done it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent(concat!("tessallite-up/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::failed("preparing the HTTP client").because(error))
}

async fn send(network: &Client, request: Request, doing: &str) -> Result<Answer, Failure> {
    let answer = network.execute(request).await.map_err(|error| failed(doing, error))?;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let body = body(answer, doing).await?;
    Ok(Answer { status, headers, body })
}

async fn body(mut answer: reqwest::Response, doing: &str) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(doing, error))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            let text = format!("{doing}: the answer is longer than {LONGEST_BODY} bytes");
            return Err(Failure::Lost(Error::failed(text)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(doing: &str, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    // The lowest cause is the one that tells: "Connection refused".
    let mut cause: &dyn StdError = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    let why = shortened(&one_line(&cause.to_string()), 1_000);
    match () {
        () if error.is_connect() => {
            Failure::Undone(Error::unavailable(format!("{doing}: connecting: {why}")))
        }
        () if error.is_builder() => Failure::Undone(Error::invalid(format!("{doing}: {why}"))),
        () if error.is_timeout() => {
            Failure::Lost(Error::timed_out(format!("{doing}: no answer in time")))
        }
        () => Failure::Lost(Error::unavailable(format!("{doing}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, reason: &str) -> Failure {
        let body = format!(r#"{{"error":{{"errors":[{{"reason":"{reason}"}}]}}}}"#);
        Failure::Refused(Refusal::parse("x", code, body.as_bytes(), None))
    }

    #[test]
    fn what_is_repeated() {
        use Repeat::{Guarded, Never, Read};
        let lost = || Failure::Lost(Error::unavailable("x"));
        let cases = [
            (refused(429, ""), [true, true, true]),
            (refused(403, "rateLimitExceeded"), [true, true, true]),
            (refused(403, "quotaExceeded"), [false, false, false]),
            (refused(503, ""), [true, true, false]),
            (refused(500, ""), [true, false, false]),
            (refused(504, ""), [true, false, false]),
            (refused(409, ""), [false, false, false]),
            (refused(401, ""), [false, false, false]),
            (lost(), [true, false, false]),
            (Failure::Undone(Error::unavailable("x")), [true, true, true]),
            (Failure::Undone(Error::invalid("x")), [false, false, false]),
        ];
        for (failure, expected) in cases {
            let repeated = [Read, Guarded, Never];
            let repeated = repeated.map(|repeat| worth_repeating(&failure, repeat).is_some());
            assert_eq!(repeated, expected, "{failure:?}");
        }
    }

    #[test]
    fn a_change_that_a_front_end_did_not_answer_is_lost_and_not_refused() {
        assert!(matches!(ambiguous(refused(503, ""), Repeat::Never), Failure::Lost(_)));
        assert!(matches!(ambiguous(refused(504, ""), Repeat::Guarded), Failure::Lost(_)));
        assert!(matches!(ambiguous(refused(503, ""), Repeat::Read), Failure::Refused(_)));
        assert!(matches!(ambiguous(refused(429, ""), Repeat::Never), Failure::Refused(_)));
    }
}
