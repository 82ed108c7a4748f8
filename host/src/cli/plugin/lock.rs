//! `plugin lock`: pins plugins as they are now.

use serde_json::json;

use super::Bench;
use crate::cli::args::Output;
use crate::cli::error::{Failure, Result};
use crate::cli::{display, load, session};
use crate::engine::Link;
use crate::plugin::{Lock, Pin, Source};
use crate::text::one_line;

/// What came of one plugin.
enum Change {
    Pinned,
    Changed { former: String },
    Same,
    NotNeeded,
    Removed { former: String },
}

/// All of them are looked at before anything is written.
pub async fn run(output: Output, bench: Bench, named: &[String]) -> Result<()> {
    let Bench { settings, trust, .. } = &bench;
    let names = if named.is_empty() { session::plugins(settings) } else { named.to_vec() };
    let mut lock = trust.lock.clone();
    let mut told = String::new();
    let mut looked_at: Vec<Link> = Vec::new();
    for name in &names {
        let (source, link) = look_at(&bench, name).await?;
        check_names(&looked_at, &link)?;
        let change = change(&mut lock, &source, &link);
        told.push_str(&match output {
            Output::Human => human(&link, &change),
            Output::Json => format!("{}\n", as_json(&link, &change)),
        });
        looked_at.push(link);
    }
    let path = &settings.plugin_lock;
    if lock != trust.lock {
        lock.write(path)?;
        if output == Output::Human {
            told.push_str(&format!("Written to {}.\n", one_line(&path.display().to_string())));
        }
    }
    display::print(&told);
    Ok(())
}

/// Whatever was pinned: that is what is about to be decided anew. But a forgery is none.
async fn look_at(bench: &Bench, name: &str) -> Result<(Source, Link)> {
    let Bench { settings, runtime, trust } = bench;
    let found = load::find(runtime, name)?;
    trust.check_signature(&found.source, found.signed(trust))?;
    found.open(runtime, settings).await
}

fn check_names(looked_at: &[Link], link: &Link) -> Result<()> {
    let name = &link.description.name;
    let is_double = |other: &Link| {
        other.description.name == *name && other.component.digest != link.component.digest
    };
    match looked_at.iter().find(|other| is_double(other)) {
        None => Ok(()),
        Some(other) => Err(Failure::usage(format!(
            "{} and {} are two plugins of one name, {name}: only one can be pinned",
            other.source, link.source
        ))),
    }
}

fn change(lock: &mut Lock, source: &Source, link: &Link) -> Change {
    let Link { component, description, .. } = link;
    if matches!(source, Source::Bundled(_)) {
        return match lock.unpin(&description.name) {
            None => Change::NotNeeded,
            Some(former) => Change::Removed { former: former.sha256 },
        };
    }
    let sha256 = component.digest.clone();
    let version = description.version.clone();
    let pin = Pin { sha256, size: component.bytes as u64, version };
    match lock.pin(&description.name, pin) {
        None => Change::Pinned,
        Some(former) if former.sha256 == component.digest => Change::Same,
        Some(former) => Change::Changed { former: former.sha256 },
    }
}

fn human(link: &Link, change: &Change) -> String {
    let Link { component, description, .. } = link;
    let digest = &component.digest;
    let what = match change {
        Change::Pinned => format!("pinned, sha256:{digest}"),
        Change::Changed { former } => format!("pinned anew, sha256:{former} → sha256:{digest}"),
        Change::Same => format!("pinned already, sha256:{digest}"),
        Change::NotNeeded => "comes with the program and needs no pin".to_owned(),
        Change::Removed { former } => {
            format!("comes with the program and needs no pin; removed: sha256:{former}")
        }
    };
    format!("{} {}: {what}\n", one_line(&description.name), one_line(&description.version))
}

fn as_json(link: &Link, change: &Change) -> serde_json::Value {
    let (change, former) = match change {
        Change::Pinned => ("pinned", None),
        Change::Changed { former } => ("changed", Some(former)),
        Change::Same => ("same", None),
        Change::NotNeeded => ("not-needed", None),
        Change::Removed { former } => ("removed", Some(former)),
    };
    json!({
        "plugin": link.description.name,
        "version": link.description.version,
        "change": change,
        "sha256": link.component.digest,
        "former_sha256": former,
    })
}
