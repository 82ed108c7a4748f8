//! Places that cannot be written, and backups that break off.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::wait_for;
use tessallite_up_tests::{Installation, Template, events};

const PATIENCE: Duration = Duration::from_secs(30);

const WANTED: [&str; 3] = ["--yes", "--to", "1.5.0"];

#[test]
fn a_backup_directory_that_is_read_only_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let backups = tempfile::tempdir().unwrap();
    let dir = backups.path().to_str().unwrap();
    let mounts = format!("mount -t tmpfs -o ro none {dir}");
    let outcome =
        installation.program(WANTED).args(["--backup-dir", dir]).with_mounts(&mounts).run();
    outcome.code(3).says("backup directory").says("read-only").says(dir);
    installation.assert_untouched();
}

#[test]
fn a_backup_directory_without_room_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let backups = tempfile::tempdir().unwrap();
    let dir = backups.path().to_str().unwrap();
    let mounts = format!("mount -t tmpfs -o size=64k none {dir}");
    let outcome =
        installation.program(WANTED).args(["--backup-dir", dir]).with_mounts(&mounts).run();
    outcome.code(3).says("the backup may need").says("64.0 KiB left").says("--backup-dir");
    installation.assert_untouched();
}

#[test]
fn a_backup_directory_inside_of_the_databases_volume_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let inside = installation.volume().join("backups");
    let outcome = installation.program(WANTED).args(["--backup-dir"]).args([&inside]).run();
    outcome.code(3).says("inside the database's own volume");
    assert!(!inside.exists());
    installation.assert_untouched();
}

#[test]
fn an_env_file_that_is_read_only_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let mounts = "mount --bind .env .env\nmount -o remount,bind,ro .env";
    let outcome = installation.program(WANTED).with_mounts(mounts).run();
    outcome.code(3).says("the project's files").says(".env");
    installation.assert_untouched();
}

#[test]
fn a_project_directory_that_is_read_only_is_refused() {
    let installation = Installation::borrow(Template::Variable);
    let mounts = "mount --bind . .\nmount -o remount,bind,ro .\ncd \"$PWD\"";
    let run = |args: &[&str]| installation.program(WANTED).args(args).with_mounts(mounts).run();
    run(&[]).code(3).says("beginning the audit log").says("Read-only file system");
    let state = tempfile::tempdir().unwrap();
    run(&["--state", state.path().to_str().unwrap()]).code(3).says("read-only");
    installation.assert_untouched();
}

#[test]
fn a_backup_that_runs_out_of_room_fails_the_run_before_anything_is_changed() {
    let installation = Installation::borrow(Template::Variable);
    installation.command("load", &["60"]);
    let loaded = installation.fingerprint();
    // A server that threw everybody out and recovered has another one.
    let checkpointer = || {
        installation.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    };
    let checkpointer_before = checkpointer();
    let backups = tempfile::tempdir().unwrap();
    let dir = backups.path().to_str().unwrap();
    let mounts = format!("mount -t tmpfs -o size=100m none {dir}");
    let program = installation.program(WANTED).args(["--backup-dir", dir, "--output", "json"]);
    let mut running = program.with_mounts(&mounts).start();
    running.wait_for_event("the plan", |event| events::name(event) == "plan_made");
    // Somebody else fills the disk in the meantime.
    let there = format!("/proc/{}/root{dir}", running.id());
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M"])
        .arg(format!("of={there}/other"))
        .output();
    let outcome = running.finish();
    outcome.code(3);
    let events = outcome.events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "failed_untouched");
    assert!(summary["error"].as_str().unwrap().contains("no room left"), "{summary}");
    assert!(summary["backup"].is_null(), "{summary}");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump'";
    wait_for("the end of pg_dump", PATIENCE, || (installation.query(waiting) == "0").then_some(()));
    assert_eq!(checkpointer(), checkpointer_before, "the server restarted");
    installation.fingerprint().assert_same_as(&loaded);
}

#[test]
fn a_pg_dump_that_fails_half_way_leaves_no_backup_and_no_change() {
    let installation = Installation::borrow(Template::Variable);
    installation.command("load", &["60"]);
    let loaded = installation.fingerprint();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| installation.query(&format!("DO $$ {END_THE_COPY} $$")));
        installation.upgrade(&["--to", "1.5.0", "--output", "json"])
    });
    let events = outcome.code(3).events();
    let summary = events::summary(&events);
    assert_eq!(summary["ending"], "failed_untouched");
    let error = summary["error"].as_str().unwrap();
    assert!(error.contains("pg_dump failed"), "{error}");
    assert!(summary["backup"].is_null(), "{summary}");
    assert_eq!(files_in(&installation.path(STATE).join("backups")), Vec::<String>::new());
    installation.fingerprint().assert_same_as(&loaded);
    assert_eq!(&installation.containers(), installation.containers_before());
}

/// Ends the session that copies the large table, as soon as there is one.
const END_THE_COPY: &str = "BEGIN
    FOR attempt IN 1..30000 LOOP
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE query LIKE 'COPY tess_system.sales%' AND pid <> pg_backend_pid();
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.001), pg_stat_clear_snapshot();
    END LOOP;
END";

fn files_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
