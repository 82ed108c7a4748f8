//! A result as JSON, made by the server itself: one array of texts a row. Every type
//! arrives as PostgreSQL writes it, over the wire and through `psql` alike.

use std::fmt::Write;

use crate::capability::error::{Error, Result};
use crate::capability::sql::client::statement::Statement;
use crate::capability::sql::types::{Limits, Value};

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    Integer,
    Float,
    Bytes,
    Text,
    /// Types whose cast to text is not what PostgreSQL writes: `char(n)` loses its
    /// blanks by it, an `inet` gains a netmask.
    Written,
}

impl Form {
    /// By the type's OID; those of built-in types never change.
    pub(super) fn of(oid: u32) -> Self {
        match oid {
            16 => Self::Boolean,
            17 => Self::Bytes,
            20 | 21 | 23 => Self::Integer,
            700 | 701 => Self::Float,
            869 | 1042 => Self::Written,
            _ => Self::Text,
        }
    }

    fn expression(self, number: usize) -> String {
        match self {
            Self::Written => {
                format!("CASE WHEN c{number} IS NOT NULL THEN format('%s', c{number}) END")
            }
            _ => format!("c{number}::text"),
        }
    }

    fn value(self, text: String) -> Result<Value> {
        let unreadable = |text: &str| {
            Error::failed(format!("the server wrote {text:?} where a {self:?} belongs"))
        };
        Ok(match self {
            Self::Boolean => Value::Boolean(text == "true"),
            Self::Integer => Value::Integer(text.parse().map_err(|_| unreadable(&text))?),
            Self::Float => Value::Float(text.parse().map_err(|_| unreadable(&text))?),
            Self::Bytes => Value::Bytes(from_hex(&text).ok_or_else(|| unreadable(&text))?),
            Self::Text | Self::Written => Value::Text(text),
        })
    }
}

/// From where the result is too large, rows come as null, so that they never have to be held.
pub(super) fn wrapped(statement: &str, forms: &[Form], limits: &Limits) -> String {
    let cells: Vec<String> = forms.iter().enumerate().map(|(n, form)| form.expression(n)).collect();
    format!(
        "SELECT CASE WHEN sum(octet_length(t)) OVER (ROWS UNBOUNDED PRECEDING) <= {} THEN t END FROM (\
         SELECT array_to_json(ARRAY[{}]::text[])::text AS t FROM (\n{statement}\n) AS q{} OFFSET 0) AS r \
         LIMIT {}",
        room(limits),
        cells.join(", "),
        aliases(forms.len()),
        limits.rows + 1,
    )
}

/// One row for the types of `count` columns, as an array of OIDs.
pub(super) fn types(statement: &str, count: usize) -> String {
    let cells: Vec<String> = (0..count).map(|n| format!("pg_typeof(c{n})::oid::int8")).collect();
    format!(
        "SELECT array_to_json(ARRAY[{}]::int8[])::text FROM (VALUES (1)) AS one \
         LEFT JOIN (SELECT * FROM (\n{statement}\n) AS s LIMIT 0) AS q{} ON true",
        cells.join(", "),
        aliases(count),
    )
}

fn aliases(count: usize) -> String {
    let mut out = String::new();
    for n in 0..count {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}c{n}", if n == 0 { "(" } else { ", " });
    }
    if count > 0 {
        out.push(')');
    }
    out
}

/// For the same as JSON: quotes, commas, escapes, hexadecimal.
pub(super) fn room(limits: &Limits) -> usize {
    4 * limits.bytes
}

pub(super) fn is_wrapped(statement: &Statement<'_>) -> bool {
    statement.is_table()
}

/// Rows as they arrive, within the limits.
pub(super) struct Collector<'a> {
    forms: &'a [Form],
    limits: &'a Limits,
    bytes: usize,
    rows: Vec<Vec<Value>>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(columns: &[String], forms: &'a [Form], limits: &'a Limits) -> Self {
        Self { forms, limits, bytes: columns.iter().map(String::len).sum(), rows: Vec::new() }
    }

    /// `None` is a row that the server held back for its size.
    pub(super) fn line(&mut self, line: Option<&str>) -> Result<()> {
        let line = line.ok_or_else(|| too_large(self.limits))?;
        let cells: Vec<Option<String>> = serde_json::from_str(line)
            .map_err(|e| Error::failed("reading a row from the database").because(e))?;
        self.cells(cells)
    }

    pub(super) fn cells(&mut self, cells: Vec<Option<String>>) -> Result<()> {
        if self.rows.len() == self.limits.rows {
            return Err(Error::failed(format!(
                "the result has more than {} rows",
                self.limits.rows
            ))
            .hint("ask for less: count, aggregate, or LIMIT"));
        }
        let mut row = Vec::with_capacity(cells.len());
        for (cell, form) in cells.into_iter().zip(self.forms) {
            let value = cell.map_or(Ok(Value::Null), |text| form.value(text))?;
            self.bytes += size(&value);
            row.push(value);
        }
        if self.bytes > self.limits.bytes {
            return Err(too_large(self.limits));
        }
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn rows(self) -> Vec<Vec<Value>> {
        self.rows
    }
}

pub(super) fn too_large(limits: &Limits) -> Error {
    Error::failed(format!("the result has more than {} bytes", limits.bytes))
        .hint("ask for less: fewer columns, or LIMIT")
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_values_by_their_columns() {
        let forms =
            [Form::Boolean, Form::Integer, Form::Float, Form::Bytes, Form::Text, Form::Text];
        let limits = Limits::default();
        let mut rows = Collector::new(&[], &forms, &limits);
        rows.line(Some(r#"["true","-7","-Infinity","\\x00fF","a\nb",null]"#)).unwrap();
        assert_eq!(
            rows.rows(),
            [[
                Value::Boolean(true),
                Value::Integer(-7),
                Value::Float(f64::NEG_INFINITY),
                Value::Bytes(vec![0, 255]),
                Value::Text("a\nb".into()),
                Value::Null
            ]]
        );
    }

    #[test]
    fn more_than_the_limits_fails_and_is_not_cut_short() {
        let limits = Limits { rows: 2, bytes: 20, ..Limits::default() };
        let mut rows = Collector::new(&[], &[Form::Text], &limits);
        rows.line(Some(r#"["0123456789ab"]"#)).unwrap();
        assert!(rows.line(Some(r#"["0123456789ab"]"#)).unwrap_err().message.contains("20 bytes"));
        let mut rows = Collector::new(&[], &[Form::Text], &limits);
        rows.line(Some("[null]")).unwrap();
        rows.line(Some("[null]")).unwrap();
        assert!(rows.line(Some("[null]")).unwrap_err().message.contains("2 rows"));
        assert!(rows.line(None).is_err());
    }
}
