//! The state of an installation, to be compared.

use std::collections::BTreeMap;
use std::fmt;

/// Lines that are equal where the state is equal; each begins with its kind.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Of a kind: what is compared, and what it is.
    pub fn of(&self, kind: &str) -> BTreeMap<&str, &str> {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
        lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
    }

    /// The lines of these kinds only.
    #[must_use]
    pub fn only(&self, kinds: &[&str]) -> Self {
        let wanted = |line: &&str| kinds.contains(&line.split(' ').next().unwrap_or_default());
        let lines = self.0.lines().filter(wanted);
        Self(lines.map(|line| format!("{line}\n")).collect())
    }

    /// Files, images and everything in the database that one test would notice.
    ///
    /// # Panics
    /// They differ; what differs is shown.
    pub fn assert_same_as(&self, before: &Self) {
        let lines = |state: &Self, other: &Self, sign: char| -> String {
            let new = state.0.lines().filter(|line| !other.0.lines().any(|known| known == *line));
            new.map(|line| format!("{sign} {line}\n")).collect()
        };
        let (gone, new) = (lines(before, self, '-'), lines(self, before, '+'));
        assert!(self == before, "the installation is not as it was:\n{gone}{new}");
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fingerprint {
        Fingerprint::new("file .env 1\nimage a sha256:2\ntable s.t 3 x\n".into())
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(sample().of("image")["a"], "sha256:2");
        assert_eq!(sample().of("table")["s.t"], "3 x");
        assert_eq!(sample().only(&["file", "table"]).text(), "file .env 1\ntable s.t 3 x\n");
    }

    #[test]
    #[should_panic(expected = "- image a sha256:2\n+ image a sha256:3")]
    fn a_difference_is_shown() {
        let other = Fingerprint::new(sample().text().replace("sha256:2", "sha256:3"));
        other.assert_same_as(&sample());
    }
}
