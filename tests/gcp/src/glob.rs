//! Patterns with `*` for anything, slashes included.

#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(before) else {
        return false;
    };
    loop {
        if matches(rest, left) {
            return true;
        }
        let mut letters = left.chars();
        if letters.next().is_none() {
            return false;
        }
        left = letters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_anything() {
        assert!(matches("*", ""));
        assert!(matches("/v2/*/services/*", "/v2/projects/p/services/frontend"));
        assert!(matches("*/services/frontend", "/v2/projects/p/services/frontend"));
        assert!(!matches("*/services/front", "/v2/projects/p/services/frontend"));
        assert!(matches("PATCH", "PATCH"));
        assert!(!matches("PATCH", "PATCHED"));
    }
}
