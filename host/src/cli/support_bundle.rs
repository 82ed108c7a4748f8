//! `support-bundle`: what somebody who helps wants to see, in one file, without secrets.

use std::path::PathBuf;

use serde_json::json;

use super::args::{Global, Output, SupportBundle};
use super::error::{Failure, Result};
use super::{display, exit_code, session};
use crate::engine::Installation;
use crate::engine::support::{Bundle, Secrets, Subject};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &SupportBundle) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let subject = Subject {
        run: args.run.clone(),
        state_dir: settings.state_dir.clone(),
        backup_dir: args.backup_dir.clone().unwrap_or_else(|| settings.backup_dir.clone()),
        settings: shown(&settings),
        secrets: secrets(&settings),
        env_files: env_files(&settings),
    };
    // Help is needed most where nothing works.
    let installation = Installation::connect(session::target(&settings)).await;
    let installation = installation.map_err(|error| Failure::from(error).text);
    let bundle = Bundle::gather(subject, installation).await?;
    let name = || {
        let run = bundle.run.as_deref().unwrap_or("without-a-run");
        PathBuf::from(format!("tessallite-up-support-{run}.tar.zst"))
    };
    let path = args.out.clone().unwrap_or_else(name);
    bundle.write(&path)?;
    display::print(&match global.output {
        Output::Json => format!("{}\n", json!({"bundle": path, "run": bundle.run})),
        Output::Human => format!(
            "{} is written. {}Look through it before you give it away.\n",
            path.display(),
            bundle.notes
        ),
    });
    Ok(exit_code::DONE)
}

/// Without the data source names themselves.
fn shown(settings: &Settings) -> serde_json::Value {
    json!({
        "project_dir": settings.project_dir,
        "files": settings.files,
        "project_name": settings.project_name,
        "profiles": settings.profiles,
        "env_files": settings.env_files,
        "plugins": settings.plugins,
        "version": settings.version,
        "migration": settings.migration,
        "oldest": settings.oldest,
        "state_dir": settings.state_dir,
        "backup_dir": settings.backup_dir,
        "settings": settings.settings,
        "connections": settings.connections.keys().collect::<Vec<_>>(),
    })
}

/// Those of the settings, and of this process: Compose interpolates from its environment.
fn secrets(settings: &Settings) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in &settings.settings {
        secrets.add(name, value);
    }
    for (name, dsn) in &settings.connections {
        let name = format!("sql.connections.{name}");
        secrets.insert(&name, dsn.reveal());
        secrets.add(&name, dsn.reveal());
    }
    for (name, value) in std::env::vars_os() {
        secrets.add(&name.to_string_lossy(), &value.to_string_lossy());
    }
    secrets
}

fn env_files(settings: &Settings) -> Vec<PathBuf> {
    let default = [settings.project_dir.join(".env")];
    default.into_iter().chain(settings.env_files.iter().cloned()).collect()
}
