//! An image reference, by Docker's grammar.

use std::fmt;

use crate::capability::error::{Error, Result};

/// What stands for the registry when a reference names none.
const DEFAULT_REGISTRY: &str = "docker.io";
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// A reference, `[REGISTRY[:PORT]/]PATH[:TAG][@DIGEST]`, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    text: String,
    /// Where the repository ends.
    name_end: usize,
    /// Where the tag ends; equal to `name_end` when there is none.
    tag_end: usize,
}

impl Reference {
    /// Reads a reference. Nothing is added to it: `postgres` stays `postgres`.
    pub fn parse(text: &str) -> Result<Self> {
        let (before_digest, digest) = match text.split_once('@') {
            Some((front, digest)) => (front, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = split_tag(before_digest);
        check_name(name)
            .and_then(|()| tag.map_or(Ok(()), check_tag))
            .and_then(|()| digest.map_or(Ok(()), check_digest))
            .map_err(|why| refused(text, why))?;
        Ok(Self { text: text.to_owned(), name_end: name.len(), tag_end: before_digest.len() })
    }

    /// The whole reference, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry's host, with its port; `docker.io` when the reference names none.
    pub fn registry(&self) -> &str {
        match split_registry(self.repository()) {
            (Some("index.docker.io") | None, _) => DEFAULT_REGISTRY,
            (Some(registry), _) => registry,
        }
    }

    /// Everything in front of tag and digest, as it was written.
    pub fn repository(&self) -> &str {
        self.part(0, self.name_end)
    }

    /// The repository with its registry: `docker.io/library/postgres` for `postgres`.
    pub fn normalized_repository(&self) -> String {
        let (_, path) = split_registry(self.repository());
        let registry = self.registry();
        if registry == DEFAULT_REGISTRY && !path.contains('/') {
            return format!("{registry}/library/{path}");
        }
        format!("{registry}/{path}")
    }

    pub fn tag(&self) -> Option<&str> {
        self.part(self.name_end, self.tag_end).strip_prefix(':')
    }

    /// Such as `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.part(self.tag_end, self.text.len()).strip_prefix('@')
    }

    /// The same repository by digest: `REPO@sha256:…`, without the tag.
    pub fn with_digest(&self, digest: &str) -> String {
        format!("{}@{digest}", self.repository())
    }

    fn part(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

fn refused(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(300).flat_map(char::escape_debug).collect();
    Error::invalid(format!("\"{shown}\" is not an image reference: {why}"))
        .hint("write it as [REGISTRY[:PORT]/]NAME[:TAG][@DIGEST]")
}

/// A colon behind the last slash begins the tag; one in front of it, a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text.get(last..).and_then(|part| part.find(':')) {
        Some(colon) => {
            let (name, tag) = text.split_at(last + colon);
            (name, tag.strip_prefix(':'))
        }
        None => (text, None),
    }
}

/// The registry, when the first component looks like a host, and the path.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, path)) if is_host(first) => (Some(first), path),
        _ => (None, name),
    }
}

fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it has no name");
    }
    if name.len() > LONGEST_NAME {
        return Err("its name is longer than 255 characters");
    }
    let (registry, path) = split_registry(name);
    registry.map_or(Ok(()), check_registry)?;
    if registry.is_none() && is_image_id(path) {
        return Err("64 hexadecimal digits are an image ID, not a name");
    }
    path.split('/').try_for_each(check_component)
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    const WHY: &str = "its registry is not a host name with an optional port";
    let (host, port) = if let Some(rest) = registry.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(WHY)?;
        if !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            || address.is_empty()
        {
            return Err(WHY);
        }
        (None, port.strip_prefix(':').or((!port.is_empty()).then_some("")))
    } else {
        match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        }
    };
    let port_is_right = port
        .is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()));
    let host_is_right = host.is_none_or(|host| host.split('.').all(is_label));
    (port_is_right && host_is_right).then_some(()).ok_or(WHY)
}

fn is_label(label: &str) -> bool {
    let hyphen_outside = label.starts_with('-') || label.ends_with('-');
    !label.is_empty()
        && !hyphen_outside
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Lower-case letters and digits, separated by one of `.`, `_`, `__` or hyphens.
fn check_component(component: &str) -> Result<(), &'static str> {
    if component.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("its name must be in lower case");
    }
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = component.split(|c: char| c.is_ascii() && is_word(c as u8));
    let outside = component.bytes().next().is_some_and(is_word)
        && component.bytes().last().is_some_and(is_word);
    let right =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    if !outside || !separators.into_iter().all(right) {
        return Err("its name has a character or a separator in a place where none may be");
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    if tag.is_empty() {
        return Err("its tag is empty");
    }
    if tag.len() > LONGEST_TAG {
        return Err("its tag is longer than 128 characters");
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(is_word);
    if !first || !tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-') {
        return Err(
            "its tag may hold letters, digits, '_', '.' and '-', and begins with none of the last two",
        );
    }
    Ok(())
}

/// The two algorithms that registries use; another would be checked by nobody.
fn check_digest(digest: &str) -> Result<(), &'static str> {
    let length = match digest.split_once(':') {
        Some(("sha256", hex)) => (hex, 64),
        Some(("sha512", hex)) => (hex, 128),
        _ => return Err("its digest is neither sha256:… nor sha512:…"),
    };
    let (hex, expected) = length;
    if hex.len() != expected || !hex.bytes().all(is_lower_hex) {
        return Err(
            "its digest has not the length or the digits (lower-case hexadecimal) that it should have",
        );
    }
    Ok(())
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_image_id(path: &str) -> bool {
    path.len() == 64 && path.bytes().all(is_lower_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn accepted_references_are_taken_apart() {
        let digested = format!("r.io/a@{D}");
        let both = format!("localhost:5000/a/b:1.4.0@{D}");
        type Case<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>);
        let cases: &[Case<'_>] = &[
            ("postgres", "docker.io", "postgres", "docker.io/library/postgres", None, None),
            (
                "postgres:15",
                "docker.io",
                "postgres",
                "docker.io/library/postgres",
                Some("15"),
                None,
            ),
            ("bitnami/x:1", "docker.io", "bitnami/x", "docker.io/bitnami/x", Some("1"), None),
            ("docker.io/x", "docker.io", "docker.io/x", "docker.io/library/x", None, None),
            (
                "index.docker.io/a/x",
                "docker.io",
                "index.docker.io/a/x",
                "docker.io/a/x",
                None,
                None,
            ),
            (
                "ghcr.io/t/model-service:1.4.0",
                "ghcr.io",
                "ghcr.io/t/model-service",
                "ghcr.io/t/model-service",
                Some("1.4.0"),
                None,
            ),
            ("localhost/x", "localhost", "localhost/x", "localhost/x", None, None),
            ("host:5000/x:y", "host:5000", "host:5000/x", "host:5000/x", Some("y"), None),
            ("host:5000", "docker.io", "host", "docker.io/library/host", Some("5000"), None),
            ("[::1]:5000/x", "[::1]:5000", "[::1]:5000/x", "[::1]:5000/x", None, None),
            ("[fe80::1]/x:1", "[fe80::1]", "[fe80::1]/x", "[fe80::1]/x", Some("1"), None),
            ("HOST/x", "HOST", "HOST/x", "HOST/x", None, None),
            (
                "a__b/c---d.e_f",
                "docker.io",
                "a__b/c---d.e_f",
                "docker.io/a__b/c---d.e_f",
                None,
                None,
            ),
            ("x:_A.b-C", "docker.io", "x", "docker.io/library/x", Some("_A.b-C"), None),
            (&digested, "r.io", "r.io/a", "r.io/a", None, Some(D)),
            (
                &both,
                "localhost:5000",
                "localhost:5000/a/b",
                "localhost:5000/a/b",
                Some("1.4.0"),
                Some(D),
            ),
        ];
        for (text, registry, repository, normalized, tag, digest) in cases {
            let parsed = Reference::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed.registry(), *registry, "{text}");
            assert_eq!(parsed.repository(), *repository, "{text}");
            assert_eq!(parsed.normalized_repository(), *normalized, "{text}");
            assert_eq!(parsed.tag(), *tag, "{text}");
            assert_eq!(parsed.digest(), *digest, "{text}");
            assert_eq!(parsed.to_string(), *text);
        }
    }

    #[test]
    fn what_is_not_a_reference_is_refused() {
        let long_name = "a".repeat(256);
        let long_tag = format!("x:{}", "a".repeat(129));
        let id = "a".repeat(64);
        let upper = format!("x@{}", D.to_uppercase());
        let short = "x@sha256:abcd".to_owned();
        let twice = format!("x@{D}@{D}");
        let other = format!("x@md5:{}", "a".repeat(32));
        let all = [
            "",
            "-x",
            "--privileged",
            "x:",
            ":1",
            "x:-1",
            "x:.1",
            "x: 1",
            " x",
            "x ",
            "x\n",
            "x\0y",
            "X",
            "r.io/X",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "a.-b",
            "a-",
            "_a",
            "a:b:c",
            "x@",
            "@sha256:a",
            "r.io:port/x",
            "r.io:/x",
            "r.io:99999/x",
            "r.io:+80/x",
            "-r.io/x",
            "r-.io/x",
            "r..io/x",
            "[::1/x",
            "[]/x",
            "[::1]5/x",
            "[x]/x",
            "https://r.io/x",
            "x:${V}",
            "x;y",
            "x:1,2",
            "ü",
            "x:ü",
            &long_name,
            &long_tag,
            &id,
            &upper,
            &short,
            &twice,
            &other,
        ];
        for text in all {
            assert!(Reference::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_refusal_shows_control_characters_as_escapes() {
        let error = Reference::parse("x\u{1b}[2J").unwrap_err();
        assert!(error.message.contains("\\u{1b}"), "{error}");
    }

    #[test]
    fn with_digest_keeps_the_repository_only() {
        let reference = Reference::parse(&format!("r.io:5000/a/b:1@{D}")).unwrap();
        assert_eq!(reference.with_digest(D), format!("r.io:5000/a/b@{D}"));
    }
}
