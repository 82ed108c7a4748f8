//! Engines that do not answer, are too old, or are not for us; Compose v1.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tessallite_up_tests::fake_engine::FakeEngine;
use tessallite_up_tests::process::run;
use tessallite_up_tests::{Project, Template, place};

const WANTED: [&str; 3] = ["--to", "1.5.0", "--yes"];

#[test]
fn an_engine_that_does_not_answer_is_named() {
    let project = Project::copy(Template::Variable);
    let outcome = project.program(WANTED).env("DOCKER_HOST", "unix:///nonexistent.sock").run();
    outcome
        .code(3)
        .says("unix:///nonexistent.sock: the engine does not answer")
        .says("docker info");
    project.assert_untouched();
}

#[test]
fn an_engine_that_is_too_old_is_refused() {
    let project = Project::copy(Template::Variable);
    let engine = FakeEngine::of_api("1.30");
    let outcome = project.program(WANTED).env("DOCKER_HOST", engine.address()).run();
    outcome.code(3).says("the engine speaks API 1.30, and 1.41 is needed").says("20.10 or later");
    project.assert_untouched();
}

#[test]
fn who_may_not_open_the_socket_is_told_who_may() {
    let project = Project::copy(Template::Variable);
    let bin = tempfile::tempdir().unwrap();
    fs::set_permissions(bin.path(), Permissions::from_mode(0o755)).unwrap();
    let program = bin.path().join("tessallite-up");
    fs::copy(place::program(), &program).unwrap();
    let as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
    let run = project.program(WANTED).copy_at(&program).started_by(as_nobody);
    let outcome = run.env("HOME", "/nonexistent").run();
    outcome.code(3).says("the engine's socket may not be opened").says("group that owns");
    project.assert_untouched();
}

#[test]
fn compose_v1_alone_is_not_enough() {
    let project = Project::copy(Template::Variable);
    let bin = tempfile::tempdir().unwrap();
    let refuse = "#!/bin/sh\n[ \"$1\" != compose ] || { echo \"docker: 'compose' is not a docker command.\" >&2; exit 1; }\nexec \"$REAL\" \"$@\"\n";
    write_command(&bin.path().join("docker"), refuse);
    write_command(&bin.path().join("docker-compose"), "#!/bin/sh\necho 1.29.2\n");
    let real = run(Command::new("sh").args(["-c", "command -v docker"]));
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let outcome = project.program(WANTED).env("PATH", path).env("REAL", real.trim()).run();
    outcome.code(3).says("Compose v1").says("docker-compose-plugin");
    project.assert_untouched();
}

#[test]
fn a_machine_without_docker_is_told_what_to_install() {
    let project = Project::copy(Template::Variable);
    let empty = tempfile::tempdir().unwrap();
    let outcome = project.program(WANTED).env("PATH", empty.path()).run();
    outcome.code(3).says("the command `docker`").says("install the Docker command line");
    project.assert_untouched();
}

fn write_command(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
