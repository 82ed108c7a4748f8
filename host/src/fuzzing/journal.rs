//! A journal that is cut anywhere is a beginning of itself; what is read is what was written.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::with_file;
use crate::engine::journal::{self, Entry, Journal, Record};
use crate::engine::progress::Progress;

/// Of the places where a journal is cut, beside the ends of its lines.
const CUTS: usize = 32;

/// The bytes as they are, and then with numbers and checksums that are right: these no
/// fuzzer finds.
pub fn journal(data: &[u8]) -> bool {
    let as_it_is = check(data);
    let sealed = sealed(data);
    let accepted = check(&sealed);
    if accepted && !sealed.is_empty() {
        check_goes_on(&sealed);
    }
    as_it_is
}

/// Of a line, what is needed to write it again.
#[derive(Deserialize)]
struct Line<'a> {
    at: jiff::Timestamp,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Every line that is JSON, as if it had been written as a record.
fn sealed(data: &[u8]) -> Vec<u8> {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let whole = serde_json::from_str::<Line>(line).map(|line| (line.at, line.data));
        let known = whole.or_else(|_| {
            serde_json::from_str(line).map(|data| (jiff::Timestamp::UNIX_EPOCH, data))
        });
        known.ok()
    });
    let numbered = (0..).zip(lines);
    numbered.flat_map(|(seq, (at, data))| journal::line(seq, at, data).unwrap()).collect()
}

fn check(text: &[u8]) -> bool {
    let parsed = journal::parse(text);
    assert_eq!(parsed, journal::parse(text));
    match parsed {
        Ok(entries) => {
            check_cuts(text, &entries);
            check_progress(&entries);
            check_written_again(&entries);
            true
        }
        Err((line, _)) => {
            let before: usize =
                text.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
            let entries = journal::parse(&text[..before]);
            assert_eq!(entries.map(|entries| entries.len()), Ok(line - 1));
            false
        }
    }
}

fn check_cuts(text: &[u8], entries: &[Entry]) {
    let ends = (0..text.len()).filter(|at| text[*at] == b'\n');
    let ends = ends.flat_map(|at| [at, at + 1]);
    for cut in ends.chain((0..CUTS).map(|cut| text.len() * cut / CUTS)) {
        let beginning = journal::parse(&text[..cut]);
        let lines = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(beginning.as_deref(), Ok(&entries[..lines]), "cut at {cut}");
    }
}

/// Up to the first record that cannot follow, each could.
fn check_progress(entries: &[Entry]) {
    let records = records(entries);
    let legal = match Progress::of(&records) {
        Ok(_) => records.len(),
        Err((number, _)) => number,
    };
    let mut progress = Progress::default();
    for (number, record) in records.iter().enumerate().take(legal + 1) {
        assert_eq!(progress.advance(record).is_ok(), number < legal, "record {number}");
    }
    assert_eq!(Progress::of(&records[..legal]), Ok(progress));
}

fn check_written_again(entries: &[Entry]) {
    for (seq, entry) in (0..).zip(entries) {
        let data = serde_json::value::to_raw_value(&entry.record).unwrap();
        let line = journal::line(0, entry.at, &data).unwrap();
        assert_eq!(journal::parse(&line).as_deref(), Ok(std::slice::from_ref(entry)), "{seq}");
    }
}

/// As after a crash: the journal is taken up, and the next record stands behind the others.
fn check_goes_on(text: &[u8]) {
    let mut torn = text.to_vec();
    torn.extend_from_slice(b"{\"seq\":");
    with_file("journal.jsonl", &torn, |path| {
        let mut records = journal::read(path).unwrap();
        let reopened = Journal::reopen(path);
        assert_eq!(reopened.is_ok(), Progress::of(&records).is_ok());
        let Ok(mut journal) = reopened else { return };
        if journal.write(&Record::RunResumed).is_ok() {
            records.push(Record::RunResumed);
        }
        assert_eq!(journal::read(path).unwrap(), records);
    });
}

fn records(entries: &[Entry]) -> Vec<Record> {
    entries.iter().map(|entry| entry.record.clone()).collect()
}
