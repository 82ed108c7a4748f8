//! `unlock`: takes the lock away that a run on a dead machine has left behind.

use serde_json::json;

use super::args::{Global, Output, Unlock};
use super::error::Result;
use super::{display, exit_code, session};
use crate::engine::{Installation, Lock, Unlocked};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Unlock) -> Result<u8> {
    let settings = Settings::resolve(global.flags())?;
    let installation = Installation::connect(session::target(&settings)).await?;
    let unlocked = Lock::remove(&installation, &args.run).await?;
    display::print(&match (global.output, unlocked) {
        (Output::Json, Unlocked::NotLocked) => format!("{}\n", json!({"removed": false})),
        (Output::Json, Unlocked::Removed(holder)) => {
            let told = json!({
                "removed": true,
                "run": holder.run,
                "who": holder.who,
                "since": holder.since,
                "state": holder.state_dir,
            });
            format!("{told}\n")
        }
        (Output::Human, Unlocked::NotLocked) => "Nothing is locked.\n".to_owned(),
        (Output::Human, Unlocked::Removed(holder)) => format!("Unlocked: it was {holder}.\n"),
    });
    Ok(exit_code::DONE)
}
