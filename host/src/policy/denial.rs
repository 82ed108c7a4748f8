//! Why a plugin may not do something, and what would allow it.

use super::{Ask, Grants};
use crate::text::{one_line, shortened};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub text: String,
    pub hint: String,
}

const LONGEST: usize = 500;

impl Denial {
    pub(super) fn not_requested(plugin: &str, ask: &Ask<'_>) -> Self {
        Self {
            text: format!(
                "the plugin {plugin} may not call {}: it does not ask for it in its description",
                ask.function
            ),
            hint: "this is a defect of the plugin: tell its vendor".to_owned(),
        }
    }

    pub(super) fn not_granted(plugin: &str, ask: &Ask<'_>, grants: &Grants) -> Self {
        let object = shortened(&one_line(&ask.object()), LONGEST);
        let hint = match grants.with(ask) {
            Some(more) => {
                let line = one_line(&more.line(plugin, ask.interface()));
                let widens = match grants.has(ask.interface()) {
                    true => " (it joins what is granted already: every action for every name)",
                    false => "",
                };
                format!("to allow it, write into tessallite-up.toml: {line}{widens}")
            }
            None => "no grant can allow it".to_owned(),
        };
        Self {
            text: format!(
                "the plugin {plugin} may not call {}{object}: it is not granted",
                ask.function
            ),
            hint,
        }
    }
}
