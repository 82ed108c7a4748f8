//! The record of a run: one JSON line for each thing that begins or ends, on disk
//! before the next thing happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use crate::report::event::Ending;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("writing the journal {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("reading the journal {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the journal {path} is damaged at line {line}: {why}")]
    Damaged { path: PathBuf, line: usize, why: &'static str },
    #[error("{record} cannot be the next record of {path}: {why}")]
    Illegal { path: PathBuf, record: String, why: &'static str },
    #[error("nothing more can be written to the journal {path}: its last line may be torn")]
    Broken { path: PathBuf },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The approved plan stands beside the journal; this is its SHA-256.
    RunStarted {
        run: String,
        plan_sha256: String,
    },
    /// Taken up again, by another process than before.
    RunResumed,
    /// From here on, the steps of the rollback.
    RollbackStarted {
        why: String,
    },
    StepStarted {
        step: String,
    },
    /// `effect` numbers the effects of the run; `declared` is its place in the step.
    EffectStarted {
        step: String,
        effect: usize,
        declared: usize,
    },
    /// What the outside world calls what is under way: an operation of Google Cloud.
    EffectNoted {
        effect: usize,
        operation: String,
    },
    EffectFinished {
        effect: usize,
        result: serde_json::Value,
    },
    EffectFailed {
        effect: usize,
        error: String,
    },
    StepFinished {
        step: String,
        facts: Vec<crate::contract::Fact>,
    },
    StepFailed {
        step: String,
        error: String,
    },
    RunFinished {
        ending: Ending,
    },
}

/// A record, and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub at: jiff::Timestamp,
    pub record: Record,
}

/// A line: the record, and what proves that it is whole.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seq: u64,
    at: jiff::Timestamp,
    /// CRC-32 of `seq`, `at` and the record's text, with a space between them.
    crc: u32,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

/// Room that a journal has from its beginning, so that a disk that fills up does not
/// keep a run from being finished or rolled back.
const RESERVED: u64 = 4 << 20;

pub struct Journal {
    file: File,
    path: PathBuf,
    seq: u64,
    progress: Progress,
    /// A write has failed.
    broken: bool,
}

impl Journal {
    /// Begins a journal in a directory of the run's own.
    ///
    /// # Errors
    /// `Write`, also where there is one already.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        reserve(&file, RESERVED).map_err(failed)?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        let (path, progress) = (path.to_owned(), Progress::default());
        Ok(Self { file, path, seq: 0, progress, broken: false })
    }

    /// Goes on with a journal. A torn last line is cut off first.
    ///
    /// # Errors
    /// Those of [`read`], and `Write`.
    pub fn reopen(path: &Path) -> Result<Self> {
        let (records, whole) = read_whole_lines(path)?;
        let progress = progress_of(path, &records)?;
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        file.set_len(whole).and_then(|()| reserve(&file, RESERVED)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let seq = records.len() as u64;
        Ok(Self { file, path: path.to_owned(), seq, progress, broken: false })
    }

    /// What the records so far say.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// When this returns, the record is on disk.
    ///
    /// # Errors
    /// `Illegal` for a record that cannot follow: it is not written. `Write`: the line may
    /// be there in part, and everything after it is `Broken`.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        if self.broken {
            return Err(Error::Broken { path: self.path.clone() });
        }
        self.progress.check(record).map_err(|why| Error::Illegal {
            path: self.path.clone(),
            record: format!("{record:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
            why,
        })?;
        self.append(record).inspect_err(|_| self.broken = true)?;
        // Checked above.
        let _ = self.progress.advance(record);
        Ok(())
    }

    fn append(&mut self, record: &Record) -> Result<()> {
        let failed = |source: io::Error| Error::Write { path: self.path.clone(), source };
        let data = serde_json::value::to_raw_value(record).map_err(|e| failed(e.into()))?;
        let at = jiff::Timestamp::now();
        let text = line(self.seq, at, &data).map_err(|e| failed(e.into()))?;
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(failed)?;
        self.seq += 1;
        Ok(())
    }
}

/// Reads a journal. A torn last line is dropped: what it was to record had not begun, or
/// is settled by looking at the world.
///
/// # Errors
/// `Damaged` with the number of the first line that is not as it was written.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    read_whole_lines(path).map(|(records, _)| records)
}

/// As [`read`], with the time of each record.
///
/// # Errors
/// As [`read`].
pub fn entries(path: &Path) -> Result<Vec<Entry>> {
    entries_and_text(path).map(|(entries, _)| entries)
}

/// How far the run has come.
///
/// # Errors
/// As [`read`]; a record that cannot follow the ones before it is damage, too.
pub fn progress(path: &Path) -> Result<Progress> {
    progress_of(path, &read(path)?)
}

fn progress_of(path: &Path, records: &[Record]) -> Result<Progress> {
    let damaged = |(record, why)| Error::Damaged { path: path.to_owned(), line: record + 1, why };
    Progress::of(records).map_err(damaged)
}

/// The records, and how many bytes their lines have.
fn read_whole_lines(path: &Path) -> Result<(Vec<Record>, u64)> {
    let (entries, text) = entries_and_text(path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok((entries.into_iter().map(|entry| entry.record).collect(), whole as u64))
}

fn entries_and_text(path: &Path) -> Result<(Vec<Entry>, Vec<u8>)> {
    let text =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let entries =
        parse(&text).map_err(|(line, why)| Error::Damaged { path: path.to_owned(), line, why })?;
    Ok((entries, text))
}

/// Where the file system cannot, a full disk is met when it is met.
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}

/// A record as it stands in the file.
pub(crate) fn line(
    seq: u64,
    at: jiff::Timestamp,
    data: &serde_json::value::RawValue,
) -> serde_json::Result<Vec<u8>> {
    let line = Line { seq, at, crc: checksum(seq, at, data.get()), data };
    let mut text = serde_json::to_vec(&line)?;
    text.push(b'\n');
    Ok(text)
}

pub(crate) fn parse(text: &[u8]) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries = Vec::new();
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let torn = !line.ends_with(b"\n") && lines.peek().is_none();
        match parse_line(line, number) {
            Ok(entry) if !torn => entries.push(entry),
            _ if torn => {}
            Ok(_) => return Err((number + 1, "it does not end")),
            Err(why) => return Err((number + 1, why)),
        }
    }
    Ok(entries)
}

fn parse_line(line: &[u8], number: usize) -> Result<Entry, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let line: Line = serde_json::from_str(text).map_err(|_| "it is no journal line")?;
    if line.seq != number as u64 {
        return Err("its number is not the next one");
    }
    if line.crc != checksum(line.seq, line.at, line.data.get()) {
        return Err("its checksum is wrong");
    }
    let record = serde_json::from_str(line.data.get());
    Ok(Entry { at: line.at, record: record.map_err(|_| "its record is of no known kind")? })
}

fn checksum(seq: u64, at: jiff::Timestamp, data: &str) -> u32 {
    crc32fast::hash(format!("{seq} {at} {data}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Vec<Record>, (usize, &'static str)> {
        Ok(parse(text)?.into_iter().map(|entry| entry.record).collect())
    }

    fn written() -> (tempfile::TempDir, PathBuf, Vec<Record>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::create(&path).unwrap();
        let records = vec![
            Record::RunStarted { run: "r".into(), plan_sha256: "00".into() },
            Record::StepStarted { step: "backup".into() },
            Record::EffectStarted { step: "backup".into(), effect: 0, declared: 0 },
            Record::EffectFinished { effect: 0, result: serde_json::json!({"bytes": 7}) },
        ];
        for record in &records {
            journal.write(record).unwrap();
        }
        (dir, path, records)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_dir, path, records) = written();
        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn every_cut_gives_a_beginning_of_what_was_written() {
        let (_dir, path, records) = written();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            let read = parsed(&whole[..cut]).unwrap();
            assert_eq!(read, records[..read.len()], "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_changes_nothing() {
        let (_dir, path, records) = written();
        let whole = std::fs::read(&path).unwrap();
        let times = |text: &[u8]| -> Vec<jiff::Timestamp> {
            parse(text).unwrap().iter().map(|entry| entry.at).collect()
        };
        let written_at = times(&whole);
        for place in 0..whole.len() * 8 {
            let mut text = whole.clone();
            text[place / 8] ^= 1 << (place % 8);
            if let Ok(read) = parsed(&text) {
                assert!(records.starts_with(&read), "bit {place}");
                assert!(written_at.starts_with(&times(&text)), "bit {place}");
                // Only the last line may be lost: by its final newline.
                assert!(read.len() + 1 >= records.len(), "bit {place}");
            }
        }
    }

    #[test]
    fn a_line_that_is_missing_or_moved_is_noticed() {
        let (_dir, path, _) = written();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        lines.remove(1);
        assert_eq!(parsed(lines.concat().as_bytes()).unwrap_err().0, 2);
        lines.swap(0, 1);
        assert_eq!(parsed(lines.concat().as_bytes()).unwrap_err().0, 1);
    }

    #[test]
    fn a_journal_is_never_begun_twice() {
        let (_dir, path, _) = written();
        assert!(Journal::create(&path).is_err());
    }

    #[test]
    fn what_cannot_follow_is_not_written() {
        let (_dir, path, records) = written();
        let mut journal = Journal::reopen(&path).unwrap();
        let again = Record::StepStarted { step: "backup".into() };
        let error = journal.write(&again).unwrap_err();
        assert!(error.to_string().contains("StepStarted cannot be the next record"), "{error}");
        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn a_journal_goes_on_after_a_torn_line() {
        let (_dir, path, mut records) = written();
        let mut whole = std::fs::read(&path).unwrap();
        whole.extend_from_slice(b"{\"seq\":4,\"at");
        std::fs::write(&path, &whole).unwrap();
        let mut journal = Journal::reopen(&path).unwrap();
        assert_eq!(journal.progress().step.as_deref(), Some("backup"));
        journal.write(&Record::RunResumed).unwrap();
        records.push(Record::RunResumed);
        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn a_journal_that_could_not_be_written_is_not_written_to_again() {
        let (_dir, path, records) = written();
        let mut journal = Journal::reopen(&path).unwrap();
        journal.file = File::open(&path).unwrap();
        assert!(matches!(journal.write(&Record::RunResumed), Err(Error::Write { .. })));
        assert!(matches!(journal.write(&Record::RunResumed), Err(Error::Broken { .. })));
        assert_eq!(read(&path).unwrap(), records);
    }
}
