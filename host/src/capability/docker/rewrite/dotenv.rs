//! The variables that Compose interpolates with: the process environment, then
//! the env files, read by the rules of Compose's own parser.

use std::collections::BTreeMap;
use std::ops::Range;

use super::template::{self, Lookup};
use super::text::{FileId, Origin, Role, Text};

/// What is wrong with an env file, and on which line.
#[derive(Debug)]
pub(super) struct BadLine {
    pub(super) at: usize,
    pub(super) why: String,
}

#[derive(Debug, Default)]
pub(super) struct Environment {
    process: BTreeMap<String, String>,
    files: BTreeMap<String, Text>,
}

impl Environment {
    pub(super) fn new(process: &BTreeMap<String, String>) -> Self {
        Self { process: process.clone(), files: BTreeMap::new() }
    }

    /// The process environment wins over the env files.
    pub(super) fn get(&self, name: &str) -> Option<Text> {
        self.process_value(name).or_else(|| self.files.get(name).cloned())
    }

    fn process_value(&self, name: &str) -> Option<Text> {
        let value = self.process.get(name)?;
        Some(Text::new(value, Origin::Process(name.to_owned()), Role::Value(name.to_owned())))
    }

    /// Adds a file; what it sets wins over the files before it.
    pub(super) fn add(&mut self, file: FileId, source: &str) -> Result<(), BadLine> {
        let mut own: BTreeMap<String, Text> = BTreeMap::new();
        let start = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut reader = Reader { file, source, at: start };
        while let Some(statement) = reader.statement()? {
            let value = {
                let lookup = |name: &str| self.get(name).or_else(|| own.get(name).cloned());
                statement.value(&lookup)
            };
            let value = value.map_err(|why| BadLine { at: statement.at, why })?;
            if let Some(value) = value {
                own.insert(statement.name, value);
            }
        }
        self.files.extend(own);
        Ok(())
    }
}

struct Statement {
    name: String,
    at: usize,
    /// Nothing when the line is only a name: then the value is inherited.
    raw: Option<Text>,
    expand: bool,
}

impl Statement {
    fn value(&self, lookup: Lookup<'_>) -> Result<Option<Text>, String> {
        match &self.raw {
            None => Ok(lookup(&self.name)),
            Some(raw) if self.expand => template::interpolate(raw, lookup).map(Some),
            Some(raw) => Ok(Some(raw.clone())),
        }
    }
}

struct Reader<'a> {
    file: FileId,
    source: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn statement(&mut self) -> Result<Option<Statement>, BadLine> {
        self.skip_to_statement();
        if self.rest().is_empty() {
            return Ok(None);
        }
        self.skip_export();
        let at = self.at;
        let (name, inherited) = self.name().map_err(|why| BadLine { at, why })?;
        if inherited {
            return Ok(Some(Statement { name, at, raw: None, expand: false }));
        }
        let (raw, expand) = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let raw = self.quoted(quote, &name).map_err(|why| BadLine { at, why })?;
                (raw, quote == '"')
            }
            _ => (self.unquoted(&name), true),
        };
        Ok(Some(Statement { name, at, raw: Some(raw), expand }))
    }

    /// Over white space, empty lines and lines of comment.
    fn skip_to_statement(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at = self.line_end();
        }
    }

    fn skip_export(&mut self) {
        let Some(rest) = self.rest().strip_prefix("export") else { return };
        if rest.starts_with(char::is_whitespace) {
            let trimmed = rest.trim_start_matches(is_blank);
            self.at += "export".len() + rest.len() - trimmed.len();
        }
    }

    /// The name in front of `=` or `:`, and whether there is no value.
    fn name(&mut self) -> Result<(String, bool), String> {
        let rest = self.rest();
        let mut end = None;
        for (offset, character) in rest.char_indices() {
            match character {
                '=' | ':' | '\n' => {
                    end = Some((offset, character));
                    break;
                }
                '_' | '.' | '-' | '[' | ']' => {}
                other if is_blank(other) || other.is_alphanumeric() => {}
                other => {
                    return Err(format!(
                        "there is an unexpected {other:?} in the name of a variable"
                    ));
                }
            }
        }
        let Some((offset, ending)) = end else {
            return Err("the last line is neither NAME=VALUE nor ended".to_owned());
        };
        let name = rest.get(..offset).unwrap_or_default().trim_end().to_owned();
        if name.contains(' ') {
            return Err("there is a space in the name of a variable".to_owned());
        }
        if name.is_empty() && ending != '\n' {
            return Err("a value has no name".to_owned());
        }
        self.at = (self.at + offset + 1).min(self.source.len());
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
        Ok((name, ending == '\n'))
    }

    /// To the end of the line, or to the comment.
    fn unquoted(&mut self, name: &str) -> Text {
        let start = self.at;
        let end = self.line_end();
        self.at = (end + 1).min(self.source.len());
        let line = self.source.get(start..end).unwrap_or_default();
        let value = line.split_once(" #").map_or(line, |(value, _)| value).trim_end();
        self.verbatim(start..start + value.len(), name)
    }

    fn quoted(&mut self, quote: char, name: &str) -> Result<Text, String> {
        let start = self.at + 1;
        let mut value = String::new();
        let mut escaped = false;
        let mut end = None;
        for (offset, character) in self.rest().char_indices().skip(1) {
            if character == quote && !escaped {
                end = Some(self.at + offset);
                break;
            }
            if character == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && character != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(character);
        }
        let end = end.ok_or_else(|| format!("the quoted value of {name} is not closed"))?;
        self.at = end + 1;
        if self.source.get(start..end).is_some_and(|inside| inside.contains('\\')) {
            let value = if quote == '"' { unescape(&value) } else { value };
            return Ok(Text::new(value, Origin::Encoded, Role::Value(name.to_owned())));
        }
        Ok(self.verbatim(start..end, name))
    }

    fn verbatim(&self, range: Range<usize>, name: &str) -> Text {
        let text = self.source.get(range.clone()).unwrap_or_default();
        let origin = Origin::File { file: self.file, at: range.start };
        Text::new(text, origin, Role::Value(name.to_owned()))
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.source.len(), |offset| self.at + offset)
    }
}

/// White space that does not end a line.
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// The escapes of double quotes. Octal ones are left as they are: no reference has one.
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            result.push(character);
            continue;
        }
        match characters.next() {
            Some('a') => result.push('\u{7}'),
            Some('b') => result.push('\u{8}'),
            Some('f') => result.push('\u{c}'),
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('t') => result.push('\t'),
            Some('v') => result.push('\u{b}'),
            Some('$') => result.push_str("$$"),
            Some(same @ ('"' | '\\')) => result.push(same),
            Some(other) => result.extend(['\\', other]),
            None => result.push('\\'),
        }
    }
    result
}
