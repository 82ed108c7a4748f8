//! The login of the gcloud CLI: what many operators have, and nothing else.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::capability::error::{Error, Result};
use crate::text::{one_line, shortened};

const PROGRAM: &str = "gcloud";
/// It is a Python program, and may ask Google.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Cli {
    program: PathBuf,
}

impl Cli {
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&path).map(|dir| dir.join(PROGRAM));
        program.into_iter().find(|program| program.is_file()).map(|program| Self { program })
    }

    /// Whether somebody is logged in.
    pub(super) async fn has_account(&self) -> bool {
        let args = ["config", "get-value", "account"];
        self.ask(&args).await.is_ok_and(|account| account.contains('@'))
    }

    /// # Errors
    /// `Failed`, with what it says.
    pub(super) async fn access_token(&self) -> Result<String> {
        self.ask(&["auth", "print-access-token"]).await
    }

    /// A user's own ID tokens have one audience, which Cloud Run takes for its own services.
    ///
    /// # Errors
    /// `Failed`, with what it says.
    pub(super) async fn identity_token(&self, audience: &str) -> Result<String> {
        let audiences = format!("--audiences={audience}");
        match self.ask(&["auth", "print-identity-token", &audiences]).await {
            Ok(token) => Ok(token),
            Err(_) => self.ask(&["auth", "print-identity-token"]).await,
        }
    }

    async fn ask(&self, args: &[&str]) -> Result<String> {
        let doing = format!("running gcloud {}", args.join(" "));
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(LONGEST, command.output())
            .await
            .map_err(|_| Error::timed_out(format!("{doing}: no answer in time")))?
            .map_err(|error| Error::failed(doing.clone()).because(error))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !said.is_empty() {
            return Ok(said);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        let why = shortened(&one_line(why.trim()), 500);
        Err(Error::failed(format!("{doing}: {why}")).hint("log in: gcloud auth login"))
    }
}
