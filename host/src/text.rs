//! Text from outside, made safe for a terminal.

/// Replaces what could forge a line or reorder what is read: C0 and C1 controls,
/// line separators and the bidi controls become U+FFFD. Newlines and tabs stay.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect()
}

/// As [`printable`], on one line.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => ' ',
            c if is_harmless(c) => c,
            _ => '\u{fffd}',
        })
        .collect()
}

/// Cut to at most `max` bytes at a character's boundary; a cut shows as "…".
pub fn shortened(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// In lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_harmless(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separator = matches!(c, '\u{2028}' | '\u{2029}');
    matches!(c, '\n' | '\t') || !(c.is_control() || bidi || separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_overrides_lose_their_power() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c\u{9b}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(printable("two\nlines\tkept\r"), "two\nlines\tkept\u{fffd}");
        assert_eq!(one_line("a\nb"), "a b");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(shortened("äöü", 5), "ä…");
        assert_eq!(shortened("äöü", 6), "äöü");
        assert_eq!(shortened("ä", 0), "…");
    }
}
