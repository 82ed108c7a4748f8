//! The Compose files in effect, found by Compose's own rules.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};

use crate::capability::docker::types::Location;
use crate::capability::error::{Error, Result};

/// Compose's names, in the order in which it prefers them.
const NAMES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: &[&str] = &[
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];
/// More than this many files is a circle of includes.
const MOST_FILES: usize = 100;

/// The files of the project, in the order in which Compose merges them.
///
/// Errors: `Invalid` when there is no Compose file.
pub(in super::super) fn in_effect(location: &Location) -> Result<Vec<PathBuf>> {
    let here = &here(location);
    if !location.files.is_empty() {
        return Ok(location.files.iter().map(|file| here.join(file)).collect());
    }
    let lookup = |name: &str| variable(name).or_else(|| from_env_files(location, name));
    if let Some(list) = lookup("COMPOSE_FILE") {
        let separator = lookup("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
        let parts = list.split(separator.as_str()).filter(|part| !part.is_empty());
        return Ok(parts.map(|part| here.join(part)).collect());
    }
    default_files(here)
}

/// These files, and behind each those that it includes, as far as they are named
/// without variables.
pub(super) fn with_includes(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for file in files {
        add(&mut all, file);
    }
    all
}

/// Where Compose starts from with relative paths: the directory of the first file.
pub(in super::super) fn project_dir(location: &Location) -> PathBuf {
    let files = in_effect(location).unwrap_or_default();
    let directory = files.first().and_then(|file| file.parent()).map(Path::to_owned);
    directory.unwrap_or_else(|| here(location))
}

/// The env files that are there, of those that Compose interpolates from; later ones
/// win.
pub(in super::super) fn env_files(location: &Location) -> Vec<PathBuf> {
    let mut files = named_env_files(location).unwrap_or_else(|| default_env_files(location));
    files.retain(|file| file.is_file());
    files
}

/// The one beside the first Compose file, and the one where Compose is run, if that named the
/// Compose files: Compose has read the whole of it by then.
fn default_env_files(location: &Location) -> Vec<PathBuf> {
    let own = here(location).join(".env");
    let mut files = vec![project_dir(location).join(".env")];
    let is_naming = location.files.is_empty()
        && variable("COMPOSE_FILE").is_none()
        && from_env_files(location, "COMPOSE_FILE").is_some();
    let same = |one: &Path, other: &Path| one.canonicalize().ok() == other.canonicalize().ok();
    if is_naming && !files.iter().any(|file| same(file, &own)) {
        files.push(own);
    }
    files
}

fn named_env_files(location: &Location) -> Option<Vec<PathBuf>> {
    let here = here(location);
    if !location.env_files.is_empty() {
        return Some(location.env_files.iter().map(|file| here.join(file)).collect());
    }
    let list = variable("COMPOSE_ENV_FILES")?;
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    Some(parts.map(|part| here.join(part)).collect())
}

fn here(location: &Location) -> PathBuf {
    let given = &location.project_dir;
    std::path::absolute(given).unwrap_or_else(|_| given.clone())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// In the project's directory, or in the nearest one above it.
fn default_files(here: &Path) -> Result<Vec<PathBuf>> {
    for directory in here.ancestors() {
        let first = |names: &[&str]| {
            names.iter().map(|name| directory.join(name)).find(|file| file.is_file())
        };
        if let Some(file) = first(NAMES) {
            return Ok(std::iter::once(file).chain(first(OVERRIDES)).collect());
        }
    }
    Err(Error::invalid(format!(
        "there is no Compose project in {}: looked for {}, there and above",
        here.display(),
        NAMES.join(", ")
    ))
    .hint("name the project's directory, or its files"))
}

/// What the files are is looked up where Compose is run, before they are known.
fn from_env_files(location: &Location, name: &str) -> Option<String> {
    let files = named_env_files(location).unwrap_or_else(|| vec![here(location).join(".env")]);
    files.iter().rev().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        env_value(&text, name)
    })
}

/// The value of a variable in an env file, without interpolation: these lists of
/// files are hardly ever written with it.
fn env_value(text: &str, name: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        Some(match quote {
            Some(quote) => value.get(1..)?.split(quote).next().unwrap_or_default(),
            None => value.split(" #").next().unwrap_or_default().trim_end(),
        })
    });
    values.next_back().filter(|value| !value.is_empty()).map(str::to_owned)
}

fn add(files: &mut Vec<PathBuf>, file: PathBuf) {
    if files.contains(&file) || files.len() >= MOST_FILES {
        return;
    }
    // Files that cannot be read are Compose's to complain about.
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let directory = file.parent().map(Path::to_owned).unwrap_or_default();
    files.push(file);
    for included in includes(&text) {
        add(files, directory.join(included));
    }
}

/// What `include:` names: files of this machine, no variables, no repositories.
fn includes(text: &str) -> Vec<String> {
    let Ok(documents) = Yaml::load_from_str(text) else { return Vec::new() };
    let list = documents.first().and_then(|document| document.as_mapping_get("include"));
    let entries = list.and_then(|list| list.as_vec()).map(Vec::as_slice).unwrap_or_default();
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.as_mapping_get("path").unwrap_or(entry);
        let several = path.as_vec().map(Vec::as_slice).unwrap_or(std::slice::from_ref(path));
        paths.extend(several.iter().filter_map(|path| path.as_str()).map(str::to_owned));
    }
    paths.retain(|path| !path.contains('$') && !path.contains("://") && !path.starts_with("git@"));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Location) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let location = Location { project_dir: directory.path().to_owned(), ..Location::default() };
        (directory, location)
    }

    fn names(location: &Location) -> Vec<String> {
        let files = with_includes(in_effect(location).unwrap());
        let shown = files
            .iter()
            .map(|file| file.strip_prefix(&location.project_dir).unwrap().display().to_string());
        shown.collect()
    }

    #[test]
    fn the_default_file_comes_with_its_override_and_what_it_includes() {
        let (_directory, location) = project(&[
            (
                "docker-compose.yml",
                "include:\n  - other/a.yaml\n  - path: [b.yaml, \"${X}.yaml\"]\n  - oci://far/away\nservices: {}\n",
            ),
            ("docker-compose.override.yml", "services: {}\n"),
            ("other/a.yaml", "include: [c.yaml]\n"),
            ("other/c.yaml", "include: [a.yaml]\n"),
            ("b.yaml", ""),
        ]);
        assert_eq!(
            names(&location),
            [
                "docker-compose.yml",
                "other/a.yaml",
                "other/c.yaml",
                "b.yaml",
                "docker-compose.override.yml"
            ]
        );
    }

    #[test]
    fn the_env_file_names_the_files() {
        let (_directory, location) = project(&[
            (
                ".env",
                "# COMPOSE_FILE=no\nCOMPOSE_PATH_SEPARATOR=','\nexport COMPOSE_FILE=\"a.yaml,b.yaml\" # two\n",
            ),
            ("compose.yaml", ""),
        ]);
        assert_eq!(names(&location), ["a.yaml", "b.yaml"]);
    }

    #[test]
    fn flags_win() {
        let (_directory, mut location) =
            project(&[(".env", "COMPOSE_FILE=a.yaml"), ("compose.yaml", "")]);
        location.files = vec![PathBuf::from("z.yaml")];
        assert_eq!(names(&location), ["z.yaml"]);
    }

    #[test]
    fn the_env_file_stands_beside_the_first_compose_file() {
        let (directory, mut location) =
            project(&[("compose.yaml", ""), (".env", ""), ("sub/a.env", "")]);
        location.project_dir = directory.path().join("sub");
        assert_eq!(project_dir(&location), directory.path());
        assert_eq!(env_files(&location), [directory.path().join(".env")]);
        location.env_files = vec![PathBuf::from("a.env"), PathBuf::from("gone.env")];
        assert_eq!(env_files(&location), [directory.path().join("sub/a.env")]);
    }

    #[test]
    fn the_env_file_that_names_the_compose_files_wins() {
        let (directory, mut location) = project(&[
            (".env", "COMPOSE_FILE=deploy/a.yaml"),
            ("deploy/.env", ""),
            ("deploy/a.yaml", ""),
        ]);
        let path = |name: &str| directory.path().join(name);
        assert_eq!(env_files(&location), [path("deploy/.env"), path(".env")]);
        std::fs::remove_file(path("deploy/.env")).unwrap();
        assert_eq!(env_files(&location), [path(".env")]);
        std::fs::write(path(".env"), "COMPOSE_FILE=deploy/../a.yaml").unwrap();
        assert_eq!(env_files(&location).len(), 1, "one file under two names");
        location.files = vec![PathBuf::from("deploy/a.yaml")];
        assert_eq!(env_files(&location), [] as [PathBuf; 0], "a flag names them");
    }

    #[test]
    fn without_a_project_the_names_looked_for_are_told() {
        let (_directory, location) = project(&[]);
        let error = in_effect(&location).unwrap_err();
        assert!(error.message.contains("docker-compose.yml"), "{error}");
    }

    #[test]
    fn values_end_at_their_quote_or_comment() {
        assert_eq!(env_value("A=1\nB=x#y # z\n", "B").as_deref(), Some("x#y"));
        assert_eq!(env_value("B='x # y' # z", "B").as_deref(), Some("x # y"));
        assert_eq!(env_value("BB=1\n", "B"), None);
        assert_eq!(env_value("B=\n", "B"), None);
    }
}
