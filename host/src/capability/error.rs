//! Why a capability could not do what it was asked.

use std::error::Error as StdError;

/// The cases that a plugin may decide by; they are those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
/// is the `source`, and is not repeated in the text. `hint` says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(Kind::TimedOut, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The message, what lies below it, and the hint, in one line.
    pub fn full_text(&self) -> String {
        let mut text = self.message.clone();
        let mut below: Option<&(dyn StdError + 'static)> = StdError::source(self);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_text_has_the_chain_and_the_hint_once_each() {
        let error = Error::failed("reading the project")
            .because(std::io::Error::other("disk on fire"))
            .hint("call someone");
        assert_eq!(error.full_text(), "reading the project: disk on fire (call someone)");
    }
}
