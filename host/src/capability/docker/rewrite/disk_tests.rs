//! Writing the edits: all or none, and nothing else about the files changed.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::capability::error::Kind;
use crate::confine::{Held, Status};

use super::{Edit, apply, undo, writable};

fn edit(path: &Path, before: &str, after: &str) -> Edit {
    Edit {
        path: path.to_owned(),
        before: before.into(),
        after: after.into(),
        description: Vec::new(),
    }
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_are_replaced_with_their_permissions_and_can_be_put_back() {
    let directory = directory(&[("a", "1"), ("b", "1")]);
    let (a, b) = (directory.path().join("a"), directory.path().join("b"));
    std::fs::set_permissions(&a, std::fs::Permissions::from_mode(0o640)).unwrap();
    let edits = [edit(&a, "1", "2"), edit(&b, "1", "3")];
    apply(&edits).unwrap();
    assert_eq!((read(&a), read(&b)), ("2".into(), "3".into()));
    assert_eq!(std::fs::metadata(&a).unwrap().mode() & 0o7777, 0o640);
    apply(&edits).unwrap();
    undo(&edits).unwrap();
    assert_eq!((read(&a), read(&b)), ("1".into(), "1".into()));
    assert_eq!(names(directory.path()), ["a", "b"]);
}

#[test]
fn the_owner_is_kept() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = directory(&[("a", "1")]);
    let a = directory.path().join("a");
    std::os::unix::fs::chown(&a, Some(1234), Some(4321)).unwrap();
    apply(&[edit(&a, "1", "2")]).unwrap();
    let metadata = std::fs::metadata(&a).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (1234, 4321));
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let real = directory(&[("real.yml", "1")]);
    let project = directory(&[]);
    let link = project.path().join("compose.yml");
    symlink(real.path().join("real.yml"), &link).unwrap();
    writable(std::slice::from_ref(&link)).unwrap();
    apply(&[edit(&link, "1", "2")]).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&real.path().join("real.yml")), "2");
    assert_eq!(names(project.path()), ["compose.yml"]);
}

#[test]
fn a_file_that_has_changed_is_a_conflict_and_nothing_is_written() {
    let directory = directory(&[("a", "1"), ("b", "changed")]);
    let (a, b) = (directory.path().join("a"), directory.path().join("b"));
    let error = apply(&[edit(&a, "1", "2"), edit(&b, "1", "2")]).unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert_eq!((read(&a), read(&b)), ("1".into(), "changed".into()));
}

#[test]
fn where_this_process_may_not_write_nothing_is_begun() {
    let (inside, outside) = (directory(&[("a", "1")]), directory(&[("a", "1")]));
    let status = Status {
        files: Held::Active,
        write: vec![inside.path().canonicalize().unwrap()],
        ..Status::absent("not tested")
    };
    let check = |status: Option<&Status>, place: &TempDir| {
        super::disk::is_permitted(status, &place.path().join("a"), place.path())
    };
    check(None, &outside).unwrap();
    check(Some(&Status::absent("no Landlock")), &outside).unwrap();
    check(Some(&status), &inside).unwrap();
    let error = check(Some(&status), &outside).unwrap_err();
    assert!(error.message.contains("confined itself"), "{error}");
    assert!(error.advice().unwrap().contains("[confine] write"));
}

#[test]
fn a_missing_file_is_not_found() {
    let path = PathBuf::from("/nonexistent/.env");
    assert_eq!(writable(std::slice::from_ref(&path)).unwrap_err().kind, Kind::NotFound);
    assert_eq!(apply(&[edit(&path, "1", "2")]).unwrap_err().kind, Kind::NotFound);
    assert_eq!(writable(&[PathBuf::from("/")]).unwrap_err().kind, Kind::Invalid);
}

/// Runs one of the tests below again, in a mount namespace of its own in which the shell
/// script has made its mounts. Without the right to do so, nothing is tested.
fn in_namespace(test: &str, script: &str, directory: &Path) {
    let own = std::env::current_exe().unwrap();
    let script =
        format!("set -e; cd \"$1\"; {script}; exec \"$2\" --exact --ignored --nocapture \"$3\"");
    let may = Command::new("unshare").args(["-m", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return;
    }
    let module = module_path!().split_once("::").unwrap().1;
    let status = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"])
        .args([directory, &own, Path::new(&format!("{module}::{test}"))])
        .env("REWRITE_TEST_DIR", directory)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Only set when the test runs inside of [`in_namespace`].
fn given() -> Option<PathBuf> {
    std::env::var_os("REWRITE_TEST_DIR").map(PathBuf::from)
}

#[test]
fn a_read_only_mount_is_found_before_and_while_writing() {
    let directory = directory(&[("a", "1")]);
    std::fs::create_dir(directory.path().join("ro")).unwrap();
    std::fs::write(directory.path().join("ro/.env"), "1").unwrap();
    in_namespace(
        "inner_read_only",
        "mount --bind ro ro; mount -o remount,bind,ro ro",
        directory.path(),
    );
    assert_eq!(read(&directory.path().join("a")), "1");
}

#[test]
#[ignore = "run by the test above"]
fn inner_read_only() {
    let Some(directory) = given() else { return };
    let (a, env) = (directory.join("a"), directory.join("ro/.env"));
    let error = writable(&[a.clone(), env.clone()]).unwrap_err();
    assert!(error.full_text().contains("read-only file system"), "{}", error.full_text());
    let error = apply(&[edit(&a, "1", "2"), edit(&env, "1", "2")]).unwrap_err();
    let text = error.full_text();
    assert!(text.contains("read-only") && text.contains("a was put back"), "{text}");
    assert_eq!((read(&a), read(&env)), ("1".into(), "1".into()));
    assert_eq!(names(&directory), ["a", "ro"]);
}

#[test]
fn a_file_that_is_a_mount_point_is_found_before_and_while_writing() {
    let directory = directory(&[(".env", "1"), ("elsewhere", "1")]);
    in_namespace("inner_mount_point", "mount --bind elsewhere .env", directory.path());
    assert_eq!(names(directory.path()), [".env", "elsewhere"]);
}

#[test]
#[ignore = "run by the test above"]
fn inner_mount_point() {
    let Some(directory) = given() else { return };
    let env = directory.join(".env");
    let error = writable(std::slice::from_ref(&env)).unwrap_err();
    assert!(error.full_text().contains("mount point"), "{}", error.full_text());
    let error = apply(&[edit(&env, "1", "2")]).unwrap_err();
    assert!(error.full_text().contains("mount point"), "{}", error.full_text());
    assert_eq!(read(&env), "1");
}
