//! Of the project's files nothing changes but references of images.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::capability::docker::rewrite::{Edit, ImageChange, SourceFile, Sources, plan};
use crate::capability::{Error, Kind};

/// A line between the files.
const BETWEEN: &str = "%%%";
const DIRECTORY: &str = "/p";

/// The first line is `SERVICE BEFORE AFTER`; then the Compose file, one that overrides it, and
/// the env file.
pub fn image_rewriting(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Some((change, files)) = case(text) else { return false };
    let changes = [change];
    match plan(&files, &BTreeMap::new(), &changes) {
        Ok(edits) => {
            edits.iter().for_each(|edit| check_edit(&files, edit));
            let edited = edited(&files, &edits);
            let again = plan(&edited, &BTreeMap::new(), &changes);
            assert!(again.is_ok_and(|edits| edits.is_empty()), "not done with one rewriting");
            !edits.is_empty()
        }
        Err(error) => {
            check_error(&error);
            false
        }
    }
}

fn case(text: &str) -> Option<(ImageChange, Sources)> {
    let (first, rest) = text.split_once('\n')?;
    let [service, before, after] = first.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let [service, before, after] = [service, before, after].map(str::to_owned);
    let between = format!("{BETWEEN}\n");
    let mut parts = rest.splitn(3, &between);
    let mut next = |name: &str| {
        let bytes = parts.next()?.as_bytes().to_vec();
        Some(SourceFile { path: Path::new(DIRECTORY).join(name), bytes })
    };
    let compose = ["compose.yml", "compose.override.yml"].map(&mut next);
    let sources = Sources {
        directory: DIRECTORY.into(),
        compose: compose.into_iter().flatten().collect(),
        related: Vec::new(),
        env: next(".env").into_iter().collect(),
    };
    Some((ImageChange { service, before, after }, sources))
}

/// What cannot be done is refused before, and is never found out by the proof behind.
fn check_error(error: &Error) {
    assert!(
        matches!(error.kind, Kind::NotFound | Kind::Conflict | Kind::Invalid),
        "{}",
        error.full_text()
    );
}

fn check_edit(files: &Sources, edit: &Edit) {
    let mut sources = files.compose.iter().chain(&files.env);
    let source = sources.find(|file| file.path == edit.path).unwrap();
    assert_eq!(source.bytes, edit.before);
    assert_ne!(edit.before, edit.after);
    assert!(!edit.description.is_empty());
    let before = std::str::from_utf8(&edit.before).unwrap();
    let after = std::str::from_utf8(&edit.after).unwrap();
    assert_eq!(without_references(before), without_references(after));
    if files.compose.contains(source) {
        check_tree(before, after);
    }
}

/// The text with a mark for everything that may stand in a reference.
fn without_references(text: &str) -> String {
    let mut left = String::new();
    for character in text.chars() {
        let may = character.is_ascii_alphanumeric() || "._:/@+-[]".contains(character);
        match character {
            _ if !may => left.push(character),
            _ if left.ends_with('\0') => {}
            _ => left.push('\0'),
        }
    }
    left
}

/// As any reader of YAML sees it: the same keys, the same lists, other texts at most.
fn check_tree(before: &str, after: &str) {
    // A tab behind a colon is what this reader refuses and Compose does not.
    let (before, after) = (before.replace(":\t", ": "), after.replace(":\t", ": "));
    let read = |text: &str| -> Option<Vec<String>> {
        let documents = Yaml::load_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
        Some(documents.iter().map(shape).collect())
    };
    let shapes = read(&before);
    assert!(shapes.is_some(), "it was read before");
    assert_eq!(shapes, read(&after));
}

fn shape(node: &Yaml<'_>) -> String {
    match node {
        Yaml::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<String>()),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key:?}: {}", shape(value)));
            format!("{{{}}}", entries.collect::<String>())
        }
        Yaml::Tagged(tag, inner) => format!("{tag:?} {}", shape(inner)),
        _ => ".".to_owned(),
    }
}

fn edited(files: &Sources, edits: &[Edit]) -> Sources {
    let mut edited = files.clone();
    for file in edited.compose.iter_mut().chain(&mut edited.env) {
        if let Some(edit) = edits.iter().find(|edit| edit.path == file.path) {
            file.bytes.clone_from(&edit.after);
        }
    }
    edited
}
