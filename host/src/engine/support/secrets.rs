//! Which values are secrets, by the names that they stand under.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

/// A name that contains one of these is that of a secret.
const TELLING: [&str; 6] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN"];

pub fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    TELLING.iter().any(|word| name.contains(word))
}

/// Values that must not be seen, and what they are called.
#[derive(Default)]
pub struct Secrets {
    by_value: BTreeMap<String, String>,
}

impl Secrets {
    /// A variable or a setting: its value where the name says so, and in any case the
    /// passwords in it.
    pub fn add(&mut self, name: &str, value: &str) {
        if is_secret(name) {
            self.insert(name, value);
        }
        for password in passwords(value) {
            self.insert(&format!("{name} (its password)"), &password);
        }
    }

    /// A value that is secret whatever it is called.
    pub fn insert(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.by_value.entry(value.to_owned()).or_insert_with(|| name.to_owned());
        // Logs break a key of several lines up.
        if value.contains('\n') {
            for line in value.lines().map(str::trim).filter(|line| line.len() >= 8) {
                self.by_value.entry(line.to_owned()).or_insert_with(|| name.to_owned());
            }
        }
    }

    /// An env file. What it means is Compose's to say: here, every reading of a value is
    /// taken for one.
    pub fn add_env_file(&mut self, text: &str) {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        for line in text.lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.starts_with('#') {
                continue;
            }
            let bare = value.split(" #").next().unwrap_or_default().trim_end();
            let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
            let inside = quote.and_then(|quote| value[1..].split_once(quote)).map(|(in_, _)| in_);
            let meant = interpolated(inside.unwrap_or(bare), &known);
            for reading in [Some(bare), inside, Some(meant.as_str())].into_iter().flatten() {
                self.add(name, reading);
            }
            known.insert(name, meant);
        }
    }

    /// Whatever has a name and a value in a record: a setting, a fact.
    pub(super) fn add_pairs(&mut self, record: &Value) {
        match record {
            Value::Array(items) => items.iter().for_each(|item| self.add_pairs(item)),
            Value::Object(fields) => {
                let text = |key: &str| fields.get(key).and_then(Value::as_str);
                if let (Some(name), Some(value)) = (text("name"), text("value")) {
                    self.add(name, value);
                }
                fields.values().for_each(|value| self.add_pairs(value));
            }
            _ => {}
        }
    }

    /// The longest first: one may contain another.
    pub(super) fn longest_first(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> =
            self.by_value.iter().map(|(value, name)| (value.as_str(), name.as_str())).collect();
        all.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        all
    }
}

/// With the variables that are known; the longest names first, where one begins another.
fn interpolated(value: &str, known: &BTreeMap<&str, String>) -> String {
    let mut meant = value.to_owned();
    for (name, known) in known.iter().rev() {
        meant = meant.replace(&format!("${{{name}}}"), known).replace(&format!("${name}"), known);
    }
    meant
}

/// Those of a URL with user information, and of a data source name with `password=`; as
/// they are written, and as they are meant.
fn passwords(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((scheme, rest)) = value.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password that should have been encoded and is not may contain these signs.
        for place in [authority, rest] {
            let Some((userinfo, _)) = place.rsplit_once('@') else { continue };
            match userinfo.split_once(':') {
                Some((_, password)) => found.push(password.to_owned()),
                // What a server of the web takes instead of a password.
                None if scheme.starts_with("http") => found.push(userinfo.to_owned()),
                None => {}
            }
        }
    }
    if let Ok(url) = Url::parse(value) {
        let queried = url.query_pairs().filter(|(name, _)| is_secret(name));
        found.extend(queried.map(|(_, value)| value.into_owned()));
    }
    found.extend(in_keywords(value));
    let meant: Vec<String> = found.iter().filter_map(|password| decoded(password)).collect();
    found.extend(meant);
    found.retain(|password| !password.is_empty());
    found
}

/// Of `host=db password='it''s'`.
fn in_keywords(value: &str) -> Option<String> {
    let (_, rest) = value.split_once("password=")?;
    let rest = rest.trim_start();
    Some(match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next().unwrap_or_default().to_owned(),
        None => rest.split([' ', '&', ';']).next().unwrap_or_default().to_owned(),
    })
}

/// Without percent-encoding, where there is some.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = |at: usize| behind.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).ok()?);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|plain| plain != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(secrets: &Secrets) -> Vec<&str> {
        let mut values: Vec<&str> =
            secrets.longest_first().iter().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["DB_PASS", "x.password", "SESSION_SECRET", "apiKey", "REPORTS_DSN", "token"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["DB_HOST", "LOG_LEVEL", "ADMIN_USER"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_found_whatever_the_variable_is_called() {
        let mut secrets = Secrets::default();
        secrets.add("UPSTREAM", "postgresql://reader:s%40cret@db.example/x?sslmode=disable");
        secrets.add("OTHER", "host=db password='two words' user=x");
        secrets.add("HOOK", "https://token-of-a-hook@hooks.example/y");
        secrets.add("PLAIN", "https://hooks.example:8443/y");
        assert_eq!(values(&secrets), ["s%40cret", "s@cret", "token-of-a-hook", "two words"]);
    }

    #[test]
    fn an_unencoded_password_with_signs_of_its_own_is_found() {
        let mut secrets = Secrets::default();
        secrets.add("UPSTREAM", "postgresql://reader:a/b@c@db.example/x");
        assert!(values(&secrets).contains(&"a/b@c"), "{:?}", values(&secrets));
    }

    #[test]
    fn an_env_file_is_read_as_it_is_written() {
        let mut secrets = Secrets::default();
        secrets.add_env_file(
            "# DB_PASS=not\nexport DB_PASS = \"in quotes\" # why\nAPI_KEY=bare-1 # c\nDB_HOST=db\nADMIN_PASS='single'\nA_PASS=\"it is on ${DB_HOST}\"\n",
        );
        let values = values(&secrets);
        for value in ["in quotes", "bare-1", "single", "it is on db"] {
            assert!(values.contains(&value), "{value}: {values:?}");
        }
        assert!(!values.contains(&"db") && !values.contains(&"not"), "{values:?}");
    }

    #[test]
    fn a_key_of_several_lines_is_known_by_each() {
        let mut secrets = Secrets::default();
        secrets.add("TLS_KEY", "-----BEGIN-----\nabcdefgh12345678\n");
        assert!(values(&secrets).contains(&"abcdefgh12345678"));
    }
}
