//! Colours, for those who want them.

/// Colours what it is given, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    colour: bool,
}

impl Paint {
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    pub fn active(self, text: &str) -> String {
        self.with("36", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.colour && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Whether the environment lets a terminal have colours: NO_COLOR (of any value but the
/// empty one) and `TERM=dumb` say no.
pub fn allowed() -> bool {
    allows(std::env::var_os("NO_COLOR").as_deref(), std::env::var_os("TERM").as_deref())
}

fn allows(no_color: Option<&std::ffi::OsStr>, term: Option<&std::ffi::OsStr>) -> bool {
    no_color.is_none_or(|value| value.is_empty()) && term.is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_honoured() {
        let xterm = Some("xterm".as_ref());
        assert!(allows(None, xterm) && allows(Some("".as_ref()), xterm));
        assert!(!allows(Some("1".as_ref()), xterm) && !allows(None, Some("dumb".as_ref())));
        assert!(!allows(None, None));
        assert_eq!(Paint::new(false).bad("text"), "text");
        assert_eq!(Paint::new(true).bad("text"), "\x1b[31mtext\x1b[0m");
    }
}
