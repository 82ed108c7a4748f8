//! Plugins: found, measured by what is known of them, loaded.

use std::sync::Arc;

use super::error::{Failure, Result};
use super::session::installed_plugins;
use crate::contract::Description;
use crate::engine::{Link, Nothing};
use crate::plugin::{BUNDLED, Binary, Caller, Demand, Lock, Runtime, Signed, Source, Trust};
use crate::policy::{self, Grants, Policy};
use crate::settings::Settings;

/// # Errors
/// The lock file is damaged.
pub fn trust(settings: &Settings) -> Result<Trust> {
    Ok(Trust {
        lock: Lock::read_if_there(&settings.plugin_lock)?,
        keys: settings.plugin_keys.clone(),
        demand: match settings.locked {
            true => Demand::EverythingFor,
            false => Demand::NothingAgainst,
        },
    })
}

/// Loads a plugin and asks it what it is.
///
/// # Errors
/// The plugin cannot or must not be used.
pub async fn link(
    runtime: &Runtime,
    trust: &Trust,
    settings: &Settings,
    text: &str,
) -> Result<Link> {
    let found = find(runtime, text)?;
    // Of a file that is not what was signed, nothing is even compiled.
    trust.check_signature(&found.source, found.signed(trust))?;
    let (source, link) = found.open(runtime, settings).await?;
    trust.check_pin(&source, &link.description.name, &link.component.digest)?;
    check_imports(&source, &link, settings)?;
    Ok(link)
}

/// What a plugin imports beside the contract traps when it is called. Locked, a plugin that
/// is not part of the program may not even mention it.
fn check_imports(source: &Source, link: &Link, settings: &Settings) -> Result<()> {
    let is_bundled = matches!(source, Source::Bundled(_));
    let foreign: Vec<&str> = link.component.foreign_imports().collect();
    if !settings.locked || is_bundled || foreign.is_empty() {
        return Ok(());
    }
    let name = &link.description.name;
    Err(Failure::denied(format!("locked: the plugin {name} imports {}", foreign.join(", "))).hint(
        "locked, a plugin imports the contract alone: ask its vendor for a build without WASI",
    ))
}

/// # Errors
/// There is no such plugin, or its file cannot be read.
pub fn find(runtime: &Runtime, text: &str) -> Result<Found> {
    let source = Source::find(text, &installed_plugins())?;
    let binary = runtime.read(&source)?;
    Ok(Found { source, binary, text: text.to_owned() })
}

/// A plugin's file, read. Nothing of it has been compiled or called.
pub struct Found {
    pub source: Source,
    binary: Binary,
    text: String,
}

impl Found {
    /// Of the very bytes that are loaded.
    pub fn signed(&self, trust: &Trust) -> Signed {
        trust.signed(&self.source, &self.binary.bytes)
    }

    /// # Errors
    /// The plugin cannot be used.
    pub async fn open(self, runtime: &Runtime, settings: &Settings) -> Result<(Source, Link)> {
        let Self { source, binary, text } = self;
        let component = runtime.prepare(&source, binary).await?;
        let caller = Caller { services: None, conduct: Arc::new(Nothing), run: String::new() };
        let description = component.describe(&caller).await?;
        let policy = policy(&component.digest, &description, settings)?;
        let component = component.limited(policy.grants.limits());
        Ok((source, Link { component, description, source: text, policy }))
    }
}

/// The operator's grants for the plugin's name; a bundled procedure, byte for byte, has some of
/// its own where the configuration says nothing of it.
fn policy(digest: &str, description: &Description, settings: &Settings) -> Result<Policy> {
    let name = &description.name;
    let bundled = BUNDLED.iter().find(|bundled| bundled.digest == digest);
    let grants = match (settings.grants.get(name), bundled) {
        (Some(grants), _) => grants.clone(),
        (None, Some(bundled)) => policy::bundled(bundled.name).map_err(Failure::defect)?,
        (None, None) => Grants::default(),
    };
    let requests = description.requests.iter().map(|request| request.function.as_str());
    Ok(Policy::new(name, requests, grants))
}
