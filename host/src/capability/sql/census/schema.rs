//! A digest of the schema, from what `pg_dump --schema-only` writes.
//!
//! Why not from the catalogs: `pg_dump` knows everything that makes up a schema, and a restore
//! brings back exactly what it writes. Its output names no database. The order of entries may
//! differ after a restore, so each entry is hashed by itself; and the server puts some
//! expressions in other words once they were restored (`ARRAY['a'::varchar]::text[]` becomes
//! `ARRAY[('a'::varchar)::text]`), so parentheses and casts do not count outside of
//! functions. What is left are the objects: kind, schema, name and owner of each entry,
//! which no server puts in other words.

use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::capability::error::Result;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// Of all entries.
    pub(crate) text: String,
    /// Of their heads.
    pub(crate) objects: String,
}

/// Reads the output of `pg_dump` or `pg_restore`, an entry at a time.
pub(crate) async fn digest<S>(mut output: S) -> Result<Digest>
where
    S: Stream<Item = Result<bytes::Bytes>> + Unpin,
{
    let mut entries = Entries::default();
    let mut line = Vec::new();
    while let Some(part) = output.next().await {
        for &byte in &part? {
            if byte == b'\n' {
                entries.take(&line);
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    entries.take(&line);
    Ok(entries.digest())
}

#[derive(Default)]
struct Entries {
    head: String,
    body: Vec<String>,
    hashes: Vec<[u8; 32]>,
    heads: Vec<[u8; 32]>,
}

impl Entries {
    fn take(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if line.starts_with("-- Name: ") && line.contains("; Type: ") {
            self.end();
            self.head = line.into_owned();
        } else if !is_noise(&line) {
            self.body.push(line.into_owned());
        }
    }

    fn end(&mut self) {
        let kind = kind(&self.head);
        if kind.contains("ACL") {
            // The order in which things were granted.
            self.body.sort();
        }
        let body = self.body.join("\n");
        let is_code = ["FUNCTION", "PROCEDURE"].contains(&kind);
        let body = if is_code { body } else { plain(&body) };
        self.hashes.push(Sha256::digest(format!("{}\n{body}", self.head)).into());
        // Before the first entry stand settings of the session.
        if !self.head.is_empty() {
            self.heads.push(Sha256::digest(&self.head).into());
        }
        self.body.clear();
    }

    fn digest(mut self) -> Digest {
        self.end();
        Digest { text: together(self.hashes), objects: together(self.heads) }
    }
}

fn together(mut hashes: Vec<[u8; 32]>) -> String {
    hashes.sort_unstable();
    let hash = Sha256::digest(hashes.concat());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind(head: &str) -> &str {
    let rest = head.split_once("; Type: ").map_or("", |(_, rest)| rest);
    rest.split(';').next().unwrap_or_default()
}

/// Frames, versions, the random token, and settings that are written where they change, which
/// depends on the entry before.
fn is_noise(line: &str) -> bool {
    line.is_empty()
        || line == "--"
        || line.starts_with("\\restrict ")
        || line.starts_with("\\unrestrict ")
        || line.starts_with("-- Dumped ")
        || line.starts_with("-- PostgreSQL database dump")
        || line.starts_with("SET default_")
}

/// Without parentheses, white space and casts.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(cast) = rest.strip_prefix("::") {
            rest = behind_type(cast);
        } else if first == '\'' || first == '"' {
            let length = quoted(rest, first);
            plain.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            if !(matches!(first, '(' | ')') || first.is_whitespace()) {
                plain.push(first);
            } else if !plain.ends_with(' ') {
                plain.push(' ');
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    plain
        .replace(" ,", ",")
        .replace(" ;", ";")
        .replace("[ ", "[")
        .replace(" ]", "]")
        .trim()
        .to_owned()
}

/// The length of a quoted part; a quote doubled inside closes and opens again.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |at| at + 2)
}

/// Such as `character varying(3)[]`, `public."Mood"`, `timestamp(3) without time zone`.
fn behind_type(text: &str) -> &str {
    let mut rest = name(text);
    for more in [" varying", " precision", " without time zone", " with time zone"] {
        rest = rest.strip_prefix(more).unwrap_or(rest);
    }
    if let Some(inside) = rest.strip_prefix('(')
        && let Some(end) = inside.find(|c: char| !(c.is_ascii_digit() || ", -".contains(c)))
        && inside[end..].starts_with(')')
    {
        rest = &inside[end + 1..];
    }
    for more in [" without time zone", " with time zone"] {
        rest = rest.strip_prefix(more).unwrap_or(rest);
    }
    while let Some(more) = rest.strip_prefix("[]") {
        rest = more;
    }
    rest
}

fn name(text: &str) -> &str {
    let mut rest = text;
    loop {
        if rest.starts_with('"') {
            rest = &rest[quoted(rest, '"')..];
        } else {
            rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn of(text: &str, size: usize) -> Digest {
        let parts: Vec<_> = text
            .as_bytes()
            .chunks(size)
            .map(|part| Ok(bytes::Bytes::copy_from_slice(part)))
            .collect();
        digest(stream::iter(parts)).await.unwrap()
    }

    const A: &str = "--\n-- Name: a; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE s.a (\n    id integer\n);\n";
    const B: &str = "--\n-- Name: b; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE s.b (\n    id integer\n);\n";

    #[tokio::test]
    async fn order_versions_and_tokens_do_not_count() {
        let one = format!(
            "\\restrict abc\n-- Dumped by pg_dump version 15.1\n{A}\nSET default_tablespace = '';\n\n{B}\n\\unrestrict abc\n"
        );
        let other = format!("\\restrict x\n{B}\n{A}\n\\unrestrict x\n");
        for size in [1, 7, 4096] {
            assert_eq!(of(&one, size).await, of(&other, 4096).await);
        }
    }

    #[tokio::test]
    async fn everything_else_does() {
        let whole = of(&format!("{A}{B}"), 99).await;
        for other in [
            A.to_owned(),
            format!("{A}{}", B.replace("integer", "bigint")),
            format!("{A}{}", B.replace("    id integer\n", "")),
        ] {
            assert_ne!(of(&other, 99).await.text, whole.text, "{other}");
        }
        let renamed = of(&format!("{A}{}", B.replace("Owner: o", "Owner: p")), 99).await;
        assert_ne!(renamed.objects, whole.objects);
    }

    #[test]
    fn an_expression_in_other_words_is_the_same() {
        let once = "CHECK (((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))";
        let twice = "CHECK (((x)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))";
        assert_eq!(plain(once), plain(twice));
        assert_ne!(plain(once), plain(&twice.replace("'b'", "'c'")));
        assert_ne!(plain(once), plain(&twice.replace("'b'", "'(b)'")));
        let typed =
            "a = '2020'::timestamp(3) without time zone AND b = 'x'::public.\"Mood (1)\"[] AND c";
        assert_eq!(plain(typed), "a = '2020' AND b = 'x' AND c");
    }
}
