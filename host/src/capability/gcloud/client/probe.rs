//! Asking a service itself.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request, Url};

use super::Client;
use super::failure::Failure;
use super::transport::Answer;
use crate::capability::error::{Error, Result};
use crate::contract::http::Response;

const LONGEST_BODY: usize = 1 << 20;
const LONGEST: Duration = Duration::from_secs(30);

/// Where a service, or a tag of it, answers.
#[derive(Debug, Clone)]
pub(super) struct Address {
    base: String,
    /// Of the service itself: whom an ID token is for.
    audience: Option<String>,
    /// It has asked who calls.
    is_private: bool,
}

impl Client {
    /// GET, once.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Unavailable`, `TimedOut`, `Failed`.
    pub async fn probe(
        &self,
        service: &str,
        tag: Option<&str>,
        path: &str,
        timeout: Duration,
    ) -> Result<Response> {
        check(path, timeout)?;
        let address = self.address(service, tag).await?;
        let url = Url::parse(&format!("{}{path}", address.base.trim_end_matches('/')))
            .map_err(|error| Error::invalid(format!("{service} has no address")).because(error))?;
        let doing = format!("GET {url}");
        if !address.is_private {
            let answer = self.ask(&doing, &url, timeout, None).await?;
            if !matches!(answer.status, 401 | 403) || address.audience.is_none() {
                return response(&doing, answer);
            }
        }
        let Some(audience) = &address.audience else {
            return Err(Error::failed(format!("{doing}: it wants to know who asks")));
        };
        check_safe(&url)?;
        let token = self.transport().identity(audience, None).await?;
        let mut answer = self.ask(&doing, &url, timeout, Some(&token)).await?;
        if answer.status == 401 {
            // One that was kept may be too old by now.
            let token = self.transport().identity(audience, Some(&token)).await?;
            answer = self.ask(&doing, &url, timeout, Some(&token)).await?;
        }
        if !matches!(answer.status, 401 | 403) {
            let key = (service.to_owned(), tag.map(str::to_owned));
            let mut addresses = self.inner.addresses.lock().await;
            addresses.insert(key, Address { is_private: true, ..address });
        }
        response(&doing, answer)
    }

    async fn ask(
        &self,
        doing: &str,
        url: &Url,
        timeout: Duration,
        token: Option<&str>,
    ) -> Result<Answer> {
        let mut request = Request::new(Method::GET, url.clone());
        *request.timeout_mut() = Some(timeout);
        if let Some(token) = token {
            let mut bearer: HeaderValue = format!("Bearer {token}").parse().map_err(|_| {
                Error::failed(format!("{doing}: the ID token has signs that none can have"))
            })?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        self.transport().plain(doing, request).await.map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Lost(error) | Failure::Undone(error) => error,
        })
    }

    /// Addresses stay: they are looked up once.
    async fn address(&self, service: &str, tag: Option<&str>) -> Result<Address> {
        let key = (service.to_owned(), tag.map(str::to_owned));
        if let Some(known) = self.inner.addresses.lock().await.get(&key) {
            return Ok(known.clone());
        }
        let found = self.look_up(service, tag).await?;
        self.inner.addresses.lock().await.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(&self, service: &str, tag: Option<&str>) -> Result<Address> {
        let named = self.named(service)?;
        let is_private = false;
        if named.external || (named.url.is_some() && tag.is_none()) {
            let base = named.url.clone().ok_or_else(|| {
                Error::not_found(format!("the service {service} has no address here"))
                    .hint(format!("give it one: services.{service}.url in [cloudrun]"))
            })?;
            if base.contains('@') {
                return Err(Error::invalid(format!(
                    "the address of {service} contains a user, which would be shown"
                )));
            }
            return Ok(Address { base, audience: None, is_private });
        }
        let found = self.service(service).await?;
        let base = match tag {
            None => Some(found.url.clone()),
            Some(tag) => {
                let mut targets = found.targets.iter();
                targets.find(|t| t.tag.as_deref() == Some(tag)).and_then(|t| t.url.clone())
            }
        };
        let base = base.filter(|base| !base.is_empty()).ok_or_else(|| {
            Error::not_found(match tag {
                Some(tag) => format!("the service {service} has no tag {tag}"),
                None => format!("the service {service} has no address"),
            })
        })?;
        Ok(Address { base, audience: Some(found.url), is_private })
    }
}

fn check(path: &str, timeout: Duration) -> Result<()> {
    let is_path = path.starts_with('/') && !path.starts_with("//");
    if !is_path || path.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::invalid(format!("no path to ask at: {path:?}")));
    }
    if timeout.is_zero() || timeout > LONGEST {
        return Err(Error::invalid("the time for an answer is 1 to 30,000 ms"));
    }
    Ok(())
}

/// A token that anybody on the way can read is anybody's.
pub(super) fn check_safe(url: &Url) -> Result<()> {
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || is_loopback {
        return Ok(());
    }
    Err(Error::denied(format!("{url} would get a token, and is not HTTPS")))
}

fn response(doing: &str, answer: Answer) -> Result<Response> {
    let Answer { status, headers, body } = answer;
    if body.len() > LONGEST_BODY {
        return Err(Error::failed(format!("{doing}: the answer is longer than 1 MiB")));
    }
    Ok(Response { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_path() {
        let second = Duration::from_secs(1);
        assert!(check("/api/health?x=1", second).is_ok());
        for path in ["", "api", "//evil", "/a b", "/a\r\nHost: x"] {
            assert!(check(path, second).is_err(), "{path:?}");
        }
        assert!(check("/", Duration::ZERO).is_err());
        assert!(check("/", Duration::from_secs(31)).is_err());
    }

    #[test]
    fn tokens_go_over_https_or_nowhere() {
        let safe = |url: &str| check_safe(&Url::parse(url).unwrap()).is_ok();
        assert!(safe("https://x.a.run.app/") && safe("http://127.0.0.1:1/"));
        assert!(!safe("http://x.a.run.app/"));
    }
}
