//! What a plugin may ever do: what it asks for in its description, and of that what the
//! operator's configuration grants. Pure: nothing here reaches outside.
//!
//! Whatever a configuration can say is enforced here; what cannot be enforced is refused
//! when the configuration is read.

mod ask;
mod denial;
mod functions;
mod grants;
mod more;
mod origin;
mod reach;
mod statement;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use ask::{About, Ask};
pub use denial::Denial;
pub use functions::{DOCKER_CHANGES, DOCKER_READS, GCLOUD_CHANGES, GCLOUD_READS, SQL_READS};
pub use grants::{Allow, Grants, LimitGrants};
pub use origin::{Malformed, Origin};
pub use reach::Reach;

/// The grants of the procedures that come with the program, as in a configuration.
pub const BUNDLED: &[(&str, &str)] = &[
    ("compose", include_str!("bundled/compose.toml")),
    ("cloudrun", include_str!("bundled/cloudrun.toml")),
];

/// Of one plugin. Recorded with the plan: the approval holds for it as it was then.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// As the plugin calls itself.
    pub plugin: String,
    /// The functions that it asks for.
    pub requested: BTreeSet<String>,
    pub grants: Grants,
}

impl Policy {
    pub fn new<'a>(
        plugin: &str,
        requested: impl IntoIterator<Item = &'a str>,
        grants: Grants,
    ) -> Self {
        let requested = requested.into_iter().map(str::to_owned).collect();
        Self { plugin: plugin.to_owned(), requested, grants }
    }

    /// # Errors
    /// Why not, and what would allow it.
    pub fn check(&self, ask: &Ask<'_>) -> Result<(), Denial> {
        // What does not reach outside of the plugin needs no grant.
        if ask.interface() == "host" {
            return Ok(());
        }
        if !self.requested.contains(ask.function) {
            return Err(Denial::not_requested(&self.plugin, ask));
        }
        if self.grants.allow(ask) {
            return Ok(());
        }
        Err(Denial::not_granted(&self.plugin, ask, &self.grants))
    }

    /// The requests that nothing is granted of.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        let requested = self.requested.iter().map(String::as_str);
        requested.filter(|function| !self.grants.allow_some(function))
    }
}

impl Policy {
    /// Grants as little more as allows this.
    pub fn learn(&mut self, ask: &Ask<'_>) {
        if let Some(more) = self.grants.with(ask) {
            self.grants = more;
        }
    }

    /// Grants everything that is asked for, wherever that can be said without naming
    /// statements or addresses.
    pub fn learn_requests(&mut self) {
        let lacking: Vec<String> = self.lacking().map(str::to_owned).collect();
        for function in lacking {
            self.grants = self.grants.with_all(&function);
        }
    }

    /// Grants the reads that are asked for and were not seen: a step may make them.
    pub fn learn_requested_reads(&mut self) {
        let lacking: Vec<String> = self.lacking().map(str::to_owned).collect();
        for function in lacking {
            self.grants = self.grants.with_read(&function);
        }
    }
}

/// The grants of a bundled procedure.
///
/// # Errors
/// They are not valid: a test makes sure that they are.
pub fn bundled(name: &str) -> Result<Grants, String> {
    let found = BUNDLED.iter().find(|(bundled, _)| *bundled == name);
    let (_, text) = found.ok_or_else(|| format!("there are no grants for {name}"))?;
    let allow: Allow = toml::from_str(text).map_err(|error| error.to_string())?;
    Grants::try_from(allow)
}

#[cfg(test)]
mod tests;
