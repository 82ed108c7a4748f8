//! What a request may say.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::types::{Change, Response};
use crate::capability::error::{Error, Result};
use crate::policy::Origin;

pub(super) const LONGEST_BODY: usize = 1 << 20;
const LONGEST_PATH: usize = 8 << 10;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Those that decide how the request travels; the client sets them.
const TRAVEL: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn check(path: &str, timeout: Duration) -> Result<()> {
    let wrong = |why: &str| Error::invalid(format!("the path {path:?} {why}"));
    if !path.starts_with('/') {
        return Err(wrong("does not begin with a slash"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')) {
        return Err(wrong("holds a character that a path cannot hold unless percent-encoded"));
    }
    if path.len() > LONGEST_PATH {
        return Err(Error::invalid(format!("the path is longer than {LONGEST_PATH} bytes")));
    }
    if timeout.is_zero() || timeout > LONGEST_WAIT {
        return Err(Error::invalid(format!(
            "the timeout is not between 1 and {} ms",
            LONGEST_WAIT.as_millis()
        )));
    }
    Ok(())
}

/// The method and the headers of a change.
pub(super) fn parts(change: &Change) -> Result<(Method, HeaderMap)> {
    let method = match change.method.as_str() {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        other => {
            return Err(Error::invalid(format!(
                "the method {other:?} is neither POST, PUT, PATCH nor DELETE"
            )));
        }
    };
    if change.body.len() > LONGEST_BODY {
        return Err(Error::invalid(format!("the body is longer than {LONGEST_BODY} bytes")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &change.headers {
        let wrong = || Error::invalid(format!("the header {name:?} cannot be sent"));
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong().because(e))?;
        if TRAVEL.contains(&known.as_str()) {
            return Err(wrong().hint("the host sets it"));
        }
        headers.append(known, HeaderValue::from_str(value).map_err(|e| wrong().because(e))?);
    }
    Ok((method, headers))
}

/// Where the answer sends the reader on, if that is the same origin.
pub(super) fn redirect(from: &Url, answer: &Response) -> Option<Url> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = from.join(answer.header("location")?).ok()?;
    let stays =
        to.username().is_empty() && to.password().is_none() && Origin::of(from) == Origin::of(&to);
    stays.then_some(to)
}

#[cfg(test)]
mod tests {
    use super::super::types::Endpoint;
    use super::*;

    #[test]
    fn a_path_is_a_path() {
        let second = Duration::from_secs(1);
        for path in ["/", "/api/health?x=1&y=%20", "//twice", "/a/../b"] {
            assert!(check(path, second).is_ok(), "{path:?}");
        }
        for path in
            ["", "api", "http://x/", "/a b", "/a\r\nHost: x", "/ü", "/a#b", "/a\\b", "/\u{7f}"]
        {
            assert!(check(path, second).is_err(), "{path:?}");
        }
        assert!(check("/", Duration::ZERO).is_err());
        assert!(check("/", Duration::from_millis(30_001)).is_err());
    }

    #[test]
    fn a_change_cannot_decide_how_it_travels() {
        let change = |method: &str, name: &str, value: &str| Change {
            method: method.into(),
            endpoint: Endpoint::Origin(String::new()),
            path: "/".into(),
            headers: vec![(name.into(), value.into())],
            body: Vec::new(),
            timeout: Duration::from_secs(1),
        };
        assert!(parts(&change("POST", "X-Reason", "upgrade")).is_ok());
        for (method, name, value) in [
            ("GET", "x", "y"),
            ("post", "x", "y"),
            ("CONNECT", "x", "y"),
            ("POST", "Host", "evil"),
            ("POST", "Transfer-Encoding", "chunked"),
            ("POST", "x", "a\r\nb: c"),
            ("POST", "x y", "a"),
        ] {
            assert!(parts(&change(method, name, value)).is_err(), "{method} {name}");
        }
    }

    #[test]
    fn a_redirect_stays_on_its_origin() {
        let from = Url::parse("http://10.0.0.1:8001/a/b").unwrap();
        for (location, to) in [
            ("c", Some("http://10.0.0.1:8001/a/c")),
            ("/c?d", Some("http://10.0.0.1:8001/c?d")),
            ("http://10.0.0.1:8001/x", Some("http://10.0.0.1:8001/x")),
            ("http://10.0.0.1/x", None),
            ("https://10.0.0.1:8001/x", None),
            ("//evil/x", None),
            ("http://u@10.0.0.1:8001/x", None),
            ("http://10.0.0.1:8001.evil/x", None),
            ("http://[::ffff:10.0.0.1]:8001/x", None),
            ("http://169.254.169.254:8001/latest/meta-data/", None),
            ("http://2852039166/", None),
            ("\\\\169.254.169.254\\x", None),
            ("http:localhost:8001/x", Some("http://10.0.0.1:8001/a/localhost:8001/x")),
            ("file:///etc/passwd", None),
        ] {
            let answer = Response {
                status: 302,
                headers: vec![("location".into(), location.into())],
                body: Vec::new(),
            };
            assert_eq!(redirect(&from, &answer).as_ref().map(Url::as_str), to, "{location}");
        }
    }
}
