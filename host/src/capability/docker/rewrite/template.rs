//! The interpolation of Compose, with the origin of every byte.
//!
//! Follows what Compose does, its oddities included: the braces of a default are
//! counted, and the character behind an opening brace is not looked at.

use super::text::{Origin, Role, Text};

/// Defaults inside of defaults, at most.
const DEEPEST: usize = 32;

/// Gives the value of a variable, or nothing when it is not set.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<Text>;

/// Replaces the variables in `template`. The error says what is wrong with it.
pub(super) fn interpolate(template: &Text, lookup: Lookup<'_>) -> Result<Text, String> {
    substitute(template, lookup, 0)
}

/// How `${NAME…}` goes on behind the name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Default,
    Alternative,
    Required,
}

/// `${NAME}` or `${NAME:-default}`, in bytes of the template.
struct Braced {
    name_end: usize,
    /// The operator, whether empty counts as unset, and where its operand is.
    operand: Option<(Operator, bool, std::ops::Range<usize>)>,
    /// Behind the closing brace.
    end: usize,
}

fn substitute(template: &Text, lookup: Lookup<'_>, depth: usize) -> Result<Text, String> {
    if depth > DEEPEST {
        return Err("its defaults are nested too deeply".to_owned());
    }
    let source = template.value();
    let mut result = Text::default();
    let mut at = 0;
    while let Some(dollar) = find(&source, at, '$') {
        result.append(template.slice(at..dollar));
        let next = dollar + 1;
        at = match source.as_bytes().get(next) {
            Some(b'$') => {
                result.append(Text::new("$", Origin::Encoded, Role::Literal));
                next + 1
            }
            Some(b'{') => {
                let braced = read_braced(&source, next + 1).ok_or_else(|| {
                    format!("\"{}\" is not a valid template", source.escape_debug())
                })?;
                result.append(expand(template, &source, next + 1, &braced, lookup, depth)?);
                braced.end
            }
            _ => match name_end(&source, next) {
                Some(end) => {
                    let name = source.get(next..end).unwrap_or_default();
                    result.append(lookup(name).unwrap_or_default());
                    end
                }
                None => {
                    result.append(template.slice(dollar..next));
                    next
                }
            },
        };
    }
    result.append(template.slice(at..source.len()));
    Ok(result)
}

fn expand(
    template: &Text,
    source: &str,
    start: usize,
    braced: &Braced,
    lookup: Lookup<'_>,
    depth: usize,
) -> Result<Text, String> {
    let name = source.get(start..braced.name_end).unwrap_or_default();
    let value = lookup(name);
    let Some((operator, or_empty, range)) = &braced.operand else {
        return Ok(value.unwrap_or_default());
    };
    let operand = substitute(&template.slice(range.clone()), lookup, depth + 1)?;
    let present = value.as_ref().is_some_and(|value| !*or_empty || !value.pieces().is_empty());
    match (operator, present) {
        (Operator::Default, false) => Ok(operand.into_default_of(name)),
        (Operator::Alternative, true) => Ok(operand),
        (Operator::Required, false) => {
            Err(format!("the variable {name} is required and has no value: {}", operand.value()))
        }
        _ => Ok(value.unwrap_or_default()),
    }
}

/// Reads on from behind `${`.
fn read_braced(source: &str, start: usize) -> Option<Braced> {
    let name_end = name_end(source, start)?;
    let rest = source.get(name_end..)?;
    if rest.starts_with('}') {
        return Some(Braced { name_end, operand: None, end: name_end + 1 });
    }
    let or_empty = rest.starts_with(':');
    let operator_at = name_end + usize::from(or_empty);
    let operator = match source.as_bytes().get(operator_at)? {
        b'-' => Operator::Default,
        b'+' => Operator::Alternative,
        b'?' => Operator::Required,
        _ => return None,
    };
    let operand = operator_at + 1;
    let line_end = find(source, operand, '\n').unwrap_or(source.len());
    let last = operand + source.get(operand..line_end)?.rfind('}')?;
    let close = closing_brace(source, start - 1, last).unwrap_or(last);
    Some(Braced {
        name_end,
        operand: Some((operator, or_empty, operand..close.max(operand))),
        end: close + 1,
    })
}

/// The brace that closes the one at `open`; none when they do not balance.
fn closing_brace(source: &str, open: usize, last: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut depth = 0_usize;
    let mut at = open;
    while at <= last {
        match bytes.get(at)? {
            b'}' if depth == 1 => return Some(at),
            b'}' => depth = depth.saturating_sub(1),
            b'{' => {
                depth += 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn find(source: &str, from: usize, wanted: char) -> Option<usize> {
    source.get(from..)?.find(wanted).map(|offset| from + offset)
}

/// The end of the name that begins at `start`, if one does.
fn name_end(source: &str, start: usize) -> Option<usize> {
    let rest = source.as_bytes().get(start..)?;
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    rest.first().filter(|byte| is_word(byte))?;
    let length = rest.iter().take_while(|byte| is_word(byte) || byte.is_ascii_digit()).count();
    Some(start + length)
}
