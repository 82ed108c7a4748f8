//! `plugin inspect`.

use std::fmt::Write as _;

use serde_json::json;

use super::{Bench, words};
use crate::cli::args::Output;
use crate::cli::error::Result;
use crate::cli::{display, load};
use crate::engine::Link;
use crate::plugin::{Pinned, Signed};
use crate::text::one_line;

/// What is known of a plugin.
struct Found {
    link: Link,
    pinned: Pinned,
    signed: Signed,
}

/// Shows also what would not be used.
pub async fn run(output: Output, bench: &Bench, plugin: &str) -> Result<()> {
    let Bench { trust, runtime, .. } = bench;
    let found = load::find(runtime, plugin)?;
    let signed = found.signed(trust);
    let (source, link) = found.open(runtime, &bench.settings).await?;
    let pinned = trust.pinned(&source, &link.description.name, &link.component.digest);
    let found = Found { link, pinned, signed };
    display::print(&match output {
        Output::Human => human(&found),
        Output::Json => format!("{}\n", as_json(&found)),
    });
    Ok(())
}

fn human(found: &Found) -> String {
    let Found { link, pinned, signed } = found;
    let Link { component, description, policy, .. } = link;
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
    line("contract", &component.contract);
    line("pinned", &words::pin(pinned));
    line("signed", &words::signature(signed));
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
    for function in policy.lacking() {
        line("denied", &format!("{function:<22} not granted; tessallite-up policy check"));
    }
    text
}

fn as_json(found: &Found) -> serde_json::Value {
    let Link { component, description, policy, .. } = &found.link;
    json!({
        "description": description,
        "from": component.label,
        "sha256": component.digest,
        "bytes": component.bytes,
        "contract": component.contract,
        "pin": words::pin_json(&found.pinned),
        "signature": words::signature_json(&found.signed),
        "denied": policy.lacking().collect::<Vec<_>>(),
        "imports": component.imports,
        "foreign_imports": component.foreign_imports().collect::<Vec<_>>(),
    })
}
