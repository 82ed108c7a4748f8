//! `plugin list` and `plugin inspect`.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Global, Output, Plugin, PluginCommand};
use super::error::Result;
use super::{display, exit_code, session};
use crate::engine::Link;
use crate::plugin::BUNDLED;
use crate::text::one_line;

pub async fn run(global: &Global, args: &Plugin) -> Result<u8> {
    match &args.command {
        PluginCommand::List => list(global.output),
        PluginCommand::Inspect { plugin } => {
            let link = session::link(&session::runtime()?, plugin).await?;
            display::print(&match global.output {
                Output::Human => inspect(&link),
                Output::Json => format!("{}\n", inspect_json(&link)),
            });
        }
    }
    Ok(exit_code::DONE)
}

fn list(output: Output) {
    let directory = session::installed_plugins();
    let installed = std::fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut names: Vec<(String, String)> = installed
        .filter_map(|entry| {
            let path = entry.path();
            let is_plugin = path.extension().is_some_and(|ending| ending == "wasm");
            let name = path.file_stem()?.to_string_lossy().into_owned();
            is_plugin.then(|| (name, path.display().to_string()))
        })
        .collect();
    names.sort();
    let bundled =
        BUNDLED.iter().filter(|bundled| names.iter().all(|(known, _)| known != bundled.name));
    let bundled: Vec<_> =
        bundled.map(|found| (found.name.to_owned(), "bundled".to_owned())).collect();
    names.splice(0..0, bundled);
    let mut text = String::new();
    for (name, place) in names {
        let (name, place) = (one_line(&name), one_line(&place));
        // Writing to a string cannot fail.
        let _ = match output {
            Output::Human => writeln!(text, "{name:<20} {place}"),
            Output::Json => writeln!(text, "{}", json!({"name": name, "place": place})),
        };
    }
    display::print(&text);
}

fn inspect(link: &Link) -> String {
    let Link { component, description, .. } = link;
    let mut text = format!(
        "{} {}\n  {}\n  from      {}\n  digest    sha256:{}\n  size      {} bytes\n",
        one_line(&description.name),
        one_line(&description.version),
        one_line(&description.summary),
        one_line(&component.label),
        component.digest,
        component.bytes,
    );
    let drives = match description.target.as_str() {
        "" => "extends the plan of another plugin",
        target => target,
    };
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<9} {}", one_line(value));
    };
    line("drives", drives);
    let foreign: Vec<&str> = component.foreign_imports().collect();
    for import in component.imports.iter().filter(|name| !foreign.contains(&name.as_str())) {
        line("imports", import);
    }
    if !foreign.is_empty() {
        let list = foreign.join(", ");
        line("mentions", &format!("{list}: no part of the contract, calling one stops the plugin"));
    }
    for request in &description.requests {
        line("asks for", &format!("{:<22} {}", request.function, request.reason));
    }
    text
}

fn inspect_json(link: &Link) -> serde_json::Value {
    let Link { component, description, .. } = link;
    json!({
        "description": description,
        "from": component.label,
        "sha256": component.digest,
        "bytes": component.bytes,
        "imports": component.imports,
        "foreign_imports": component.foreign_imports().collect::<Vec<_>>(),
    })
}
