//! Running the operator's `docker` and `docker compose`.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::containers::PROJECT_LABEL;
use crate::capability::docker::types::Location;
use crate::capability::error::{Error, Result};
use crate::text::printable;

/// For commands that only read.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// Lines of a failed command's output that are worth showing.
const SHOWN_LINES: usize = 8;
const INSTALL_HINT: &str = "install the Compose v2 plugin (docker-compose-plugin); Compose v1 (`docker-compose`) is not enough";

/// A script, because the containers have to be started even when this program is gone by then.
const START: &str = r#"
"$@" || exit
found=$(docker ps --all --no-trunc --filter "label=$UP_PROJECT" \
    --filter label=com.docker.compose.oneoff=False --filter status=created --filter status=exited \
    --format '{{.ID}}={{.Label "com.docker.compose.service"}}') || exit
pids= failed=0
for pair in $found; do
    case $UP_SERVICES in
        *" ${pair#*=} "*) docker start "${pair%%=*}" >/dev/null & pids="$pids $!" ;;
    esac
done
for pid in $pids; do wait "$pid" || failed=$?; done
exit "$failed"
"#;

/// `docker compose` with the operator's flags, run in the project's directory.
pub(super) struct Compose {
    location: Location,
}

impl Compose {
    pub(super) fn new(location: Location) -> Self {
        Self { location }
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// The version of the Compose plugin, such as "2.26.1".
    ///
    /// Errors: `Failed` when there is no `docker` command or no Compose v2.
    pub(super) async fn version(&self) -> Result<String> {
        let doing = "asking `docker compose` for its version";
        let output = run(doing, docker_command(&["compose", "version", "--short"])).await?;
        let version = printable(output.stdout.trim()).trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(2..) if output.status.success() => Ok(version),
            Some(1) => Err(Error::failed(format!("{doing}: it is {version}")).hint(INSTALL_HINT)),
            _ => Err(Error::failed(format!("{doing}: there is no such command"))
                .because(tail(&output.stderr))
                .hint(INSTALL_HINT)),
        }
    }

    /// Runs a command that changes nothing; what it printed.
    ///
    /// Errors: `Invalid` when Compose does not accept the project.
    pub(super) async fn read(&self, doing: &str, args: &[&str]) -> Result<String> {
        let mut command = self.command();
        command.args(args);
        let output = run(doing, command).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(Error::invalid(doing.to_owned()).because(tail(&output.stderr)).hint(format!(
            "docker compose config, run in {}, shows the same; mend the file that it is about",
            self.location.project_dir.display()
        )))
    }

    /// By service, what Compose compares a container's label with.
    ///
    /// Errors: `Invalid` when Compose does not accept the project.
    pub(super) async fn hashes(&self) -> Result<BTreeMap<String, String>> {
        let printed = self.read("reading the Compose project", &["config", "--hash", "*"]).await?;
        let pair = |line: &str| {
            let (service, hash) = line.trim().split_once(' ')?;
            Some((service.to_owned(), hash.trim().to_owned()))
        };
        Ok(printed.lines().filter_map(pair).collect())
    }

    /// Runs a command that changes something, and waits until it is done. It goes on
    /// by itself when the caller goes away, and even when this program is killed:
    /// half a recreation is worse than a whole one.
    ///
    /// Errors: `Failed`, with the last lines that Compose printed.
    pub(super) async fn change(&self, doing: &str, args: &[String]) -> Result<()> {
        let mut command = self.command();
        command.args(args);
        carry_out(doing, command).await
    }

    /// As [`Compose::change`], and what does not run afterwards of these services is started:
    /// all at once, and without the half seconds in which Compose looks for each dependency.
    pub(super) async fn change_and_start(
        &self,
        doing: &str,
        args: &[String],
        project: &str,
        services: &[&str],
    ) -> Result<()> {
        let compose = self.command();
        let compose = compose.as_std();
        let mut command = Command::new("sh");
        command.args(["-c", START, "sh"]).arg(compose.get_program()).args(compose.get_args());
        command
            .args(args)
            .current_dir(&self.location.project_dir)
            .env("DOCKER_CLI_HINTS", "false")
            .env("UP_PROJECT", format!("{PROJECT_LABEL}={project}"))
            .env("UP_SERVICES", format!(" {} ", services.join(" ")));
        carry_out(doing, command).await
    }

    fn command(&self) -> Command {
        let mut command = docker_command(&["compose", "--ansi", "never"]);
        let place = &self.location;
        command.current_dir(&place.project_dir);
        for file in &place.files {
            command.arg("--file").arg(file);
        }
        for file in &place.env_files {
            command.arg("--env-file").arg(file);
        }
        for profile in &place.profiles {
            command.arg("--profile").arg(profile);
        }
        if let Some(name) = &place.project_name {
            command.arg("--project-name").arg(name);
        }
        command
    }
}

/// Runs the command to its end, whatever becomes of the caller and of this program.
async fn carry_out(doing: &str, mut command: Command) -> Result<()> {
    let cannot = |error: std::io::Error| Error::failed(doing.to_owned()).because(error);
    // A file and not a pipe: a pipe breaks with us, and takes the command along.
    let log = tempfile::tempfile().map_err(cannot)?;
    command
        // Orphans are not in the approved plan, whatever the environment says.
        .env("COMPOSE_REMOVE_ORPHANS", "false")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot)?)
        .stderr(log.try_clone().map_err(cannot)?)
        // Out of the terminal's group: Ctrl-C is for us to answer.
        .process_group(0);
    let mut child = command.spawn().map_err(|error| not_started(doing, error))?;
    let task = tokio::spawn(async move { child.wait().await });
    let status = task.await.map_err(|error| Error::failed(doing.to_owned()).because(error))?;
    if status.map_err(cannot)?.success() {
        return Ok(());
    }
    Err(Error::failed(doing.to_owned()).because(tail(&read_back(log))))
}

/// Runs `docker` itself, for what it knows and the engine does not.
pub(super) async fn docker(doing: &str, args: &[&str]) -> Result<String> {
    let output = run(doing, docker_command(args)).await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::failed(doing.to_owned()).because(tail(&output.stderr)))
}

fn docker_command(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args).env("DOCKER_CLI_HINTS", "false");
    command
}

struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

async fn run(doing: &str, mut command: Command) -> Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(READ_LIMIT, command.output())
        .await
        .map_err(|_| Error::timed_out(format!("{doing}: no answer in {} s", READ_LIMIT.as_secs())))?
        .map_err(|error| not_started(doing, error))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn not_started(doing: &str, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::failed(format!("{doing}: the command `docker`, or the project's directory, does not exist"))
            .because(error)
            .hint("install the Docker command line with its Compose plugin, and see that the directory is right");
    }
    Error::failed(doing.to_owned()).because(error)
}

fn read_back(mut log: std::fs::File) -> String {
    let mut bytes = Vec::new();
    let read = log.seek(SeekFrom::Start(0)).and_then(|_| log.read_to_end(&mut bytes));
    // Only the explanation of a failure that is reported anyway.
    if read.is_err() { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() }
}

/// The last lines, on one line; those that only tell of progress are left out.
fn tail(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.filter(|line| !is_progress(line)).collect();
    let start = lines.len().saturating_sub(SHOWN_LINES);
    let shown = lines.get(start..).unwrap_or_default().join("; ");
    if shown.is_empty() { "it said nothing".to_owned() } else { printable(&shown) }
}

fn is_progress(line: &str) -> bool {
    let subject = ["Container ", "Network ", "Volume "].iter().any(|word| line.starts_with(word));
    let verb = line.rsplit(' ').next().unwrap_or_default();
    subject && (verb.ends_with("ing") || verb.ends_with("ed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_an_output_is_one_line_of_its_last_ones() {
        let text: String = (0..20).map(|n| format!(" line {n}\n\n")).collect();
        let shown = tail(&text);
        assert!(shown.starts_with("line 12; line 13"), "{shown}");
        assert!(shown.ends_with("line 19"), "{shown}");
        assert_eq!(tail("\n"), "it said nothing");
    }

    #[test]
    fn progress_is_not_shown_with_a_failure() {
        let text = " Network x_default  Created\n Container x-a-1  Starting\nError response from daemon: no\n";
        assert_eq!(tail(text), "Error response from daemon: no");
    }

    /// The script, with a `docker` that lists two containers and starts what it is told to.
    fn start(compose: &str, listing: i32, starting: i32) -> (Option<i32>, String) {
        let place = tempfile::tempdir().unwrap();
        let docker = format!(
            "#!/bin/sh\ncase $1 in ps) printf 'one=a\\ntwo=b\\n'; exit {listing};; \
             start) echo \"$2\" >>started; exit {starting};; esac\n"
        );
        let path = place.path().join("docker");
        std::fs::write(&path, docker).unwrap();
        let mut chmod = std::process::Command::new("chmod");
        assert!(chmod.arg("+x").arg(&path).status().unwrap().success());
        let search = format!("{}:/usr/bin:/bin", place.path().display());
        let mut script = std::process::Command::new("sh");
        script.args(["-c", START, "sh", compose]).current_dir(place.path());
        script.env("PATH", search).env("UP_PROJECT", "label=x").env("UP_SERVICES", " a ");
        let code = script.status().unwrap().code();
        (code, std::fs::read_to_string(place.path().join("started")).unwrap_or_default())
    }

    #[test]
    fn only_what_was_created_for_the_change_is_started_and_every_failure_is_told() {
        assert_eq!(start("true", 0, 0), (Some(0), "one\n".to_owned()));
        assert_eq!(start("true", 0, 7), (Some(7), "one\n".to_owned()));
        assert_eq!(start("true", 3, 0), (Some(3), String::new()));
        assert_eq!(start("false", 0, 0), (Some(1), String::new()));
    }
}
