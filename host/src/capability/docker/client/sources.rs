//! The files that the Compose model is made of: while none of them changes, it is not read
//! again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};

use super::files;
use crate::capability::docker::types::Location;

/// More than this is a circle.
const MOST_FILES: usize = 200;
const DEEPEST: usize = 50;

/// Which files there were, and how each was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<(PathBuf, State)>);

/// Whoever writes to a file changes one of these.
#[derive(Debug, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` where it cannot be known from the files alone which of them Compose reads.
    pub(super) fn of(location: &Location) -> Option<Self> {
        let mut files = Vec::new();
        let base = files::project_dir(location);
        for file in files::in_effect(location).ok()? {
            add(&mut files, file, &base)?;
        }
        files.extend(files::env_files(location));
        files.sort();
        files.dedup();
        let states = files.into_iter().map(|file| {
            let state = State::of(&file)?;
            Some((file, state))
        });
        states.collect::<Option<_>>().map(Self)
    }
}

impl State {
    fn of(file: &Path) -> Option<Self> {
        let found = file.metadata().ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// A Compose file, and all that it names.
fn add(files: &mut Vec<PathBuf>, file: PathBuf, base: &Path) -> Option<()> {
    if files.contains(&file) {
        return Some(());
    }
    if files.len() >= MOST_FILES {
        return None;
    }
    let text = std::fs::read_to_string(&file).ok()?;
    let documents = Yaml::load_from_str(&text).ok()?;
    let own = file.parent()?.to_owned();
    files.push(file);
    let mut named = Named::default();
    documents.iter().try_for_each(|document| named.look(document, 0))?;
    for path in named.read {
        let found = [base, &own].map(|place| place.join(&path));
        files.push(found.into_iter().find(|path| path.is_file())?);
    }
    for path in named.composed {
        // Relative paths in it are meant from where it is, or from where it is named.
        let found = [own.join(&path), base.join(&path)].into_iter().find(|path| path.is_file())?;
        let place = found.parent()?.to_owned();
        add(files, found, &place)?;
    }
    Some(())
}

/// What a Compose file names of others.
#[derive(Default)]
struct Named {
    read: Vec<String>,
    /// Compose files themselves.
    composed: Vec<String>,
}

impl Named {
    /// `None` where it names something that only Compose can find.
    fn look(&mut self, node: &Yaml<'_>, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(items) = node.as_sequence() {
            return items.iter().try_for_each(|item| self.look(item, depth + 1));
        }
        let Some(fields) = node.as_mapping() else { return Some(()) };
        for (key, value) in fields {
            match key.as_str() {
                Some("env_file" | "label_file") => self.read.extend(paths(value, "path")?),
                Some("include") => {
                    self.composed.extend(paths(value, "path")?);
                    self.options_of_includes(value)?;
                }
                Some("extends") if value.as_mapping().is_some() => {
                    let file = value.as_mapping_get("file");
                    self.composed.extend(file.map_or(Some(Vec::new()), |file| paths(file, ""))?);
                }
                _ => self.look(value, depth + 1)?,
            }
        }
        Some(())
    }

    fn options_of_includes(&mut self, value: &Yaml<'_>) -> Option<()> {
        for include in value.as_sequence().into_iter().flatten() {
            if include.as_mapping_get("project_directory").is_some() {
                return None;
            }
            if let Some(files) = include.as_mapping_get("env_file") {
                self.read.extend(paths(files, "path")?);
            }
        }
        Some(())
    }
}

/// One path or several, each by itself or as `field`; `None` where one is no plain path.
fn paths(value: &Yaml<'_>, field: &str) -> Option<Vec<String>> {
    if let Some(items) = value.as_sequence() {
        let paths: Option<Vec<_>> = items.iter().map(|item| paths(item, field)).collect();
        return Some(paths?.concat());
    }
    if value.as_mapping().is_some() {
        return paths(value.as_mapping_get(field)?, field);
    }
    let path = value.as_str()?;
    let is_plain = !path.contains('$') && !path.contains("://") && !path.starts_with("git@");
    is_plain.then(|| vec![path.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPOSE: &str = "
include: [{path: [other/more.yml], env_file: other/vars.env}]
x-all: &all {env_file: common.env}
services:
  a: {<<: *all, extends: {file: base.yml, service: x}}
  b: {env_file: [{path: b.env, required: false}], extends: a}
";

    fn project() -> (tempfile::TempDir, Location) {
        let directory = tempfile::tempdir().unwrap();
        let files = [
            ("compose.yaml", COMPOSE),
            ("base.yml", "services: {x: {label_file: labels}}"),
            ("other/more.yml", "services: {c: {env_file: c.env}}"),
            ("other/vars.env", ""),
            ("other/c.env", ""),
            ("common.env", "A=1"),
            ("b.env", ""),
            ("labels", ""),
            (".env", ""),
        ];
        std::fs::create_dir(directory.path().join("other")).unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let location = Location { project_dir: directory.path().to_owned(), ..Location::default() };
        (directory, location)
    }

    #[test]
    fn every_file_that_is_named_counts() {
        let (directory, location) = project();
        let before = Stamp::of(&location).unwrap();
        assert_eq!(before.0.len(), 9, "{before:?}");
        assert_eq!(Stamp::of(&location).as_ref(), Some(&before));
        let changed = before.0.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        for path in changed {
            let before = Stamp::of(&location).unwrap();
            let mut text = std::fs::read_to_string(&path).unwrap();
            text.push('\n');
            std::fs::write(&path, text).unwrap();
            assert_ne!(Stamp::of(&location).unwrap(), before, "{}", path.display());
        }
        let before = Stamp::of(&location).unwrap();
        std::fs::write(directory.path().join("compose.override.yml"), "services: {}").unwrap();
        assert_ne!(Stamp::of(&location).unwrap(), before, "a file has come");
    }

    #[test]
    fn what_only_compose_can_find_is_not_known() {
        for text in [
            "services: {a: {env_file: '${WHERE}.env'}}",
            "services: {a: {env_file: gone.env}}",
            "include: ['https://git.example/x.git']",
            "include: [{path: b.yml, project_directory: ..}]",
            "services: {a: {extends: {file: gone.yml, service: x}}}",
            "services: [",
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("compose.yaml"), text).unwrap();
            let location =
                Location { project_dir: directory.path().to_owned(), ..Location::default() };
            assert_eq!(Stamp::of(&location), None, "{text}");
        }
    }
}
