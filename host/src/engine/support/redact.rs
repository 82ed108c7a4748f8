//! Takes secrets out of text: the values that are known, however they are written, and
//! what looks like one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::{Captures, Regex, RegexBuilder};
use serde_json::Value;

use super::secrets::{Secrets, is_secret};

/// A shorter value would be found everywhere: it is redacted where it stands under its name.
const SHORTEST: usize = 4;
/// A value of fewer characters, or of digits alone, is redacted where nothing of its own
/// kind is around it.
const SHORTEST_INSIDE: usize = 6;
/// Shorter values have no encoding that is theirs alone.
const SHORTEST_ENCODED: usize = 6;
/// They say whether, not what.
const WORDS: [&str; 10] = [
    "true", "false", "none", "null", "auto", "disable", "enable", "disabled", "enabled", "require",
];
const LARGEST_PATTERN: usize = 64 << 20;

/// What stands under a telling name in any text.
const ASSIGNED: &str = r#"(?i)([\w.-]*(?:pass(?:word|wd|phrase)?|secret|credentials?|token|dsn|(?:api|access|private|signing|encryption|auth)[_-]?key)[\w.-]*)(\\*["']?\s*=\s*\\*["']?|\\*["']\s*:\s*\\*["']?)([^\s"'\\,;&\[\]{}()]+)"#;
/// In an address.
const USER_INFO: &str = r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:\[]*:)([^\s/@\[]+)@";
const AUTHORIZATION: &str = r"(?i)\b((?:bearer|basic)\s+)([A-Za-z0-9+/_.=~-]{8,})";

pub struct Redactor {
    known: Vec<Known>,
    alike: Vec<(Regex, &'static str)>,
    /// How often, by name.
    counts: BTreeMap<String, usize>,
    too_short: Vec<String>,
}

struct Known {
    name: String,
    written: Regex,
}

impl Redactor {
    /// # Errors
    /// A pattern of ours is too large.
    pub fn new(secrets: &Secrets) -> Result<Self, regex::Error> {
        let (mut known, mut too_short) = (Vec::new(), Vec::new());
        for (value, name) in secrets.longest_first() {
            if value.chars().count() < SHORTEST || WORDS.contains(&value.to_lowercase().as_str()) {
                too_short.push(name.to_owned());
                continue;
            }
            let written = RegexBuilder::new(&written(value)).size_limit(LARGEST_PATTERN).build()?;
            known.push(Known { name: name.to_owned(), written });
        }
        let alike = vec![
            (Regex::new(USER_INFO)?, "a password in an address"),
            (Regex::new(AUTHORIZATION)?, "an authorization"),
            (Regex::new(ASSIGNED)?, ""),
        ];
        Ok(Self { known, alike, counts: BTreeMap::new(), too_short })
    }

    /// The text without secrets.
    pub fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for known in &self.known {
            let mut found = 0;
            let redacted = known.written.replace_all(&text, |_: &Captures| {
                found += 1;
                mark(&known.name)
            });
            if found > 0 {
                text = redacted.into_owned();
                *self.counts.entry(known.name.clone()).or_default() += found;
            }
        }
        for (pattern, what) in &self.alike {
            let mut found = Vec::new();
            let redacted = pattern.replace_all(&text, |captures: &Captures| {
                let part = |at: usize| captures.get(at).map_or("", |part| part.as_str());
                let name = if what.is_empty() { part(1) } else { what };
                found.push(name.to_owned());
                // An assignment has its name, its sign and its value; the others a front.
                let (front, sign) =
                    if what.is_empty() { (part(1), part(2)) } else { (part(1), "") };
                let end = if captures[0].ends_with('@') { "@" } else { "" };
                format!("{front}{sign}{}{end}", mark(name))
            });
            if !found.is_empty() {
                text = redacted.into_owned();
            }
            for name in found {
                *self.counts.entry(name).or_default() += 1;
            }
        }
        text
    }

    /// The same in every text of a value; and what stands under the name of a secret goes,
    /// whatever it is.
    pub fn json(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => self.items(items),
            Value::Object(fields) => {
                for (name, mut value) in std::mem::take(fields) {
                    self.field(&name, &mut value);
                    fields.insert(self.text(&name), value);
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if is_secret(name) && !text.is_empty() => self.replace(name, value),
            Value::Number(_) if is_secret(name) => self.replace(name, value),
            value => self.json(value),
        }
    }

    fn items(&mut self, items: &mut [Value]) {
        let mut flag: Option<String> = None;
        for item in items {
            let text = item.as_str().unwrap_or_default().to_owned();
            match (flag.take(), text.split_once('=')) {
                // `--password`, and behind it what it is.
                (Some(name), _) => self.replace(&name, item),
                (None, Some((name, value))) if is_secret(name) && !value.is_empty() => {
                    self.count(name);
                    *item = Value::String(format!("{name}={}", mark(name)));
                }
                _ => self.json(item),
            }
            if text.starts_with("--") && !text.contains('=') && is_secret(&text) {
                flag = Some(text);
            }
        }
    }

    fn replace(&mut self, name: &str, value: &mut Value) {
        self.count(name);
        *value = Value::String(mark(name));
    }

    fn count(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    /// What was redacted, a line each.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.counts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name}: {count} times");
        }
        if self.counts.is_empty() {
            text.push_str("  nothing\n");
        }
        for name in &self.too_short {
            let _ = writeln!(
                text,
                "  {name} is short, or a common word: it was redacted only where it stands under its name"
            );
        }
        text
    }
}

fn mark(name: &str) -> String {
    format!("[redacted {name}]")
}

/// Every way to write the value that programs are known to use.
fn written(value: &str) -> String {
    let mut plain: String = value.chars().map(sign).collect();
    let is_number = value.chars().all(|c| c.is_ascii_digit());
    if is_number || (value.len() < SHORTEST_INSIDE && value.chars().all(char::is_alphanumeric)) {
        plain = format!(r"\b{plain}\b");
    }
    if value.len() < SHORTEST_ENCODED {
        return plain;
    }
    let needles = base64_needles(value.as_bytes()).join("|");
    // What is around it in the same word was encoded with it.
    let base64 = format!("[A-Za-z0-9+/_-]*(?:{needles})[A-Za-z0-9+/_-]*=*");
    let hex = crate::text::hex(value.as_bytes());
    format!("{plain}|{base64}|(?i:{hex})")
}

/// One character: as it is, percent-encoded (also twice), or escaped as JSON, shells and
/// Compose do it.
fn sign(c: char) -> String {
    let mut ways = vec![regex::escape(&c.to_string())];
    let mut bytes = [0; 4];
    let encoded: String =
        c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%(?:25)*(?i:{byte:02x})")).collect();
    ways.push(encoded);
    let mut units = [0; 2];
    let escaped: String =
        c.encode_utf16(&mut units).iter().map(|unit| format!(r"\\+u(?i:{unit:04x})")).collect();
    ways.push(escaped);
    match c {
        '\\' => ways.insert(0, r"\\+".to_owned()),
        '"' | '\'' | '/' | '`' | '!' => ways.push(format!(r"\\+{}", regex::escape(&c.to_string()))),
        '$' => ways.push(r"\$\$|\\+\$".to_owned()),
        ' ' => ways.push(r"\+".to_owned()),
        '\n' => ways.push(r"\\+n|\s+".to_owned()),
        '\t' => ways.push(r"\\+t".to_owned()),
        _ => {}
    }
    if c.is_control() {
        // What `text::printable` makes of it.
        ways.push("\u{fffd}".to_owned());
    }
    format!("(?:{})", ways.join("|"))
}

/// The value in Base64 wherever in an encoded text it begins: what does not depend on what
/// is before and behind it.
fn base64_needles(value: &[u8]) -> Vec<String> {
    let needle = |before: usize| {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        let start = [0, 2, 3][before];
        let end = if bytes.len().is_multiple_of(3) { encoded.len() } else { encoded.len() - 1 };
        let own = encoded.get(start..end).unwrap_or_default();
        own.replace(['+', '-'], "[+-]").replace(['/', '_'], "[/_]")
    };
    (0..3).map(needle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(pairs: &[(&str, &str)]) -> Redactor {
        let mut secrets = Secrets::default();
        for (name, value) in pairs {
            secrets.add(name, value);
        }
        Redactor::new(&secrets).unwrap()
    }

    #[test]
    fn a_value_goes_however_it_is_written() {
        let value = "p@ss \"w/ö$d\\+";
        let mut redactor = redactor(&[("DB_PASS", value)]);
        let json = serde_json::to_string(value).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        for text in [
            value,
            &json,
            &twice,
            "p%40ss%20%22w%2F%C3%B6%24d%5C%2B",
            "p%40ss+%22w%2f%c3%b6$d%5c%2b",
            "p%2540ss%2520%2522w%252F%25C3%25B6%2524d%255C%252B",
            r#"p@ss \"w/\u00f6$$d\\+"#,
            &crate::text::hex(value.as_bytes()).to_uppercase(),
        ] {
            let redacted = redactor.text(&format!("before {text} behind"));
            let left = redacted.replace("[redacted DB_PASS]", "");
            assert!(left.starts_with("before ") && left.ends_with(" behind"), "{redacted}");
            assert!(left.len() < 24, "{text}: {redacted}");
        }
        assert!(redactor.report().contains("DB_PASS: 8 times"), "{}", redactor.report());
    }

    #[test]
    fn a_value_goes_in_base64_wherever_it_begins() {
        let mut redactor = redactor(&[("DB_PASS", "planted-secret?>")]);
        for before in ["", "u", "us", "user:", "a-longer-user:"] {
            for behind in ["", "@", "@x", "@db/x"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}planted-secret?>{behind}"));
                for text in [format!("{encoded}=="), encoded.replace('+', "-").replace('/', "_")] {
                    let redacted = redactor.text(&format!("x {text} y"));
                    assert_eq!(redacted, "x [redacted DB_PASS] y", "{before} {behind}");
                }
            }
        }
    }

    #[test]
    fn what_looks_like_a_secret_goes_although_nobody_knows_it() {
        let mut redactor = redactor(&[]);
        for (text, left) in [
            ("db_password=hunter2 x", "db_password=[redacted db_password] x"),
            (r#"{"apiKey": "abc"}"#, r#"{"apiKey": "[redacted apiKey]"}"#),
            (r#"\"token\":\"abc\""#, r#"\"token\":\"[redacted token]\""#),
            ("postgres://u:p%40w@db/x", "postgres://u:[redacted a password in an address]@db/x"),
            (
                "Authorization: Bearer abcdefghij",
                "Authorization: Bearer [redacted an authorization]",
            ),
        ] {
            assert_eq!(redactor.text(text), left);
        }
        for text in ["invalid token: expired", "key (id)=(5) exists", "http://db:8080/x", "a=b"] {
            assert_eq!(redactor.text(text), text);
        }
    }

    #[test]
    fn what_was_redacted_is_not_redacted_again() {
        let mut redactor = redactor(&[("DB_PASS", "hunter22")]);
        let once = redactor.text("DB_PASS=hunter22 postgres://u:hunter22@db");
        assert_eq!(once, "DB_PASS=[redacted DB_PASS] postgres://u:[redacted DB_PASS]@db");
        assert_eq!(redactor.text(&once), once);
    }

    #[test]
    fn a_short_value_is_no_part_of_a_word() {
        let mut redactor = redactor(&[("A_KEY", "1234"), ("B_KEY", "on"), ("C_KEY", "true")]);
        assert_eq!(redactor.text("91234 1234 true on"), "91234 [redacted A_KEY] true on");
        let report = redactor.report();
        assert!(report.contains("B_KEY is short") && report.contains("C_KEY is short"), "{report}");
        let mut value = serde_json::json!({"B_KEY": "on", "x": "on"});
        redactor.json(&mut value);
        assert_eq!(value, serde_json::json!({"B_KEY": "[redacted B_KEY]", "x": "on"}));
    }

    #[test]
    fn arguments_and_variables_of_a_configuration_lose_their_values() {
        let mut value = serde_json::json!({
            "environment": {"SESSION_SECRET": "a", "LOG_LEVEL": "info", "PIN_TOKEN": 5},
            "command": ["run", "--password", "b", "--key=c", "DB_PASS=d", "plain"],
        });
        redactor(&[]).json(&mut value);
        let text = value.to_string();
        for gone in [":\"a\"", "\"b\"", "=c", "=d", ":5"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        assert!(text.contains("info") && text.contains("plain") && text.contains("--password"));
    }
}
