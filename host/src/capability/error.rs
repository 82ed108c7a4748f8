//! Why a capability could not do what it was asked.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

/// The cases that a plugin may decide by; they are those of the contract.
///
/// A whole word: beside one byte, an error would be moved around in pieces that overlap, for
/// which the processor waits, several times in every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// The approved plan, or the policy, does not allow it.
    Denied,
    NotFound,
    /// Someone else changed the thing since it was read.
    Conflict,
    /// Transient, and already retried.
    Unavailable,
    TimedOut,
    /// The caller's arguments are wrong.
    Invalid,
    /// The outside world said no.
    Failed,
}

/// `Display` says what was being done, to what, and why it failed; what lies below
/// is the `source`, and is not repeated in the text. [`Error::advice`] says what to do.
///
/// Small: every call of a plugin hands a result through.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: Cow<'static, str>,
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.more.as_ref()?.below()
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), more: None }
    }

    pub fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Denied, message)
    }

    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub fn timed_out(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::TimedOut, message)
    }

    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Failed, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.more.get_or_insert_default().hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.more.get_or_insert_default().source = Some(source.into());
        self
    }

    /// What to do.
    pub fn advice(&self) -> Option<&str> {
        self.more.as_ref()?.hint.as_deref()
    }

    /// The same error in other words.
    #[must_use]
    pub fn reworded(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.message = words(&self.message).into();
        self
    }

    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The message, what lies below it, and the hint, in one line.
    pub fn full_text(&self) -> String {
        let text = self.message.clone().into_owned();
        match &self.more {
            None => text,
            Some(more) => more.after(text),
        }
    }

    /// As [`Error::full_text`], of an error that nobody needs any more.
    #[inline]
    pub fn into_text(self) -> String {
        // Taken apart, so that its words go from register to register.
        let Self { message, more, .. } = self;
        let text = match message {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        };
        match more {
            None => text,
            Some(more) => more.after(text),
        }
    }
}

impl More {
    #[cold]
    fn after(&self, mut text: String) -> String {
        let mut below: Option<&(dyn StdError + 'static)> = self.below();
        while let Some(error) = below {
            text.push_str(": ");
            text.push_str(&error.to_string());
            below = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(" (");
            text.push_str(hint);
            text.push(')');
        }
        text
    }

    fn below(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|below| below as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_text_has_the_chain_and_the_hint_once_each() {
        let error = Error::failed("reading the project")
            .because(std::io::Error::other("disk on fire"))
            .hint("call someone");
        let text = "reading the project: disk on fire (call someone)";
        assert_eq!(error.full_text(), text);
        assert_eq!(error.into_text(), text);
        assert_eq!(Error::failed("short").into_text(), "short");
    }
}
