//! Measures the program beside what it replaces (the written procedure, `pg_dump`) and
//! beside what it is made of (bare wasmtime). Started by `tests/bench/run`.

mod backup;
mod bare;
mod cloud;
mod plugin;
mod probe;
mod program;
mod table;
mod upgrade;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use table::Table;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Where things are.
struct Places {
    /// Of the repository.
    root: PathBuf,
    /// The installation to measure with.
    installation: PathBuf,
    target: PathBuf,
}

impl Places {
    /// The release build of the program.
    fn program(&self) -> PathBuf {
        self.target.join("release/tessallite-up")
    }

    /// A command of the stand-in installation.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.root.join("tests/installation").join(name));
        command.arg(&self.installation);
        command
    }

    /// This program in a process of its own, with another part to do.
    fn again(&self, part: &str) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([&self.root, &self.installation, &self.target]).arg(part);
        Ok(command)
    }
}

/// Runs it to its end: what it printed.
fn succeed(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?}: {}\n{printed}\n{said}", output.status).into())
}

/// The middle one; of an even number, the lower middle.
fn median<T: Ord + Copy>(mut values: Vec<T>) -> Result<T> {
    values.sort_unstable();
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .ok_or_else(|| "nothing was measured".into())
}

/// What is printed.
async fn measure(places: &Places, parts: &str) -> Result<String> {
    if parts == plugin::READS_PART {
        let (ours, beside) = plugin::reads_here(places).await?;
        return Ok(format!("{} {}\n", ours.as_nanos(), beside.as_nanos()));
    }
    let wanted = |part: &str| parts.split(' ').any(|wanted| wanted == part);
    let mut table = Table::default();
    if wanted("program") {
        program::measure(places, &mut table)?;
    }
    if wanted("plugin") {
        plugin::measure(places, &mut table).await?;
    }
    if wanted("cloud") {
        cloud::measure(places, &mut table)?;
    }
    if wanted("upgrade") {
        upgrade::measure(places, &mut table)?;
    }
    if wanted("backup") {
        backup::measure(places, &mut table).await?;
    }
    Ok(table.to_string())
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, installation, target, parts] = &args[..] else {
        eprintln!("started by tests/bench/run");
        return ExitCode::from(2);
    };
    let path = |text: &String| Path::new(text).to_owned();
    let places =
        Places { root: path(root), installation: path(installation), target: path(target) };
    match measure(&places, parts).await {
        Ok(printed) => {
            print!("{printed}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
