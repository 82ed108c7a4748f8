//! As much of PostgreSQL's lexical structure as it takes to be certain that a text is
//! one statement, to see what kind it is, and to put literals in place of `$1`….
//!
//! It reads as the server does with `standard_conforming_strings` on. What it
//! cannot follow (an open quote, comment or parenthesis) is refused.

use crate::capability::error::{Error, Result};
use crate::capability::sql::types::Value;

/// Exactly one statement, without a semicolon behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    text: &'a str,
    /// The first word, in upper case; "(" when it begins with a parenthesis.
    verb: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    number: usize,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Word,
    Parameter,
    Open,
    Close,
    Semicolon,
    Other,
}

impl<'a> Statement<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        if text.contains('\0') {
            return Err(Error::invalid("the statement contains a null byte"));
        }
        let mut parts = Parts::default();
        let mut at = 0;
        while at < text.len() {
            let (kind, end) = token(text.as_bytes(), at)?;
            parts.take(text, kind, at, end)?;
            at = end;
        }
        if parts.depth != 0 {
            return Err(Error::invalid("the statement has a parenthesis that is never closed"));
        }
        let Some(verb) = parts.verb else {
            return Err(Error::invalid("the statement is empty"));
        };
        // To psql it is a command of its own: `\\!` runs a shell.
        if text[parts.start..].starts_with('\\') {
            return Err(Error::invalid("the statement begins with a backslash"));
        }
        Ok(Self { text: &text[parts.start..parts.end], verb, parameters: parts.parameters })
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn verb(&self) -> &str {
        &self.verb
    }

    /// Whether it can stand as a table in the FROM of another statement.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.verb.as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE" | "(")
    }

    /// Whether it is of a kind that is for reading. (`COPY … TO PROGRAM`, `DO` and
    /// `CALL` run in a READ ONLY transaction too, and are not.)
    pub(crate) fn is_reading(&self) -> bool {
        self.is_table() || matches!(self.verb.as_str(), "SHOW" | "EXPLAIN")
    }

    /// The statement with each `$n` replaced by a literal of the n-th value.
    pub(crate) fn with_literals(&self, values: &[Value]) -> Result<String> {
        let wanted = self.parameters.iter().map(|p| p.number).max().unwrap_or(0);
        check_count(wanted, values.len())?;
        let mut out = String::with_capacity(self.text.len());
        let mut from = 0;
        for parameter in &self.parameters {
            let value = parameter.number.checked_sub(1).and_then(|index| values.get(index));
            let value = value.ok_or_else(|| Error::invalid("parameters are counted from $1"))?;
            out.push_str(&self.text[from..parameter.start]);
            out.push_str(&literal(value)?);
            from = parameter.end;
        }
        out.push_str(&self.text[from..]);
        Ok(out)
    }
}

pub(crate) fn check_count(wanted: usize, given: usize) -> Result<()> {
    if wanted == given {
        return Ok(());
    }
    Err(Error::invalid(format!("the statement has {wanted} parameters, {given} values were given")))
}

/// A value as PostgreSQL reads it; `None` for null.
pub(crate) fn text_of(value: &Value) -> Result<Option<String>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Boolean(v) => v.to_string(),
        Value::Integer(v) => v.to_string(),
        Value::Float(v) if v.is_infinite() => {
            format!("{}Infinity", if *v < 0.0 { "-" } else { "" })
        }
        Value::Float(v) => v.to_string(),
        Value::Text(v) if v.contains('\0') => {
            return Err(Error::invalid(
                "a text parameter contains a null byte, which PostgreSQL cannot hold",
            ));
        }
        Value::Text(v) => v.clone(),
        Value::Bytes(v) => {
            v.iter().fold(String::from("\\x"), |out, byte| out + &format!("{byte:02x}"))
        }
    }))
}

fn literal(value: &Value) -> Result<String> {
    // Blanks around it: `a$1` and `$1b` stay apart from what they touch.
    Ok(match text_of(value)? {
        None => " NULL ".to_owned(),
        Some(text) => format!(" '{}' ", text.replace('\'', "''")),
    })
}

#[derive(Default)]
struct Parts {
    start: usize,
    end: usize,
    depth: usize,
    verb: Option<String>,
    ended: bool,
    parameters: Vec<Parameter>,
}

impl Parts {
    fn take(&mut self, text: &str, kind: Kind, at: usize, end: usize) -> Result<()> {
        match kind {
            Kind::Blank => return Ok(()),
            Kind::Semicolon => {
                self.ended |= self.verb.is_some();
                return Ok(());
            }
            _ if self.ended => {
                return Err(Error::invalid("there is more than one statement")
                    .hint("one call carries out one statement"));
            }
            Kind::Open => self.depth += 1,
            Kind::Close => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| {
                    Error::invalid("the statement closes a parenthesis that it did not open")
                })?;
            }
            Kind::Parameter => self.parameter(text, at, end)?,
            Kind::Word | Kind::Other => {}
        }
        if self.verb.is_none() {
            self.verb = Some(text[at..end].to_ascii_uppercase());
            self.start = at;
        }
        self.end = end;
        Ok(())
    }

    fn parameter(&mut self, text: &str, at: usize, end: usize) -> Result<()> {
        let number = text[at + 1..end]
            .parse()
            .map_err(|_| Error::invalid("no statement has so many parameters"))?;
        let base = if self.verb.is_some() { self.start } else { at };
        self.parameters.push(Parameter { number, start: at - base, end: end - base });
        Ok(())
    }
}

/// What begins at `at`, and where it ends.
fn token(text: &[u8], at: usize) -> Result<(Kind, usize)> {
    let rest = &text[at..];
    let single = |kind| Ok((kind, at + 1));
    match rest {
        [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => single(Kind::Blank),
        [b'-', b'-', ..] => Ok((Kind::Blank, line_comment(text, at))),
        [b'/', b'*', ..] => Ok((Kind::Blank, block_comment(text, at)?)),
        [b'e' | b'E', b'\'', ..] => Ok((Kind::Other, escaped_string(text, at + 1)?)),
        [b'\'', ..] => Ok((Kind::Other, quoted(text, at, b'\'')?)),
        [b'"', ..] => Ok((Kind::Other, quoted(text, at, b'"')?)),
        [b'$', b'0'..=b'9', ..] => Ok((Kind::Parameter, run(text, at + 1, |b| b.is_ascii_digit()))),
        [b'$', ..] => Ok((Kind::Other, dollar_quoted(text, at)?)),
        [b'(', ..] => single(Kind::Open),
        [b')', ..] => single(Kind::Close),
        [b';', ..] => single(Kind::Semicolon),
        [first, ..] if begins_word(*first) => Ok((Kind::Word, run(text, at, continues_word))),
        _ => single(Kind::Other),
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn run(text: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|byte| !belongs(*byte)).map_or(text.len(), |n| from + n)
}

fn line_comment(text: &[u8], at: usize) -> usize {
    run(text, at, |byte| byte != b'\n' && byte != b'\r')
}

fn block_comment(text: &[u8], start: usize) -> Result<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [_, ..] => at += 1,
            [] => return Err(Error::invalid("the statement has a comment that is never closed")),
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// A quote doubled inside stands for itself: it closes and opens again.
fn quoted(text: &[u8], at: usize, quote: u8) -> Result<usize> {
    match text[at + 1..].iter().position(|byte| *byte == quote) {
        Some(n) => Ok(at + n + 2),
        None => Err(Error::invalid("the statement has a quote that is never closed")),
    }
}

/// `E'…'`, with `at` on the quote; it goes on behind a line break.
fn escaped_string(text: &[u8], at: usize) -> Result<usize> {
    let mut at = at + 1;
    loop {
        match &text[at..] {
            [b'\\', _, ..] | [b'\'', b'\'', ..] => at += 2,
            [b'\'', ..] => match continuation(text, at + 1) {
                Some(next) => at = next + 1,
                None => return Ok(at + 1),
            },
            [_, ..] => at += 1,
            [] => return Err(Error::invalid("the statement has a quote that is never closed")),
        }
    }
}

/// Where a quoted string goes on: behind blanks and line comments with a line break among them.
fn continuation(text: &[u8], mut at: usize) -> Option<usize> {
    let mut broken = false;
    loop {
        match &text[at..] {
            [b'\n' | b'\r', ..] => (broken, at) = (true, at + 1),
            [b' ' | b'\t' | 0x0b | 0x0c, ..] => at += 1,
            [b'-', b'-', ..] => at = line_comment(text, at),
            [b'\'', ..] if broken => return Some(at),
            _ => return None,
        }
    }
}

fn dollar_quoted(text: &[u8], at: usize) -> Result<usize> {
    let tag_end = match text.get(at + 1) {
        Some(first) if begins_word(*first) => run(text, at + 1, |b| continues_word(b) && b != b'$'),
        _ => at + 1,
    };
    if text.get(tag_end) != Some(&b'$') {
        return Ok(at + 1);
    }
    let tag = &text[at..=tag_end];
    let body = &text[tag_end + 1..];
    match body.windows(tag.len()).position(|window| window == tag) {
        Some(n) => Ok(tag_end + 1 + n + tag.len()),
        None => Err(Error::invalid("the statement has a dollar quote that is never closed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Statement<'_> {
        Statement::parse(text).unwrap()
    }

    #[test]
    fn the_statement_stands_without_comments_around_it_and_without_its_semicolon() {
        let statement = parsed(" ;-- read\n select 1 /* one */ + 2 ; ; -- done");
        assert_eq!(statement.text(), "select 1 /* one */ + 2");
        assert_eq!(statement.verb(), "SELECT");
    }

    #[test]
    fn what_hides_a_second_statement_is_seen_through() {
        for text in [
            "select 1; drop table t",
            "select 'a''; b'; drop table t",
            r"select E'a\'; b'; drop table t",
            r"select 'a\'; drop table t; --'",
            "select e'a'\n -- more\n '\\'; b'; drop table t",
            "select $$;$$; drop table t",
            "select $a$ $b$ ; $a$; drop table t",
            "select 1 /* /* */ ; */; drop table t",
            "select \"a;\"\";b\"; drop table t",
            "select 1 --\r; drop table t",
        ] {
            let message = Statement::parse(text).unwrap_err().message.clone();
            assert!(message.contains("more than one"), "{text}: {message}");
        }
    }

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        for text in [
            "select ';' , \";\" , $$;$$ , $x$;$$;$x$ /* ; /* ; */ ; */ -- ;",
            r"select E'\\', E'\';', 'a\'",
            "select name$1 from t where a$b = 1",
        ] {
            assert!(Statement::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_left_open_is_refused() {
        for text in [
            "",
            " ; -- x",
            "select '",
            "select \"a",
            "select $$ $a$",
            "select /* /* */",
            "select (1",
            "select 1)",
            "select '\0'",
            "select a$$;$$",
            "\\\\! touch /tmp/x",
        ] {
            assert!(Statement::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_reading_statements_read() {
        for (text, reads) in [
            ("SELECT 1", true),
            ("(select 1) union (select 2)", true),
            ("values (1)", true),
            ("table t", true),
            ("with a as (select 1) select * from a", true),
            ("show server_version", true),
            ("explain select 1", true),
            ("copy (select 1) to program 'reboot'", false),
            ("do $$ begin end $$", false),
            ("call p()", false),
            ("set role x", false),
            ("commit", false),
        ] {
            assert_eq!(parsed(text).is_reading(), reads, "{text}");
        }
    }

    #[test]
    fn literals_take_the_place_of_parameters_only() {
        let statement = parsed(" select $1, '$1', $2::bytea, \"$2\" -- $3\n from t where a = $1");
        let values = [Value::Text("it's".into()), Value::Bytes(vec![0, 255])];
        assert_eq!(
            statement.with_literals(&values).unwrap(),
            "select  'it''s' , '$1',  '\\x00ff' ::bytea, \"$2\" -- $3\n from t where a =  'it''s' "
        );
        assert!(statement.with_literals(&values[..1]).is_err());
        assert!(parsed("select $0, $1").with_literals(&values[..1]).is_err());
    }
}
