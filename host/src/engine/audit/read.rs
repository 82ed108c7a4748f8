//! Reading audit logs, and finding what was done to them.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Before, HASH, Hash, Record, chained, directory};
use crate::engine::{Error, Result};
use crate::text::hex;

/// A line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub at: jiff::Timestamp,
    #[serde(flatten)]
    pub record: Record,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Counted from 1.
    pub line: usize,
    pub why: &'static str,
}

/// One file.
pub struct Session {
    pub name: String,
    /// The run that it belongs to, by the file's name.
    pub run: String,
    /// The lines before the first that is damaged.
    pub entries: Vec<Entry>,
    pub damage: Option<Damage>,
    /// Of each line that is whole, in hexadecimal.
    hashes: Vec<String>,
}

impl Session {
    /// It says itself that it is whole.
    pub fn has_ended(&self) -> bool {
        matches!(self.entries.last(), Some(Entry { record: Record::Ended, .. }))
    }

    fn previous(&self) -> Option<&Before> {
        match &self.entries.first()?.record {
            Record::Begun { previous, .. } => previous.as_ref(),
            _ => None,
        }
    }
}

/// The files of an installation, oldest first, each checked by itself and against the one
/// that it names as the one before.
///
/// # Errors
/// `State`: they cannot be read.
pub fn sessions(state_dir: &Path) -> Result<Vec<Session>> {
    let directory = directory(state_dir);
    let failed = |source| Error::State {
        doing: "reading the audit log in",
        path: directory.clone(),
        source,
    };
    let mut sessions = Vec::new();
    for path in files(&directory).map_err(failed)? {
        sessions.push(read(&path)?);
    }
    for at in 0..sessions.len() {
        if let Some(damage) = broken_link(&sessions, at)
            && let Some(session) = sessions.get_mut(at)
        {
            session.damage.get_or_insert(damage);
        }
    }
    Ok(sessions)
}

/// The file that this one names has to be there, with the line that it names.
fn broken_link(sessions: &[Session], at: usize) -> Option<Damage> {
    let previous = sessions.get(at)?.previous()?;
    let named = sessions.iter().find(|session| session.name == previous.file);
    let why = match named {
        None => "the file before it is missing",
        // A session that ran at the same time may have gone on.
        Some(named) if named.hashes.contains(&previous.hash) => return None,
        Some(_) => "the file before it is not what it was, or lines at its end are missing",
    };
    Some(Damage { line: 1, why })
}

/// # Errors
/// `State`: it cannot be read.
pub fn read(path: &Path) -> Result<Session> {
    let failed =
        |source| Error::State { doing: "reading the audit log", path: path.to_owned(), source };
    let text = fs::read(path).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let run = name.split('.').next().unwrap_or_default().to_owned();
    let mut session = Session { name, run, entries: Vec::new(), damage: None, hashes: Vec::new() };
    let mut last = Hash::default();
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match entry(line, &last, number, &session) {
            Ok((entry, hash)) => {
                last = hash;
                session.entries.push(entry);
                session.hashes.push(hex(&hash));
            }
            Err(why) => {
                session.damage = Some(Damage { line: number + 1, why });
                break;
            }
        }
    }
    Ok(session)
}

fn entry(
    line: &[u8],
    last: &Hash,
    number: usize,
    session: &Session,
) -> Result<(Entry, Hash), &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("it is cut off")?;
    let (body, found) = split(line).ok_or("it is no line of an audit log")?;
    let hash = chained(last, body);
    if found != hex(&hash).as_bytes() {
        return Err("it, or the line before it, is not what was written, or not in its place");
    }
    let entry: Entry = serde_json::from_slice(line).map_err(|_| "it cannot be read")?;
    let begins = matches!(entry.record, Record::Begun { .. });
    if entry.seq != number as u64 || begins != (number == 0) || session.has_ended() {
        return Err("it cannot stand here");
    }
    Ok((entry, hash))
}

/// What was hashed, and the hash.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let tail = HASH.len() + 64 + 2;
    let body = line.len().checked_sub(tail)?;
    let rest = line.get(body..)?.strip_prefix(HASH.as_bytes())?;
    Some((line.get(..body)?, rest.strip_suffix(b"\"}")?))
}

/// Oldest first: names begin with the time.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let paths: io::Result<Vec<PathBuf>> = listed.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    // RUN.2 was written after RUN.1, and RUN.10 after RUN.9.
    paths.sort_by_key(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (run, number) = name.rsplit_once('.').unwrap_or((&name, ""));
        (run.to_owned(), number.parse::<u32>().unwrap_or(0))
    });
    Ok(paths)
}

/// The end of the newest file, whatever it is: whether it is whole is not asked here.
pub(super) fn newest_end(directory: &Path) -> io::Result<Option<Before>> {
    const TAIL: i64 = 4 << 10;
    let Some(path) = files(directory)?.pop() else { return Ok(None) };
    let mut file = fs::File::open(&path)?;
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-length.min(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').and_then(|end| tail.get(..end));
    let line = whole.and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let hash = line.and_then(split).map(|(_, hash)| String::from_utf8_lossy(hash).into_owned());
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(hash.map(|hash| Before { file, hash }))
}
