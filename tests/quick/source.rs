//! Reading the sources of the program.

use std::path::{Path, PathBuf};

use tessallite_up_tests::place;

/// All Rust files below a directory of the repository, those of tests too.
pub fn rust_files(below: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&place::root().join(below), &mut files);
    files.sort();
    assert!(!files.is_empty(), "there is no Rust in {below}");
    files
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// The part of a file before its tests.
pub fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// The path of a file, as seen from the repository's root.
pub fn relative(file: &Path) -> String {
    file.strip_prefix(place::root()).unwrap_or(file).display().to_string()
}
