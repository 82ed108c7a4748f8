//! `plugin list`.

use std::fmt::Write as _;

use serde_json::json;

use crate::cli::args::Output;
use crate::cli::{display, session};
use crate::plugin::BUNDLED;
use crate::text::one_line;

pub fn run(output: Output) {
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
