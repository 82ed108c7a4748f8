//! Numbers and names as an operator reads them.

use std::time::Duration;

use console::{measure_text_width, truncate_str};

use super::event::ServiceChange;

/// Of a whole thing that is over: "350 ms", "7.2 s", "1 min 03 s", "2 h 05 min".
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        // From here on it would round to "60.0 s".
        1_000..59_950 => {
            let tenths = (ms + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        _ => clock(Duration::from_millis(ms.saturating_add(500))),
    }
}

/// Of something that still runs: whole seconds, so that the eye is left in peace.
pub fn clock(elapsed: Duration) -> String {
    let s = elapsed.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
    }
}

/// In binary units, as Docker and PostgreSQL print them.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // 1023.95 and more would be printed as "1024.0".
    while value >= 1023.95 {
        let Some(larger) = units.next() else { break };
        value /= 1024.0;
        unit = Some(larger);
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// Enough of a digest to tell two apart: "3f2a91bc…".
pub fn short_digest(digest: &str) -> String {
    const DIGITS: usize = 8;
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    match hex.char_indices().nth(DIGITS) {
        Some((end, _)) => format!("{}…", &hex[..end]),
        None => hex.to_owned(),
    }
}

/// A reference whose digest, if it has one, is shortened.
pub fn short_reference(reference: &str) -> String {
    match reference.split_once('@') {
        Some((name, digest)) => format!("{name}@{}", short_digest(digest)),
        None => reference.to_owned(),
    }
}

/// Of an image only what differs from its neighbours: "model-service:1.5.0".
pub fn image_name(reference: &str) -> String {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// As [`image_name`] for each reference in a text: not for paths and addresses.
pub fn image_names(text: &str) -> String {
    let short = |word: &str| match word.contains('/') {
        true if !word.starts_with(['/', '.', '~']) && !word.contains("://") => {
            image_name(word) + if word.contains('@') && word.ends_with(',') { "," } else { "" }
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// A reference without its tag and its digest.
pub fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        // Otherwise it is the port of a registry.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// In the place of an end that is like the other one.
pub const UNCHANGED: &str = "unchanged";

/// Both ends of a change, as short as they stay distinct.
pub fn change(change: &ServiceChange) -> (String, String) {
    if change.before != change.after {
        return (short_reference(&change.before), short_reference(&change.after));
    }
    let after = short_digest(&change.after_digest);
    let before = match &change.before_digest {
        Some(digest) if *digest == change.after_digest => {
            return (short_reference(&change.before), UNCHANGED.into());
        }
        Some(digest) => short_digest(digest),
        None => "digest unknown".into(),
    };
    (format!("{} ({before})", change.before), format!("{} ({after})", change.after))
}

/// Both ends in one text.
pub fn transition(before: &str, after: &str) -> String {
    match after {
        UNCHANGED => format!("{before} ({UNCHANGED})"),
        _ => format!("{before} → {after}"),
    }
}

/// Cut to `width` columns; a cut shows as "…".
pub fn cut(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// Filled up with blanks to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(measure_text_width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// Lines of at most `width` columns. A word is never broken, so that paths and
/// commands can be copied: a longer one has a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    for word in text.split_whitespace() {
        let word_columns = measure_text_width(word);
        if !line.is_empty() && columns + 1 + word_columns > width {
            lines.push(std::mem::take(&mut line));
        }
        if line.is_empty() {
            columns = word_columns;
        } else {
            line.push(' ');
            columns += 1 + word_columns;
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        let told =
            [0, 350, 999, 1_000, 7_240, 59_949, 59_950, 63_000, 3_599_600, 7_500_000].map(duration);
        let wanted = [
            "0 ms",
            "350 ms",
            "999 ms",
            "1.0 s",
            "7.2 s",
            "59.9 s",
            "1 min 00 s",
            "1 min 03 s",
            "1 h 00 min",
            "2 h 05 min",
        ];
        assert_eq!(told, wanted);
        duration(u64::MAX);
        assert_eq!(clock(Duration::from_millis(7_900)), "7 s");
        assert_eq!(clock(Duration::from_secs(63)), "1 min 03 s");
    }

    #[test]
    fn bytes_are_told_in_binary_units() {
        let told = [0, 1023, 1536, 1024 * 1024 - 1, 3 << 30, u64::MAX].map(bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.5 KiB", "1.0 MiB", "3.0 GiB", "16.0 EiB"]);
    }

    #[test]
    fn digests_and_references_are_shortened_where_it_loses_nothing() {
        assert_eq!(short_digest("sha256:3f2a91bc0d"), "3f2a91bc…");
        assert_eq!(short_digest("3f2a"), "3f2a");
        assert_eq!(short_digest(""), "");
        assert_eq!(short_reference("a/b:1@sha256:3f2a91bc0d"), "a/b:1@3f2a91bc…");
        assert_eq!(image_name("r.example:5000/t/model:1.5.0@sha256:00"), "model:1.5.0");
        assert_eq!(
            image_names("pull r/a:1, r/b:2@sha256:00, r/c:3 into /var/x (http://h/p)"),
            "pull a:1, b:2, c:3 into /var/x (http://h/p)"
        );
        assert_eq!(repository("r.example:5000/t/model:1.5.0@sha256:00"), "r.example:5000/t/model");
        assert_eq!(repository("r.example:5000/model"), "r.example:5000/model");
    }

    #[test]
    fn wrapping_keeps_words_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a /very/long/path b", 4), ["a", "/very/long/path", "b"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("ä ö", 0), ["ä", "ö"]);
    }

    #[test]
    fn a_moving_tag_shows_by_its_digests() {
        let of = |before: Option<&str>| ServiceChange {
            service: "s".into(),
            before: "r/s:stable".into(),
            before_digest: before.map(Into::into),
            after: "r/s:stable".into(),
            after_digest: "sha256:9b1c00000000".into(),
        };
        let (before, after) = change(&of(Some("sha256:3f2a00000000")));
        assert_eq!((&*before, &*after), ("r/s:stable (3f2a0000…)", "r/s:stable (9b1c0000…)"));
        assert_eq!(change(&of(Some("sha256:9b1c00000000"))).1, "unchanged");
        assert_eq!(change(&of(None)).0, "r/s:stable (digest unknown)");
    }
}
