//! The addresses outside the installation that the configuration lists.

use url::{Host, Url};

use crate::capability::error::{Error, Result};

/// `scheme://host[:port]`, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: Host<String>,
    port: u16,
}

impl Origin {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid(format!("{text:?} is no origin: {why}"))
                .hint("it is written as scheme://host or scheme://host:port")
        };
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

    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = url.host()?.to_owned();
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default()? })
    }

    pub(super) fn base(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Allowed(Vec<Origin>);

impl Allowed {
    pub(super) fn parse(texts: &[String]) -> Result<Self> {
        texts.iter().map(|text| Origin::parse(text)).collect::<Result<_>>().map(Self)
    }

    pub(super) fn find(&self, asked: &str) -> Result<Origin> {
        let asked = Origin::parse(asked)?;
        if self.0.contains(&asked) {
            return Ok(asked);
        }
        Err(Error::denied(format!("the configuration does not list the origin {}", asked.base()))
            .hint("an origin that is listed there may be asked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_has_many_spellings() {
        for (listed, asked, same) in [
            ("http://a.example", "http://a.example:80", true),
            ("https://A.Example/", "https://a.example:443", true),
            ("http://[::1]:8080", "http://[0:0::1]:8080/", true),
            ("http://127.0.0.1:1", "http://2130706433:1", true),
            ("http://a.example", "https://a.example", false),
            ("http://a.example:81", "http://a.example", false),
            ("http://a.example", "http://a.example.org", false),
            ("http://a.example", "http://b.a.example", false),
            ("http://127.0.0.1", "http://localhost", false),
            ("http://127.0.0.1", "http://[::ffff:127.0.0.1]", false),
        ] {
            let allowed = Allowed::parse(&[listed.to_owned()]).unwrap();
            assert_eq!(allowed.find(asked).is_ok(), same, "{listed} {asked}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "",
            "a.example",
            "//a.example",
            "http://",
            "ftp://a.example",
            "file:///etc",
            "http://a.example/path",
            "http://a.example//",
            "http://a.example?x",
            "http://a.example#x",
            "http://user@a.example",
            "http://u:p@a.example",
            "http://a.example\\@b.example",
            "http://a.example:99999",
            "http://*.example",
            "http://a .example",
            "http://a.example\r\nHost: b",
            "http://a.example\n",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_listed_is_denied_and_nothing_is_listed_by_itself() {
        let error = Allowed::default().find("http://169.254.169.254").unwrap_err();
        assert_eq!(error.kind, crate::capability::error::Kind::Denied);
    }
}
