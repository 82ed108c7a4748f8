//! The program confines itself, and all that it starts with it. `docker` stands here for
//! whatever has gone wrong in it: it tries to write where nothing of the installation is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use tessallite_up::confine::{Policy, this_thread};
use tessallite_up_tests::{Outcome, Program, Project, events};

/// The version of Landlock that has all that is used.
const KNOWS_TCP: u32 = 4;

const DOCKER: &str = "#!/bin/sh
echo 1 >seen
if ! echo 1 >\"$ELSEWHERE/file\"; then exit 1; fi
";

/// A project, and a directory that has nothing to do with it.
struct Place {
    project: Project,
    programs: TempDir,
    elsewhere: TempDir,
}

impl Place {
    /// Nothing, where the kernel cannot do it.
    fn new(config: &str) -> Option<Self> {
        let [programs, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let docker = programs.path().join("docker");
        fs::write(&docker, DOCKER).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let config = config.replace("ELSEWHERE", elsewhere.path().to_str().unwrap());
        let files =
            [("compose.yaml", "services: {a: {image: 'x:1'}}\n"), ("tessallite-up.toml", &config)];
        let project = Project::of(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
        is_possible().then_some(Self { project, programs, elsewhere })
    }

    /// Without an engine: the command ends when it has asked docker for its version.
    fn run(&self, args: &[&str]) -> Outcome {
        let search = format!("{}:/usr/bin:/bin", self.programs.path().display());
        Program::new(self.project.dir())
            .args(args)
            .env("PATH", search)
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env("ELSEWHERE", self.elsewhere.path())
            // Where all of this stands may be written else.
            .env("TMPDIR", self.programs.path())
            .run()
    }

    fn wrote_elsewhere(&self) -> bool {
        assert!(self.project.dir().join("seen").exists(), "docker was not asked");
        self.elsewhere.path().join("file").exists()
    }
}

/// On a thread, which this process can do without afterwards.
fn is_possible() -> bool {
    let status = thread::spawn(|| this_thread(&Policy::default())).join().unwrap();
    status.abi.is_some_and(|abi| abi >= KNOWS_TCP)
}

#[test]
fn what_it_starts_writes_nowhere_else() {
    let Some(place) = Place::new("") else { return };
    let outcome = place.run(&["status"]);
    assert!(!place.wrote_elsewhere(), "{outcome}");
    let project = place.project.dir().to_str().unwrap();
    outcome.code(3).says("[confine] write = [\"DIR\"]").says(project);
}

#[test]
fn the_configuration_allows_more() {
    let Some(place) = Place::new("[confine]\nwrite = [\"ELSEWHERE\"]\n") else { return };
    let outcome = place.run(&["status"]);
    assert!(place.wrote_elsewhere(), "{outcome}");
}

#[test]
fn the_configuration_switches_it_off() {
    let Some(place) = Place::new("[confine]\nmode = \"off\"\n") else { return };
    let outcome = place.run(&["doctor"]);
    assert!(place.wrote_elsewhere(), "{outcome}");
    outcome.says("ABSENT: it is switched off");
}

/// The record stands beside the project, and is not there yet.
#[test]
fn doctor_tells_what_is_active() {
    let Some(place) = Place::new("state = \"ELSEWHERE/state\"\n") else { return };
    let outcome = place.run(&["doctor"]);
    outcome.code(3).says("files active: it writes nothing outside of").says("TCP active");
    assert!(place.wrote_elsewhere(), "{outcome}");

    let events = events::parse(&place.run(&["doctor", "--output", "json"]).stdout);
    let told = &events[0];
    assert_eq!(events::name(told), "confinement");
    let told = &told["confinement"];
    for part in ["files", "tcp", "no_new_privileges"] {
        assert_eq!(told[part]["state"], "active", "{told}");
    }
    let written: Vec<&Path> =
        told["write"].as_array().unwrap().iter().filter_map(Value::as_str).map(Path::new).collect();
    for directory in [place.project.dir(), place.elsewhere.path(), Path::new("/dev/null")] {
        assert!(written.contains(&directory.canonicalize().unwrap().as_path()), "{told}");
    }
    assert!(!written.contains(&Path::new("/tmp")), "{told}");
}

#[test]
fn a_plan_goes_where_it_is_told_to_go() {
    let Some(place) = Place::new("") else { return };
    let out = place.elsewhere.path().join("plan.json");
    let outcome = place.run(&["plan", "--out", out.to_str().unwrap()]);
    assert!(place.wrote_elsewhere(), "{outcome}");
}
