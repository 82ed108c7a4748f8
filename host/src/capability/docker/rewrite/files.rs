//! The files that an image can depend on, and how one names another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::capability::error::{Error, Kind, Result};

use super::dotenv::Environment;
use super::model::{self, Link};
use super::text::FileId;
use super::yaml::{self, Node};

/// Files that name further files, one after the other, at most.
const MOST_RELATED: usize = 256;
const LARGEST: u64 = 4 << 20;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// Everything that `docker compose` reads to find out the images.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The project's directory: `extends` and `include` of the Compose files start here.
    pub directory: PathBuf,
    /// The Compose files in effect; later ones override.
    pub compose: Vec<SourceFile>,
    /// Files that the Compose files name by `extends` or `include`.
    pub related: Vec<SourceFile>,
    /// The env files in effect; later ones override.
    pub env: Vec<SourceFile>,
}

impl Sources {
    /// Reads the files, and those that they name. A named file that cannot be read
    /// is left out: planning refuses whatever depends on it.
    pub fn read(
        directory: &Path,
        compose: &[PathBuf],
        env: &[PathBuf],
        process_env: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut sources = Self {
            directory: directory.to_owned(),
            compose: compose.iter().map(|path| read(path)).collect::<Result<_>>()?,
            related: Vec::new(),
            env: env.iter().map(|path| read(path)).collect::<Result<_>>()?,
        };
        let files = Files::new(&sources, process_env)?;
        let mut waiting = files.links_of(&files.compose);
        while let Some(path) = waiting.pop() {
            let known =
                sources.related.iter().chain(&sources.compose).any(|file| file.path == path);
            if known || sources.related.len() >= MOST_RELATED {
                continue;
            }
            if let Ok(file) = read(&path) {
                sources.related.push(file);
                let files = Files::new(&sources, process_env)?;
                waiting
                    .extend(files.id_of(&path).map(|id| files.links_of(&[id])).unwrap_or_default());
            }
        }
        Ok(sources)
    }
}

/// Reads a regular file; a device or a pipe might never end.
fn read(path: &Path) -> Result<SourceFile> {
    let failed = |error: io::Error| {
        let kind =
            if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Failed };
        Error::new(kind, format!("reading {} failed", path.display())).because(error)
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(Error::invalid(format!(
            "{} is not a file of at most {} MiB",
            path.display(),
            LARGEST >> 20
        )));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(SourceFile { path: path.to_owned(), bytes })
}

struct File<'a> {
    path: &'a Path,
    source: &'a str,
    documents: Vec<Node>,
}

/// The files, parsed. The same path is the same file, however often it is named.
pub(super) struct Files<'a> {
    directory: &'a Path,
    all: Vec<File<'a>>,
    pub(super) compose: Vec<FileId>,
    pub(super) environment: Environment,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        sources: &'a Sources,
        process_env: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let environment = Environment::new(process_env);
        let mut files = Self {
            directory: &sources.directory,
            all: Vec::new(),
            compose: Vec::new(),
            environment,
        };
        for file in &sources.env {
            let id = files.add(file)?;
            let source = files.source(id);
            let added = files.environment.add(id, source);
            added.map_err(|bad| {
                unreadable(&format!("{}:{}", files.name(id), files.line(id, bad.at)), bad.why)
            })?;
        }
        for file in sources.compose.iter().chain(&sources.related) {
            let id = files.add(file)?;
            let parsed = yaml::parse(id, files.source(id));
            let parsed = parsed.map_err(|why| unreadable(&files.name(id), why))?;
            if let Some(file) = files.all.get_mut(id) {
                file.documents = parsed;
            }
        }
        files.compose = sources.compose.iter().filter_map(|file| files.id_of(&file.path)).collect();
        Ok(files)
    }

    fn add(&mut self, file: &'a SourceFile) -> Result<FileId> {
        if let Some(id) = self.id_of(&file.path) {
            return Ok(id);
        }
        let source = std::str::from_utf8(&file.bytes).map_err(|error| {
            unreadable(&shown(&file.path), "it is not UTF-8".to_owned()).because(error)
        })?;
        self.all.push(File { path: &file.path, source, documents: Vec::new() });
        Ok(self.all.len() - 1)
    }

    pub(super) fn id_of(&self, path: &Path) -> Option<FileId> {
        self.all.iter().position(|file| file.path == path)
    }

    pub(super) fn source(&self, id: FileId) -> &'a str {
        self.all.get(id).map_or("", |file| file.source)
    }

    pub(super) fn documents(&self, id: FileId) -> &[Node] {
        self.all.get(id).map_or(&[], |file| &file.documents)
    }

    /// The Compose files in effect and those that they name.
    pub(super) fn with_documents(&self) -> impl Iterator<Item = FileId> {
        (0..self.all.len()).filter(|id| !self.documents(*id).is_empty())
    }

    pub(super) fn path(&self, id: FileId) -> &'a Path {
        self.all.get(id).map_or(Path::new(""), |file| file.path)
    }

    /// The file for a message: by its name alone when it is in the project's directory.
    pub(super) fn name(&self, id: FileId) -> String {
        let path = self.path(id);
        shown(path.strip_prefix(self.directory).unwrap_or(path))
    }

    pub(super) fn place(&self, id: FileId, at: usize) -> String {
        format!("{}:{}", self.name(id), self.line(id, at))
    }

    pub(super) fn bytes_at(&self, id: FileId, range: Range<usize>) -> &'a str {
        self.source(id).get(range).unwrap_or_default()
    }

    fn line(&self, id: FileId, at: usize) -> usize {
        self.source(id).bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    /// The file that `file` names: Compose starts from the project's directory in
    /// its own files, and from the file's directory in files named by others.
    pub(super) fn resolve(&self, from: FileId, file: &str) -> PathBuf {
        let base = if self.compose.contains(&from) {
            Some(self.directory)
        } else {
            self.path(from).parent()
        };
        lexical(&base.unwrap_or(Path::new("")).join(file))
    }

    fn links_of(&self, ids: &[FileId]) -> Vec<PathBuf> {
        let links = ids.iter().flat_map(|id| model::links(self, *id));
        links.map(|Link { from, file, .. }| self.resolve(from, &file)).collect()
    }
}

/// Without `.`; `..` stays, as what it means is for the file system to say.
fn lexical(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

fn shown(path: &Path) -> String {
    let text: Cow<'_, str> = path.to_string_lossy();
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn unreadable(place: &str, why: String) -> Error {
    Error::invalid(format!("reading {place}: {why}"))
        .hint("check the file with `docker compose config`, or write the images by hand")
}
