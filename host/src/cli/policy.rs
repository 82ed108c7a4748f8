//! `policy show`, `check` and `suggest`: what plugins may do, lack, and need.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Global, Output, PolicyArgs, PolicyCommand, Request};
use super::display::print;
use super::error::Result;
use super::exit_code;
use super::session::{self, Session};
use crate::engine::Link;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::text::one_line;

pub async fn run(global: &Global, args: &PolicyArgs) -> Result<u8> {
    match &args.command {
        PolicyCommand::Show { plugins } => {
            let links = named(global, plugins).await?;
            links.iter().for_each(|link| print(&show(&link.policy, global.output)));
            Ok(exit_code::DONE)
        }
        PolicyCommand::Check { plugins } => {
            let links = named(global, plugins).await?;
            links.iter().for_each(|link| print(&check(&link.policy, global.output)));
            let lacking = links.iter().any(|link| link.policy.lacking().next().is_some());
            Ok(if lacking { exit_code::DENIED } else { exit_code::DONE })
        }
        PolicyCommand::Suggest(request) => suggest(global, request).await,
    }
}

/// Those that are named, else those of the configuration.
async fn named(global: &Global, plugins: &[String]) -> Result<Vec<Link>> {
    let mut flags = global.flags();
    flags.plugins = plugins.to_vec();
    session::links(&Settings::resolve(flags)?).await
}

/// A line a request: what is granted of it.
fn show(policy: &Policy, output: Output) -> String {
    if output == Output::Json {
        return format!(
            "{}\n",
            json!({"plugin": policy.plugin, "requested": policy.requested, "granted": policy.grants, "lacking": policy.lacking().collect::<Vec<_>>()})
        );
    }
    let mut text = format!("{}\n", one_line(&policy.plugin));
    let lacking: Vec<&str> = policy.lacking().collect();
    for function in &policy.requested {
        let verdict = if lacking.contains(&function.as_str()) { "denied" } else { "granted" };
        let _ = writeln!(text, "  {verdict:<8} {}", one_line(function));
    }
    let lines = policy.grants.lines(&policy.plugin);
    match lines[..] {
        [] => text.push_str("  nothing is granted\n"),
        _ => lines.iter().for_each(|line| {
            let _ = writeln!(text, "  {}", one_line(line));
        }),
    }
    text
}

/// What is asked for and not granted, and the lines that would grant it.
fn check(policy: &Policy, output: Output) -> String {
    let mut more = policy.clone();
    more.learn_requests();
    let lacking: Vec<&str> = policy.lacking().collect();
    let lines = more.grants.lines(&policy.plugin);
    if output == Output::Json {
        let lines = if lacking.is_empty() { Vec::new() } else { lines };
        return format!(
            "{}\n",
            json!({"plugin": policy.plugin, "lacking": lacking, "lines": lines})
        );
    }
    let name = one_line(&policy.plugin);
    if lacking.is_empty() {
        return format!("{name}: everything that it asks for is granted\n");
    }
    let mut text = format!("{name}: not granted: {}\n", one_line(&lacking.join(", ")));
    text.push_str("to grant it, write into tessallite-up.toml, and name only what it needs:\n");
    lines.iter().for_each(|line| {
        let _ = writeln!(text, "{}", one_line(line));
    });
    text
}

async fn suggest(global: &Global, request: &Request) -> Result<u8> {
    let settings = Settings::resolve(request.flags(global))?;
    let suggested = Session::open(&settings).await?.suggest(&settings).await?;
    for policy in suggested {
        match global.output {
            Output::Json => {
                print(&format!("{}\n", json!({"plugin": policy.plugin, "allow": policy.grants})))
            }
            Output::Human => policy.grants.lines(&policy.plugin).iter().for_each(|line| {
                print(&format!("{}\n", one_line(line)));
            }),
        }
    }
    Ok(exit_code::DONE)
}
