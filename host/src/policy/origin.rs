//! An address outside of the installation, as it is listed and asked for.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::text::shortened;

/// A text of the policy that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: {why}")]
pub struct Malformed {
    text: String,
    what: &'static str,
    why: String,
}

impl Malformed {
    pub(super) fn new(text: &str, what: &'static str, why: impl Into<String>) -> Self {
        Self { text: shortened(text, 300), what, why: why.into() }
    }
}

/// `scheme://host[:port]`, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// # Errors
    /// It is more or less than a scheme of HTTP, a host and a port.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::new(text, "origin", why);
        let authority = text
            .split_once("://")
            .map(|(_, rest)| rest)
            .ok_or_else(|| wrong("it has no scheme"))?;
        if authority.chars().any(|c| {
            c.is_control() || c.is_whitespace() || matches!(c, '\\' | '@' | '?' | '#' | '*')
        }) {
            return Err(wrong("it may hold a name and a port, nothing else"));
        }
        if authority.strip_suffix('/').unwrap_or(authority).contains('/') {
            return Err(wrong("it has a path"));
        }
        let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it is neither http nor https"));
        }
        Self::of(&url).ok_or_else(|| wrong("it has no host"))
    }

    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => Host::Domain(without_last_dot(name)?.to_owned()),
            literal => literal.to_owned(),
        };
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default()? })
    }

    /// Where the host is written as a name.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// Where the host is written as an address, in whatever spelling.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// The dot only says that the name is whole.
fn without_last_dot(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && !name.ends_with('.')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_has_many_spellings() {
        for (listed, asked, same) in [
            ("http://a.example", "http://a.example:80", true),
            ("https://A.Example/", "https://a.example:443", true),
            ("https://a.example", "HTTPS://a.EXAMPLE.", true),
            ("http://[::1]:8080", "http://[0:0::1]:8080/", true),
            ("http://a.example", "https://a.example", false),
            ("http://a.example:81", "http://a.example", false),
            ("http://a.example", "http://a.example.org", false),
            ("http://a.example", "http://b.a.example", false),
            ("http://127.0.0.1", "http://localhost", false),
            ("http://127.0.0.1", "http://[::ffff:127.0.0.1]", false),
        ] {
            let [listed, asked] = [listed, asked].map(|text| Origin::parse(text).unwrap());
            assert_eq!(listed == asked, same, "{listed} {asked}");
        }
    }

    #[test]
    fn an_address_is_seen_through_every_spelling() {
        for (text, host) in [
            ("http://127.0.0.1", "127.0.0.1"),
            ("http://2130706433", "127.0.0.1"),
            ("http://0177.0.0.1", "127.0.0.1"),
            ("http://017700000001", "127.0.0.1"),
            ("http://0x7f.1", "127.0.0.1"),
            ("http://0X7F000001", "127.0.0.1"),
            ("http://127.1", "127.0.0.1"),
            ("http://127.0.0.1.", "127.0.0.1"),
            ("http://①②⑦。0。0。1", "127.0.0.1"),
            ("http://%31%32%37.0.0.1", "127.0.0.1"),
            ("http://0", "0.0.0.0"),
            ("http://2852039166", "169.254.169.254"),
            ("http://0251.0376.0251.0376", "169.254.169.254"),
            ("http://[::FFFF:a9fe:a9fe]", "::ffff:169.254.169.254"),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.address(), Some(host.parse().unwrap()), "{text}");
            assert_eq!(origin.name(), None, "{text}");
        }
        for text in ["http://LocalHost.", "http://%6cocalhost", "http://ｌocalhost"] {
            assert_eq!(Origin::parse(text).unwrap().name(), Some("localhost"), "{text}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "",
            "a.example",
            "//a.example",
            "http://",
            "http://.",
            "http://a.example..",
            "ftp://a.example",
            "file:///etc",
            "http://a.example/path",
            "http://a.example//",
            "http://a.example?x",
            "http://a.example#x",
            "http://user@a.example",
            "http://u:p@a.example",
            "http://a.example\\@b.example",
            "http://a.example%40b.example",
            "http://a.example%2fb",
            "http://a.example:99999",
            "http://*.example",
            "http://a .example",
            "http://a.example\r\nHost: b",
            "http://a.example%0d%0aHost:b",
            "http://a.example\n",
            "http://1.2.3.4.5",
            "http://256.0.0.1",
            "http://[fe80::1%25eth0]",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }
}
