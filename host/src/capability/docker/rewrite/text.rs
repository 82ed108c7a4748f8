//! Text that remembers, byte by byte, which file it was taken from.

use std::ops::Range;

/// Position of a file in [`super::files::Files`].
pub(super) type FileId = usize;

/// Where a piece of text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The bytes of a file from this offset on are the text itself.
    File { file: FileId, at: usize },
    /// A variable of the process environment.
    Process(String),
    /// It stands in a file in another form (an escape, several lines, …).
    Encoded,
}

/// What the text is in the place that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Literal,
    /// Part of the value of this variable.
    Value(String),
    /// Part of the default that a template gives to this variable.
    Default(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) origin: Origin,
    pub(super) role: Role,
}

impl Piece {
    /// The bytes of `file` that this piece is.
    pub(super) fn span(&self) -> Option<(FileId, Range<usize>)> {
        match self.origin {
            Origin::File { file, at } => Some((file, at..at + self.text.len())),
            Origin::Process(_) | Origin::Encoded => None,
        }
    }

    fn part(&self, range: Range<usize>) -> Option<Self> {
        let text = self.text.get(range.clone()).filter(|text| !text.is_empty())?;
        let origin = match &self.origin {
            Origin::File { file, at } => Origin::File { file: *file, at: at + range.start },
            other => other.clone(),
        };
        Some(Self { text: text.to_owned(), origin, role: self.role.clone() })
    }
}

/// Pieces in order; none of them is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

impl Text {
    pub(super) fn new(text: impl Into<String>, origin: Origin, role: Role) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self::default();
        }
        Self(vec![Piece { text, origin, role }])
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    pub(super) fn value(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The part in this range of bytes of [`Self::value`].
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let mut start = 0;
        let mut parts = Vec::new();
        for piece in &self.0 {
            let end = start + piece.text.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                parts.extend(piece.part(from - start..to - start));
            }
            start = end;
        }
        Self(parts)
    }

    /// Says of everything that is written in the template itself that it is the
    /// default of `variable`.
    pub(super) fn into_default_of(mut self, variable: &str) -> Self {
        for piece in &mut self.0 {
            if piece.role == Role::Literal {
                piece.role = Role::Default(variable.to_owned());
            }
        }
        self
    }

    /// Whether a byte of this text stands in that range of the file.
    pub(super) fn overlaps(&self, file: FileId, range: &Range<usize>) -> bool {
        self.0
            .iter()
            .filter_map(Piece::span)
            .any(|(of, span)| of == file && span.start < range.end && range.start < span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_keeps_the_origins() {
        let mut text = Text::new("abc", Origin::File { file: 1, at: 10 }, Role::Literal);
        text.append(Text::new("de", Origin::Encoded, Role::Literal));
        let part = text.slice(1..4);
        assert_eq!(part.value(), "bcd");
        assert_eq!(part.pieces()[0].span(), Some((1, 11..13)));
        assert!(part.overlaps(1, &(12..20)));
        assert!(!part.overlaps(1, &(13..20)));
        assert!(!part.overlaps(2, &(0..99)));
    }

    #[test]
    fn a_slice_through_a_character_is_empty_and_does_not_panic() {
        let text = Text::new("ü", Origin::Encoded, Role::Literal);
        assert_eq!(text.slice(0..1).value(), "");
        assert_eq!(text.slice(5..9).value(), "");
    }
}
