//! An engine that nobody else uses, in a network of its own with a registry of its own: it
//! can be restarted while others go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::fingerprint::Fingerprint;
use crate::place;
use crate::process::{run, succeeds, wait_for};
use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(60);
/// What is published there is published in that network only.
const REGISTRY: &str = "/var/lib/tessallite-up-tests/registry.yml";

pub struct OwnEngine {
    directory: TempDir,
    /// Holds the network.
    network: Child,
    registry: Child,
    daemon: Child,
}

impl OwnEngine {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a place for it");
        let script = "ip link set lo up && echo ready && exec sleep infinity";
        let mut network = Command::new("unshare");
        network.args(["--net", "sh", "-c", script]).stdout(Stdio::piped());
        let mut network = network.env("PATH", path()).spawn().expect("a network");
        let mut ready = [0; 6];
        let mut said = network.stdout.take().expect("piped");
        std::io::Read::read_exact(&mut said, &mut ready).expect("a loopback interface");
        let id = network.id();
        let mut registry = inside(id, "docker-registry");
        registry.args(["serve", REGISTRY]).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = registry.spawn().expect("a registry");
        let daemon = daemon(id, directory.path());
        let engine = Self { directory, network, registry, daemon };
        engine.wait_until_it_answers();
        engine
    }

    /// A program that reaches this engine, and what it publishes.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = inside(self.network.id(), program);
        command.env("DOCKER_HOST", self.address());
        command
    }

    /// The program under test, in this directory.
    pub fn program(&self, dir: &Path) -> Program {
        let network = network_of(self.network.id());
        Program::new(dir).env("DOCKER_HOST", self.address()).started_by(["nsenter", &network])
    }

    /// An installation of this engine alone, in the directory that is returned.
    pub fn bring_up(&self, template: &str) -> PathBuf {
        let dir = self.directory.path().join("installation");
        run(self.command(place::command("up")).arg(template).arg(&dir));
        dir
    }

    pub fn fingerprint(&self, dir: &Path) -> Fingerprint {
        Fingerprint::new(run(self.command(place::command("fingerprint")).arg(dir)))
    }

    /// Its containers run, and their own health checks say so.
    pub fn wait_until_healthy(&self) {
        let format = "{{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}";
        wait_for("an installation that is healthy", LIMIT, || {
            let ids = run(self.command("docker").args(["ps", "--all", "--quiet"]));
            let mut inspect = self.command("docker");
            let states = run(inspect.args(["inspect", "--format", format]).args(ids.lines()));
            let is_well = |state: &str| matches!(state, "running" | "running healthy");
            (ids.lines().count() > 1 && states.lines().all(is_well)).then_some(())
        });
    }

    /// The names of the locks of runs.
    pub fn locks(&self) -> String {
        let mut list = self.command("docker");
        let filter = "name=tessallite-up-lock";
        run(list.args(["ps", "--all", "--format", "{{.Names}}", "--filter", filter]))
    }

    /// As `systemctl restart docker` does it: containers are stopped, and those whose
    /// restart policy says so are started again.
    pub fn restart(&mut self) {
        self.stop();
        self.daemon = daemon(self.network.id(), self.directory.path());
        self.wait_until_it_answers();
    }

    fn stop(&mut self) {
        end(&self.daemon);
        wait_for("the end of the engine", LIMIT, || self.daemon.try_wait().expect("it is ours"));
    }

    fn wait_until_it_answers(&self) {
        let answers = || succeeds(self.command("docker").arg("version")).then_some(());
        wait_for("an engine that answers", LIMIT, answers);
    }

    fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let containers = self.command("docker").args(["ps", "--all", "--quiet"]).output();
        if let Ok(containers) = containers {
            let ids = String::from_utf8_lossy(&containers.stdout).into_owned();
            // What stays ends with the engine.
            let mut remove = self.command("docker");
            let _ = remove.args(["rm", "--force", "--volumes"]).args(ids.lines()).output();
        }
        end(&self.daemon);
        let _ = self.daemon.wait();
        for child in [&mut self.registry, &mut self.network] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn end(child: &Child) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It may have ended.
    let _ = kill_process(id.expect("a process id"), Signal::TERM);
}

fn network_of(id: u32) -> String {
    format!("--net=/proc/{id}/ns/net")
}

fn inside(network: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(network_of(network)).arg(program).env("PATH", path()).stdin(Stdio::null());
    command
}

/// Where a login shell would look, too.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn daemon(network: u32, directory: &Path) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .expect("a file for what it says");
    let at = |name: &str| directory.join(name).display().to_string();
    let mut daemon = inside(network, "dockerd");
    daemon.args(["--data-root", &at("data"), "--exec-root", &at("exec")]);
    daemon.args(["--pidfile", &at("pid"), "--host", &format!("unix://{}", at("docker.sock"))]);
    daemon.stdout(log.try_clone().expect("one more")).stderr(log);
    daemon.spawn().expect("an engine")
}
