//! One request over the network.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Url};
use tokio::time::Instant;

use super::request::{LONGEST_BODY, redirect};
use super::types::Response;
use crate::capability::error::{Error, Kind, Result};
use crate::text::{one_line, shortened};

const CONNECT: Duration = Duration::from_secs(3);
const REDIRECTS: usize = 5;

/// Whether the other side can have seen anything of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    No,
    Perhaps,
}

pub(super) fn client() -> Result<Client> {
    built(builder())
}

/// One that connects to these addresses, whatever a name would lead to now.
pub(super) fn pinned(addresses: Vec<SocketAddr>) -> Result<Client> {
    built(builder().dns_resolver(Pinned(addresses)))
}

struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Without proxies, without connections that are kept (services are being replaced),
/// without repeats.
fn builder() -> ClientBuilder {
    // Another part of the program may have done it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .user_agent(concat!("tessallite-up/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|e| Error::failed("preparing the HTTP client").because(e))
}

/// GET, redirects on the same origin included.
pub(super) async fn get(
    client: &Client,
    url: Url,
    deadline: Instant,
) -> Result<Response, (Sent, Error)> {
    let mut url = url;
    for _ in 0..=REDIRECTS {
        let request = Request::new(reqwest::Method::GET, url.clone());
        let answer = once(client, request, deadline).await?;
        match redirect(&url, &answer) {
            Some(next) => url = next,
            None => return Ok(answer),
        }
    }
    Err((Sent::Perhaps, Error::failed(format!("GET {url}: more than {REDIRECTS} redirects"))))
}

pub(super) async fn once(
    client: &Client,
    request: Request,
    deadline: Instant,
) -> Result<Response, (Sent, Error)> {
    let doing = format!("{} {}", request.method(), request.url());
    let mut request = request;
    *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
    let answer = client.execute(request).await.map_err(|e| failed(&doing, e))?;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let body = body(answer, &doing).await?;
    Ok(Response { status, headers, body })
}

async fn body(mut answer: reqwest::Response, doing: &str) -> Result<Vec<u8>, (Sent, Error)> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| failed(doing, e))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            let message = format!("{doing}: the answer is longer than {LONGEST_BODY} bytes");
            return Err((Sent::Perhaps, Error::failed(message)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(doing: &str, error: reqwest::Error) -> (Sent, Error) {
    let error = error.without_url();
    let (sent, kind) = match () {
        () if error.is_connect() => (Sent::No, Kind::Unavailable),
        () if error.is_builder() => (Sent::No, Kind::Invalid),
        () if error.is_timeout() => (Sent::Perhaps, Kind::TimedOut),
        () => (Sent::Perhaps, Kind::Unavailable),
    };
    // The lowest cause is the one that tells: "Connection refused".
    let mut cause: &dyn StdError = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        one_line(&cause.to_string())
    };
    (sent, Error::new(kind, format!("{doing}: {}", shortened(&why, 1000))))
}
