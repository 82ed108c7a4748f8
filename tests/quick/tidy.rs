//! Proportions, names and words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tessallite_up_tests::{place, process};

use crate::source::{relative, rust_files};

const MOST_LINES: usize = 400;
/// Files that may be longer, and why: none.
const LONGER: &[&str] = &[];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "common", "helpers", "imp", "misc"];

/// Put together here, so that this file does not contain them.
const WORDS: &[(&str, &str)] = &[
    ("a package registry", concat!("crates", ".io")),
    ("a package registry", concat!("pypi", ".org")),
    ("a package registry", concat!("python", "hosted")),
    ("a package registry", concat!("npmjs", ".")),
    ("a package registry", concat!("deb.", "debian.org")),
    ("a package registry", concat!("proxy.", "golang.org")),
    ("a path of one machine", concat!("/wo", "rk/")),
    ("a path of one machine", concat!("/ro", "ot/")),
    ("a path of one machine", concat!("/ho", "me/")),
];

/// All that is, or is about to be, in the repository.
fn tracked() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(place::root());
    let files: Vec<PathBuf> =
        process::run(&mut git).lines().map(|name| place::root().join(name)).collect();
    assert!(files.len() > 100, "git lists {} files", files.len());
    files
}

fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

#[test]
fn no_file_is_too_long() {
    let mut offences = Vec::new();
    for file in ["host/src", "plugins", "tests"].into_iter().flat_map(rust_files) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let name = relative(&file);
        if lines > MOST_LINES && !LONGER.contains(&name.as_str()) {
            offences.push(format!("{name} has {lines} lines"));
        }
        assert!(lines > MOST_LINES || !LONGER.contains(&name.as_str()), "{name} is no exception");
    }
    assert_none("over 400 lines", &offences);
}

#[test]
fn every_name_says_what_is_inside() {
    let is_empty = |name: Option<&std::ffi::OsStr>| {
        name.and_then(|name| name.to_str()).is_some_and(|name| EMPTY_NAMES.contains(&name))
    };
    let offends = |file: &Path| {
        let file = file.strip_prefix(place::root()).unwrap_or(file);
        is_empty(file.file_stem()) || file.iter().any(|part| is_empty(Some(part)))
    };
    let offences: Vec<String> =
        tracked().iter().filter(|file| offends(file)).map(|file| relative(file)).collect();
    assert_none("names that say nothing", &offences);
}

#[test]
fn nothing_tells_of_one_machine_or_one_registry() {
    let mut offences = Vec::new();
    for file in tracked() {
        // Cargo writes where packages come from into its lock files.
        let is_lock = file.file_name().is_some_and(|name| name == "Cargo.lock");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate().filter(|_| !is_lock) {
            for (what, _) in WORDS.iter().filter(|(_, word)| line.contains(word)) {
                offences.push(format!("{}:{}: {what}", relative(&file), number + 1));
            }
        }
    }
    assert_none("words that do not belong here", &offences);
}
