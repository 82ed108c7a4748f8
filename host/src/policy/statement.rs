//! Statements that write to one table and do nothing else.
//!
//! A statement can do anything by the functions that it calls. Here only those count whose
//! every word is known to be harmless: INSERT … VALUES, UPDATE and DELETE with constants,
//! parameters, columns and the plain operators. Triggers of the table are the operator's own.

/// Words that neither read nor call anything.
const WORDS: &[&str] = &[
    "values", "set", "where", "and", "or", "not", "null", "is", "true", "false", "default", "in",
    "like", "between",
];

/// Those of them that no function can be called: a parenthesis behind them groups.
const BEFORE_GROUPS: &[&str] = &["values", "where", "and", "or", "not", "in"];

/// Longer ones may be somebody's own.
const OPERATORS: &[&str] = &["=", "<", ">", "<=", ">=", "<>", "+", "-"];

/// Words that begin something more than a plain write.
const MORE: &[&str] = &[
    "insert",
    "update",
    "delete",
    "from",
    "into",
    "select",
    "with",
    "returning",
    "on",
    "using",
    "case",
    "cast",
    "exists",
    "any",
    "all",
    "array",
    "row",
    "collate",
    "table",
    "as",
];

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// A constant or a parameter.
    Value,
    Operator,
    Sign(char),
}

/// The table, as SCHEMA.TABLE, that this statement writes to, if that is all that it can do.
pub(super) fn writes_only(statement: &str) -> Option<String> {
    let tokens = tokens(statement)?;
    let word = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
    let (at, verb) = match () {
        () if word(0, "insert") && word(1, "into") => (2, "insert"),
        () if word(0, "delete") && word(1, "from") => (2, "delete"),
        () if word(0, "update") => (1, "update"),
        () => return None,
    };
    let table = match tokens.get(at..at + 3)? {
        [Token::Word(schema), Token::Sign('.'), Token::Word(table)] => {
            format!("{}.{}", schema.to_ascii_lowercase(), table.to_ascii_lowercase())
        }
        _ => return None,
    };
    let rest = tokens.get(at + 3..)?;
    (rest_is_plain(rest) && begins_well(verb, rest)).then_some(table)
}

fn begins_well(verb: &str, rest: &[Token<'_>]) -> bool {
    let is = |token: &Token<'_>, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
    match (verb, rest.first()) {
        ("insert", Some(first)) => *first == Token::Sign('(') || is(first, "values"),
        ("update", Some(first)) => is(first, "set"),
        ("delete", first) => first.is_none_or(|first| is(first, "where")),
        _ => false,
    }
}

/// No second statement, no subquery, no function call, no operator of somebody's own.
fn rest_is_plain(rest: &[Token<'_>]) -> bool {
    let among = |words: &[&str], word: &str| words.iter().any(|w| word.eq_ignore_ascii_case(w));
    let is_known = |word: &str| among(WORDS, word);
    // A column list follows the table of an INSERT, and is the one parenthesis behind nothing.
    let pairs = rest.iter().zip(rest.iter().skip(1));
    let calls = pairs.into_iter().any(|(before, after)| match (before, after) {
        (Token::Word(word), Token::Sign('(')) => !among(BEFORE_GROUPS, word),
        // What follows a word that is no keyword is an alias, a cast or unknown here.
        (Token::Word(word), Token::Value) => !is_known(word),
        (Token::Word(first), Token::Word(second)) => !is_known(first) && !is_known(second),
        _ => false,
    });
    !calls
        && rest.iter().all(|token| match token {
            Token::Word(word) => !among(MORE, word),
            Token::Value | Token::Operator => true,
            // A dot is a function in disguise: `t.f` and `(t).f` call f(t).
            Token::Sign(sign) => "(),".contains(*sign),
        })
}

/// `None` for what is not understood to the last character: a quoted identifier, a dollar
/// quote, an escape, a comment, a cast.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = blank(text);
    let mut touches = false;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' => (Token::Value, quoted(rest)?),
            '$' | '0'..='9' => (Token::Value, number(rest)?),
            first if first.is_ascii_alphabetic() || first == '_' => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            first if "(),.".contains(first) => (Token::Sign(first), 1),
            _ => (Token::Operator, operator(rest)?),
        };
        // E'…', B'…' and the like: a word that touches a constant.
        if touches && token == Token::Value {
            return None;
        }
        let after = &rest[length..];
        rest = blank(after);
        touches = matches!(token, Token::Word(_)) && rest.len() == after.len();
        tokens.push(token);
    }
    Some(tokens)
}

/// Without the blanks before it: those of PostgreSQL, which are not all that there are.
fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c'])
}

fn operator(text: &str) -> Option<usize> {
    let is_sign = |c: char| "+-*/<>=~!@#%^&|`?".contains(c);
    let length = text.find(|c| !is_sign(c)).unwrap_or(text.len());
    OPERATORS.contains(&&text[..length]).then_some(length)
}

/// A constant in single quotes, doubled inside. A backslash is a plain character where
/// `standard_conforming_strings` is on, and the end of all certainty where it is not.
fn quoted(text: &str) -> Option<usize> {
    let mut end = 1;
    loop {
        let close = end + text.get(end..)?.find('\'')?;
        if text[end..close].contains('\\') {
            return None;
        }
        if !text[close + 1..].starts_with('\'') {
            return Some(close + 1);
        }
        end = close + 2;
    }
}

/// `$1`, `12`, `1.5`.
fn number(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('$').unwrap_or(text);
    let skipped = text.len() - digits.len();
    let length = digits.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(digits.len());
    let touches = digits[length..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    (length > 0 && !touches).then_some(skipped + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_to_one_table_is_known() {
        for statement in [
            "INSERT INTO ops.audit VALUES ($1, 'it''s', 2.5, NULL)",
            "update ops.audit\n\tset a = - 1 where (a >= 2)",
            "insert into OPS.Audit (a, b) values ($1, default), (true, -1)",
            "UPDATE ops.audit SET a = $1, b = b + 1 WHERE id = 7 AND (c IS NOT NULL OR d <> 'x')",
            "DELETE FROM ops.audit WHERE a IN (1, 2) AND b BETWEEN 1 AND 2",
            "  DELETE FROM ops.audit  ",
        ] {
            assert_eq!(writes_only(statement).as_deref(), Some("ops.audit"), "{statement}");
        }
    }

    #[test]
    fn what_could_do_more_is_not() {
        for statement in [
            "",
            "SELECT 1",
            "INSERT INTO audit VALUES (1)",
            "INSERT INTO ops.audit SELECT * FROM secrets",
            "INSERT INTO ops.audit VALUES (pg_sleep(1))",
            "INSERT INTO ops.audit VALUES (lo_import ('/etc/passwd'))",
            "INSERT INTO ops.audit VALUES ((SELECT 1))",
            "INSERT INTO ops.audit VALUES (1); DROP TABLE x",
            "INSERT INTO ops.audit VALUES (1) RETURNING a",
            "INSERT INTO ops.audit VALUES (1) ON CONFLICT DO NOTHING",
            "UPDATE ops.audit SET a = 1 FROM other",
            "UPDATE ops.audit a SET a = 1",
            "UPDATE ops.audit SET a = evil.f(1)",
            "UPDATE ops.audit SET a = 'x'::regclass",
            "UPDATE ops.audit SET a = date '2020-01-01'",
            "UPDATE ops.audit SET a = E'\\x'",
            "UPDATE ops.audit SET a = e'x'",
            "UPDATE ops.audit SET a = 'a\\'",
            "UPDATE ops.audit SET a = b || c",
            "UPDATE ops.audit SET a = @ b",
            "UPDATE ops.audit SET a = 1 -- x",
            "UPDATE ops.audit SET a = 1 /* x */",
            "UPDATE ops.audit SET a = $$x$$",
            "UPDATE \"ops\".audit SET a = 1",
            "DELETE FROM ops.audit USING other",
            "DELETE FROM ops.audit WHERE EXISTS (SELECT 1)",
            "UPDATE ops.audit SET a = audit.publish",
            "UPDATE ops.audit SET a = (audit).publish",
            "UPDATE ops.audit SET a = $1 . f",
            "UPDATE ops.audit SET a = set(1)",
            "UPDATE ops.audit SET a = is(1)",
            "UPDATE ops.audit SET a = like(1, 2)",
            "UPDATE ops.audit SET a = b <-> c",
            "UPDATE ops.audit SET a = b -> c",
            "UPDATE ops.audit SET a =- 1",
            "UPDATE ops.audit SET a = b\u{a0}(1)",
            "UPDATE ops.audit SET a = date'2020-01-01'",
            "TRUNCATE ops.audit",
            "WITH x AS (DELETE FROM ops.audit) SELECT 1",
            "UPDATE ops.audit SET a = 'unclosed",
            "UPDATE ops.audit.more SET a = 1",
        ] {
            assert_eq!(writes_only(statement), None, "{statement}");
        }
    }
}
