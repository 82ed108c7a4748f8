//! Installations that the tests share, one test at a time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::process::{docker, run, succeeds, wait_for};
use crate::program::{Outcome, Program};
use crate::template::{Slot, Template};
use crate::{place, program};

/// All tests before this one may have to end first.
const TURN: Duration = Duration::from_secs(1800);
const HEALTHY: Duration = Duration::from_secs(60);
/// Where the program keeps its records, in the project.
pub const STATE: &str = ".tessallite-up";

/// A running installation at 1.4.0 that is nobody else's until this is dropped.
pub struct Installation {
    dir: PathBuf,
    before: Fingerprint,
    containers: BTreeMap<String, String>,
    _turn: File,
}

impl Installation {
    /// The first that is free. It is brought up when it is not there, and reset unless the
    /// last test has shown that it left it untouched.
    pub fn borrow(template: Template) -> Self {
        let home = place::installations();
        fs::create_dir_all(&home).expect("the directory of the installations");
        let (slot, turn) = wait_for("an installation that is free", TURN, || take(template, &home));
        let dir = home.join(slot.name);
        // Whatever happens to this test: the next one resets.
        let is_clean = fs::remove_file(kept(&dir, "clean")).is_ok();
        remove_lock(&dir);
        if !is_current(&dir) {
            bring_up(template, slot, &dir);
        } else if !(is_clean && is_healthy(&dir)) {
            let reset = place::command("reset");
            if !succeeds(Command::new(reset).arg(&dir)) {
                bring_up(template, slot, &dir);
            }
        }
        wait_until_healthy(&dir);
        let before =
            fs::read_to_string(kept(&dir, "fingerprint")).expect("kept when it was brought up");
        let containers = containers(&dir);
        Self { dir, before: Fingerprint::new(before), containers, _turn: turn }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name that Compose has for it.
    pub fn project(&self) -> String {
        project(&self.dir)
    }

    /// A file of the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// As it is now.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// As it was before the test.
    pub fn read_before(&self, name: &str) -> Vec<u8> {
        fs::read(kept(&self.dir, "snapshot").join("files").join(name))
            .expect("part of the snapshot")
    }

    pub fn program<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Program {
        program::Program::new(&self.dir).args(args)
    }

    /// Runs the program with these arguments.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.program(args).run()
    }

    /// Runs the program with `--yes` and these arguments.
    pub fn upgrade(&self, args: &[&str]) -> Outcome {
        self.program(["--yes"]).args(args).run()
    }

    /// What the test began with.
    pub fn before(&self) -> &Fingerprint {
        &self.before
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.dir)
    }

    /// The containers of each service: their IDs and when they were started.
    pub fn containers(&self) -> BTreeMap<String, String> {
        containers(&self.dir)
    }

    pub fn containers_before(&self) -> &BTreeMap<String, String> {
        &self.containers
    }

    /// Nothing was changed, and nothing was left in the project's directory: the next
    /// test may have the installation as it is.
    ///
    /// # Panics
    /// Something was.
    pub fn assert_untouched(self) {
        self.assert_same_state();
        fs::write(kept(&self.dir, "clean"), "").expect("it can be noted");
    }

    /// Nothing was changed; the run is recorded.
    ///
    /// # Panics
    /// Something was.
    pub fn assert_untouched_but_recorded(self) {
        assert!(self.path(STATE).join("runs").is_dir(), "the run was not recorded");
        self.forget_records();
        self.assert_untouched();
    }

    /// Every call of a plugin is recorded, also where nothing is changed.
    fn forget_audit(&self) {
        let state = self.path(STATE);
        if state.join("audit").is_dir() {
            fs::remove_dir_all(state.join("audit")).expect("the log of the calls");
            // What else is there is for the test to explain.
            let _ = fs::remove_dir(state);
        }
    }

    pub fn forget_records(&self) {
        fs::remove_dir_all(self.path(STATE)).expect("records of runs");
    }

    /// As [`Installation::assert_untouched`], where the test goes on.
    ///
    /// # Panics
    /// Something was changed.
    pub fn assert_same_state(&self) {
        let files = kept(&self.dir, "snapshot").join("files");
        self.forget_audit();
        assert_eq!(names(&self.dir), names(&files), "files have come or gone");
        self.fingerprint().assert_same_as(&self.before);
        assert_eq!(self.containers(), self.containers, "containers were replaced or restarted");
    }

    pub fn compose(&self, args: &[&str]) -> String {
        compose(&self.dir, args)
    }

    /// SQL in the installation's database, as its own user.
    pub fn query(&self, sql: &str) -> String {
        let psql = "exec psql -XqAt -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d \"${POSTGRES_DB:-$POSTGRES_USER}\" -c \"$0\"";
        self.compose(&["exec", "-T", "postgres", "sh", "-c", psql, sql]).trim_end().to_owned()
    }

    /// The one container of a service.
    pub fn container(&self, service: &str) -> String {
        let ids = self.compose(&["ps", "--all", "--quiet", "--no-trunc", service]);
        let mut ids = ids.split_whitespace();
        let (Some(id), None) = (ids.next(), ids.next()) else {
            panic!("{service}: not one container")
        };
        id.to_owned()
    }

    /// The directory of the database's volume, on this machine.
    pub fn volume(&self) -> PathBuf {
        let format = "{{range .Mounts}}{{if eq .Destination \"/var/lib/postgresql/data\"}}{{.Source}}{{end}}{{end}}";
        let source = docker(&["inspect", "--format", format, &self.container("postgres")]);
        PathBuf::from(source.trim())
    }

    /// The own health checks of its containers say so.
    pub fn wait_until_healthy(&self) {
        wait_until_healthy(&self.dir);
    }

    /// Has the tests' own command do something to it.
    pub fn command(&self, name: &str, args: &[&str]) -> String {
        run(Command::new(place::command(name)).arg(&self.dir).args(args))
    }
}

impl Drop for Installation {
    /// Images kept by the runs of the test.
    fn drop(&mut self) {
        let filter = format!("reference=tessallite-up/kept:{}-*", self.project());
        let mut list = Command::new("docker");
        list.args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &filter]);
        let Ok(output) = list.output() else { return };
        let names = String::from_utf8_lossy(&output.stdout);
        // It is no failure of the test when one of them stays.
        let _ = Command::new("docker").args(["rmi", "--no-prune"]).args(names.lines()).output();
    }
}

/// A place whose turn it is.
fn take(template: Template, home: &Path) -> Option<(&'static Slot, File)> {
    template.slots().iter().find_map(|slot| {
        let lock = File::create(home.join(format!("{}.lock", slot.name))).expect("a lock file");
        lock.try_lock().ok().map(|()| (slot, lock))
    })
}

/// What belongs to an installation stands beside it, as its snapshot does.
fn kept(dir: &Path, what: &str) -> PathBuf {
    dir.with_extension(what)
}

/// Empty where there is no snapshot yet.
fn project(dir: &Path) -> String {
    let project = fs::read_to_string(kept(dir, "snapshot").join("project"));
    project.unwrap_or_default().trim().to_owned()
}

/// What a test that was killed has left, and no run takes over.
fn remove_lock(dir: &Path) {
    let name = format!("tessallite-up-lock-{}", project(dir));
    // There is none.
    let _ = Command::new("docker").args(["rm", &name]).output();
}

/// It was brought up from the projects and programs of today.
fn is_current(dir: &Path) -> bool {
    let noted = fs::read_to_string(kept(dir, "made-of"));
    noted.is_ok_and(|noted| noted == made_of()) && kept(dir, "snapshot").is_dir()
}

/// Changes when a file of the stand-in installation does, or its images.
fn made_of() -> String {
    let mut files: Vec<PathBuf> =
        vec![place::command("up"), place::command("installation.sh"), place::images()];
    for below in ["projects", "service", "postgres"] {
        files.extend(files_below(&place::command(below)));
    }
    let mut command = Command::new("sha256sum");
    run(command.args(files))
}

fn bring_up(template: Template, slot: &Slot, dir: &Path) {
    for what in ["made-of", "clean", "fingerprint"] {
        let _ = fs::remove_file(kept(dir, what));
    }
    run(Command::new(place::command("down")).arg(dir));
    let mut up = Command::new(place::command("up"));
    for (number, name) in (0..).zip(["FRONTEND_PORT", "GATEWAY_PORT_JDBC", "GATEWAY_PORT_XMLA"]) {
        up.env(name, (slot.port + number).to_string());
    }
    run(up.arg(template.name()).arg(dir));
    run(Command::new(place::command("snapshot")).arg(dir));
    fs::write(kept(dir, "fingerprint"), fingerprint(dir).text()).expect("it can be kept");
    fs::write(kept(dir, "made-of"), made_of()).expect("it can be noted");
}

/// The containers' own health checks; that it serves is known already.
fn wait_until_healthy(dir: &Path) {
    wait_for("an installation that is healthy", HEALTHY, || is_healthy(dir).then_some(()));
}

fn is_healthy(dir: &Path) -> bool {
    let states =
        inspect_all(dir, "{{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}");
    let mut states = states.lines().peekable();
    states.peek().is_some() && states.all(|state| matches!(state, "running" | "running healthy"))
}

fn fingerprint(dir: &Path) -> Fingerprint {
    Fingerprint::new(run(Command::new(place::command("fingerprint")).arg(dir)))
}

fn containers(dir: &Path) -> BTreeMap<String, String> {
    let label = |name: &str| format!("{{{{index .Config.Labels \"com.docker.compose.{name}\"}}}}");
    let (service, number) = (label("service"), label("container-number"));
    let lines = inspect_all(
        dir,
        &format!("{service}/{number} {{{{.Id}}}} {{{{.State.StartedAt}}}} {{{{.State.Status}}}}"),
    );
    let pair = |line: &str| line.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()));
    lines.lines().filter_map(pair).collect()
}

/// A line for each container of the project.
fn inspect_all(dir: &Path, format: &str) -> String {
    let ids = compose(dir, &["ps", "--all", "--quiet"]);
    let mut args = vec!["inspect", "--format", format];
    args.extend(ids.split_whitespace());
    docker(&args)
}

/// Only the files of the installation decide.
fn compose(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.arg("compose").args(args).current_dir(dir);
    let ours = std::env::vars_os()
        .filter(|(name, _)| name == "PATH" || name == "HOME" || name == "DOCKER_HOST");
    let ours: Vec<_> = ours.collect();
    run(command.env_clear().envs(ours))
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let name = |path: &PathBuf| path.strip_prefix(dir).expect("it is below").to_owned();
    files_below(dir).iter().map(name).collect()
}

/// What is there, in order; of directories, only the empty ones.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let inside = if path.is_dir() { files_below(&path) } else { Vec::new() };
        if inside.is_empty() {
            paths.push(path);
        } else {
            paths.extend(inside);
        }
    }
    paths.sort();
    paths
}
