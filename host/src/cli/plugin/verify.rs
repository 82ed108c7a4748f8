//! `plugin verify`: what the pin and the signature of a plugin are worth.

use serde_json::json;

use super::{Bench, words};
use crate::cli::args::Output;
use crate::cli::error::{Failure, Result};
use crate::cli::{display, exit_code, load};
use crate::plugin::{Pinned, Signed};
use crate::text::one_line;

pub async fn run(output: Output, bench: &Bench, plugin: &str) -> Result<()> {
    let Bench { trust, runtime, .. } = bench;
    let found = load::find(runtime, plugin)?;
    let signed = found.signed(trust);
    say(
        output,
        "signed",
        &words::signature(&signed),
        || json!({"signature": words::signature_json(&signed)}),
    );
    let is_signed = !matches!(signed, Signed::Not(_));
    trust.check_signature(&found.source, signed)?;
    let (source, link) = found.open(runtime, &bench.settings).await?;
    let (name, digest) = (&link.description.name, &link.component.digest);
    let pinned = trust.pinned(&source, name, digest);
    say(output, "pinned", &words::pin(&pinned), || json!({"pin": words::pin_json(&pinned)}));
    trust.check_pin(&source, name, digest)?;
    if is_signed || matches!(pinned, Pinned::Yes) {
        return Ok(());
    }
    let text = format!(
        "nothing vouches for the plugin {name}: it is neither pinned nor signed by a known key"
    );
    let hint = format!("tessallite-up plugin lock {} pins it as it is now", source.as_named());
    Err(Failure { code: exit_code::DENIED, text, hint: Some(hint) })
}

fn say(output: Output, what: &str, words: &str, json: impl FnOnce() -> serde_json::Value) {
    display::print(&match output {
        Output::Human => format!("{what:<7} {}\n", one_line(words)),
        Output::Json => format!("{}\n", json()),
    });
}
