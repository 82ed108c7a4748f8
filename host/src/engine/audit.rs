//! The audit log: every call of every plugin, one JSON line each, chained by hashes.
//!
//! Each line ends with the SHA-256 of the line before and of itself, so that a line that
//! is edited, removed or moved breaks the chain. Each file begins with the end of the
//! file before it, and ends with a line that says so.

mod read;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::journal::reserve;
use super::{Error, Result};
use crate::text::hex;

pub use read::{Damage, Entry, Session, read, sessions};

/// Of the lines.
const FORMAT: u32 = 1;
/// Lines are written together, unless a change is about to happen.
const MOST_BUFFERED: usize = 64 << 10;
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Room that a file has from its beginning, as the journal has: a disk that fills up later
/// does not end a run.
const RESERVED: u64 = 2 << 20;

/// Of a file: no plugin fills the disk with what it calls. Changes go on.
const MOST_BYTES: u64 = 256 << 20;

type Hash = [u8; 32];

/// The end of another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub file: String,
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Begun {
        format: u32,
        run: String,
        program: String,
        /// The ends of all files before it that no file names yet.
        previous: Vec<Before>,
    },
    Call {
        plugin: String,
        /// "make-plan", "make-rollback", or the step.
        phase: String,
        /// As in the contract: "docker.pull".
        call: String,
        /// SHA-256 of the arguments as JSON.
        arguments: String,
        outcome: Outcome,
        /// Microseconds, from the call to its end.
        us: u64,
    },
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not allowed: nothing was done.
    Denied,
    /// A change is about to be made; another line tells how it ended.
    Began,
    /// A change that had been made before was answered from the journal.
    Answered,
    Done,
    Failed,
    /// Nobody waited for the end.
    Abandoned,
}

/// What a line is written from, without a copy of its texts.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub record: &'static str,
    pub plugin: &'a str,
    pub phase: &'a str,
    pub call: &'a str,
    pub arguments: &'a str,
    pub outcome: Outcome,
    pub us: u64,
}

/// The log of one session of the program.
pub struct Audit {
    path: PathBuf,
    writer: Mutex<Writer>,
}

struct Writer {
    file: File,
    /// Of the file, whole lines.
    length: u64,
    buffer: Vec<u8>,
    seq: u64,
    last: Hash,
    written: Instant,
    /// Nothing is allowed any more that could not be recorded.
    broken: bool,
}

#[derive(Serialize)]
struct Line<'a, T> {
    seq: u64,
    at: jiff::Timestamp,
    #[serde(flatten)]
    record: &'a T,
}

impl Audit {
    /// Begins a file for a session that belongs to this run.
    ///
    /// # Errors
    /// `State`: it cannot be written. Nothing may happen unrecorded.
    pub fn begin(state_dir: &Path, run: &str) -> Result<Self> {
        let directory = directory(state_dir);
        let failed = |source| Error::State {
            doing: "beginning the audit log in",
            path: directory.clone(),
            source,
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        let previous = read::loose_ends(&directory).map_err(failed)?;
        let (path, file) = create(&directory, run).map_err(failed)?;
        reserve(&file, RESERVED).map_err(failed)?;
        File::open(&directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        let audit = Self { path, writer: Mutex::new(Writer::new(file)) };
        let begun = Record::Begun {
            format: FORMAT,
            run: run.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            previous,
        };
        audit.put(&begun, Durability::Disk)?;
        Ok(audit)
    }

    /// One that nothing can be written to: for a way back that has none.
    ///
    /// # Errors
    /// `State`.
    pub fn absent() -> Result<Self> {
        let path = PathBuf::from("/dev/null");
        let failed = |source| Error::State {
            doing: "doing without an audit log, in",
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(failed)?;
        let mut writer = Writer::new(file);
        writer.broken = true;
        Ok(Self { path, writer: Mutex::new(writer) })
    }

    /// # Errors
    /// `State`.
    pub(super) fn put(&self, record: &impl Serialize, durability: Durability) -> Result<()> {
        let mut writer = self.writer();
        let written = writer.line(record).and_then(|()| writer.write(durability));
        written.map_err(|source| self.failed(source))
    }

    /// # Errors
    /// `State`: an earlier line could not be written, or there are too many.
    pub(super) fn check(&self) -> Result<()> {
        let writer = self.writer();
        let why = match (writer.broken, writer.length > MOST_BYTES) {
            (false, false) => return Ok(()),
            (true, _) => "an earlier line could not be written",
            (false, true) => "a run has made more calls than it can record",
        };
        Err(self.failed(io::Error::other(why)))
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// `State`.
    pub(super) fn flush(&self) -> Result<()> {
        self.writer().write(Durability::Kernel).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::State { doing: "writing the audit log", path: self.path.clone(), source }
    }

    /// A line is whole in the buffer, or not there.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // A file without its last line is shown as cut off: that is what it is then.
        let _ = self.put(&Record::Ended, Durability::Disk);
        // What was reserved is given back.
        let writer = self.writer();
        let _ = writer.file.metadata().and_then(|meta| writer.file.set_len(meta.len()));
    }
}

/// How far a line has to have come before the caller goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It may wait for others.
    Buffer,
    Kernel,
    Disk,
}

impl Writer {
    fn new(file: File) -> Self {
        Self {
            file,
            length: 0,
            buffer: Vec::new(),
            seq: 0,
            last: Hash::default(),
            written: Instant::now(),
            broken: false,
        }
    }

    fn line(&mut self, record: &impl Serialize) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier line could not be written"));
        }
        let begin = self.buffer.len();
        let line = Line { seq: self.seq, at: jiff::Timestamp::now(), record };
        if let Err(error) = serde_json::to_writer(&mut self.buffer, &line) {
            self.buffer.truncate(begin);
            return Err(error.into());
        }
        self.buffer.pop();
        let body = self.buffer.get(begin..).unwrap_or_default();
        self.last = chained(&self.last, body);
        self.buffer.extend_from_slice(HASH.as_bytes());
        self.buffer.extend_from_slice(hex(&self.last).as_bytes());
        self.buffer.extend_from_slice(b"\"}\n");
        self.seq += 1;
        Ok(())
    }

    fn write(&mut self, durability: Durability) -> io::Result<()> {
        let waits = durability == Durability::Buffer
            && self.buffer.len() < MOST_BUFFERED
            && self.written.elapsed() < LONGEST_WAIT;
        if waits {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Half a line would look as if somebody had been at it.
            self.broken = true;
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        self.written = Instant::now();
        if durability == Durability::Disk { self.file.sync_data() } else { Ok(()) }
    }
}

/// Stands between a line and its hash.
const HASH: &str = ",\"hash\":\"";

fn chained(last: &Hash, body: &[u8]) -> Hash {
    Sha256::new().chain_update(last).chain_update(body).finalize().into()
}

pub(super) fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("audit")
}

/// A run that is taken up again gets another file: none is ever appended to. Their names are
/// in the order of their beginnings.
fn create(directory: &Path, run: &str) -> io::Result<(PathBuf, File)> {
    for _ in 0..1_000 {
        let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S.%6f").to_string();
        let path = directory.join(format!("{now}_{run}.jsonl"));
        let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (path, file)),
        }
    }
    Err(io::Error::other("no name is free for another file"))
}

#[cfg(test)]
mod tests;
