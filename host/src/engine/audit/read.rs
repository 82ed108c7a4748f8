//! Reading audit logs, and finding what was done to them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Before, HASH, Hash, Record, chained, directory};
use crate::engine::{Error, Result};
use crate::text::hex;

/// Of a file, in bytes: it names all that came before and were named by none.
const LONGEST_FIRST: u64 = 16 << 20;

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
    /// The run that it belongs to, as its first line says.
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

    fn previous(&self) -> &[Before] {
        match self.entries.first().map(|entry| &entry.record) {
            Some(Record::Begun { previous, .. }) => previous,
            _ => &[],
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

/// The files that this one names have to be there, with the lines that it names; only the
/// first one names none.
fn broken_link(sessions: &[Session], at: usize) -> Option<Damage> {
    let session = sessions.get(at)?;
    let broken = |previous: &Before| {
        let named = sessions.iter().find(|session| session.name == previous.file);
        match named {
            None => Some("a file before it is missing"),
            // A session that ran at the same time may have gone on.
            Some(named) if named.hashes.contains(&previous.hash) => None,
            Some(_) => Some("a file before it is not what it was, or lines at its end are missing"),
        }
    };
    let why = match session.previous() {
        [] if at > 0 => "it names no file before it",
        previous => previous.iter().find_map(broken)?,
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
                if let Record::Begun { run, .. } = &entry.record {
                    session.run.clone_from(run);
                }
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
    paths.sort_unstable();
    Ok(paths)
}

/// The ends of the files that no other file names. Whether they are whole is not asked here.
pub(super) fn loose_ends(directory: &Path) -> io::Result<Vec<Before>> {
    let paths = files(directory)?;
    let mut ends = Vec::new();
    let mut named = BTreeSet::new();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        named.extend(first_line(path)?.into_iter().map(|previous| (previous.file, previous.hash)));
        if let Some(hash) = last_hash(path)? {
            ends.push(Before { file: name, hash });
        }
    }
    ends.retain(|end: &Before| !named.contains(&(end.file.clone(), end.hash.clone())));
    Ok(ends)
}

/// What the first line names, if it can be read.
fn first_line(path: &Path) -> io::Result<Vec<Before>> {
    let mut line = Vec::new();
    BufReader::new(fs::File::open(path)?).take(LONGEST_FIRST).read_until(b'\n', &mut line)?;
    Ok(match serde_json::from_slice(&line) {
        Ok(Entry { record: Record::Begun { previous, .. }, .. }) => previous,
        _ => Vec::new(),
    })
}

/// Of the last whole line.
fn last_hash(path: &Path) -> io::Result<Option<String>> {
    const TAIL: i64 = 64 << 10;
    let mut file = fs::File::open(path)?;
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-length.min(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').and_then(|end| tail.get(..end));
    let line = whole.and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    Ok(line.and_then(split).map(|(_, hash)| String::from_utf8_lossy(hash).into_owned()))
}
