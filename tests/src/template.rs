//! The kinds of installations, and the places where one of each can stand.

/// A project of the stand-in installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The tag is a variable in `.env`.
    Variable,
    /// Literal tags in two files; `agent-service`, and a frontend without a port.
    Literal,
    /// The tag moves; two containers of query-router.
    Moving,
}

impl Template {
    pub fn name(self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::Literal => "literal",
            Self::Moving => "moving",
        }
    }

    /// Directories that hold an installation, each with ports of its own: only the
    /// project of `variable` takes its name from the directory.
    pub(crate) fn slots(self) -> &'static [Slot] {
        match self {
            Self::Variable => &[
                Slot { name: "variable-1", port: 13110 },
                Slot { name: "variable-2", port: 13120 },
            ],
            Self::Literal => &[Slot { name: "literal", port: 13130 }],
            Self::Moving => &[Slot { name: "moving", port: 13140 }],
        }
    }
}

pub(crate) struct Slot {
    pub name: &'static str,
    /// The first of its ports.
    pub port: u16,
}
