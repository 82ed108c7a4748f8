//! From the stream of `pg_dump` to the file: zstd, age, checksum and disk on a thread of
//! their own, behind a queue of a few MiB; what is on disk is read back meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use super::growing::Growing;
use super::program::Form;
use super::seal::{Closing, Seal};
use super::verify::{self, Archive};
use crate::capability::error::{Error, Result};

/// Half the work of level 3, zstd's default, and still smaller than what `pg_dump -Fc`
/// makes by itself; level 1 is not always.
pub(super) const LEVEL: i32 = 2;
/// What goes to the thread at a time.
const BATCH: usize = 256 << 10;
const QUEUE: usize = 16;
/// Between two calls of the progress function.
const TELL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// Before compression.
    pub(super) raw: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

enum Part {
    Data(Vec<Bytes>),
    /// Without it, the file is only what was left when the dump was given up.
    End,
}

/// Why the file is not whole.
#[derive(Debug)]
pub(super) enum Broken {
    Source(Error),
    /// After so many bytes, before compression.
    Disk(io::Error, u64),
    ReadBack(io::Error),
}

/// Where a dump goes.
pub(super) struct Target {
    pub(super) file: File,
    pub(super) seal: Seal,
    /// The same file, to be read.
    pub(super) again: Archive,
}

/// Writes all of `source`, has the disk confirm it, and reads it back. `progress` is called
/// at most ten times a second, with the bytes before compression that can be read back.
pub(super) async fn write<S>(
    source: S,
    form: Form,
    target: Target,
    mut progress: impl FnMut(u64),
) -> Result<Written, Broken>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let (sender, receiver) = channel(QUEUE);
    let (grown, growth) = mpsc::channel();
    let Target { file, seal, again: Archive { source: again, identities } } = target;
    let thread = spawn_blocking(move || compress(receiver, form, file, &seal, grown));
    let seen = Arc::new(AtomicU64::new(0));
    let again = Archive { source: Growing::new(again, growth), identities };
    let reading = tokio::spawn(verify::read(again, Arc::clone(&seen)));
    let sent = send(source, sender, || seen.load(Ordering::Relaxed), &mut progress).await;
    // The thread has ended, or ends now that the queue is closed. When it failed, that is the reason.
    let written = thread.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let found = reading.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let done = seen.load(Ordering::Relaxed);
    progress(done);
    sent.map_err(Broken::Source)?;
    let (bytes, sha256) = written.map_err(|error| Broken::Disk(error, done))?;
    let found = found.map_err(Broken::ReadBack)?;
    if (found.bytes, &found.sha256) != (bytes, &sha256) {
        let wrong = "it is not what was written; the disk of the backup directory may be failing";
        return Err(Broken::ReadBack(io::Error::new(io::ErrorKind::InvalidData, wrong)));
    }
    Ok(found)
}

async fn send<S>(
    mut source: S,
    queue: Sender<Part>,
    done: impl Fn() -> u64,
    progress: &mut impl FnMut(u64),
) -> Result<()>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let (mut batch, mut size, mut told) = (Vec::new(), 0, Instant::now());
    while let Some(part) = source.next().await {
        let part = part?;
        size += part.len();
        batch.push(part);
        if size >= BATCH {
            if queue.send(Part::Data(std::mem::take(&mut batch))).await.is_err() {
                return Ok(());
            }
            size = 0;
            if told.elapsed() >= TELL {
                told = Instant::now();
                progress(done());
            }
        }
    }
    // Whether the thread is still there is seen from what it returns.
    let _ = queue.send(Part::Data(batch)).await;
    let _ = queue.send(Part::End).await;
    Ok(())
}

/// The length of the file, and its checksum.
fn compress(
    mut queue: Receiver<Part>,
    form: Form,
    file: File,
    seal: &Seal,
    grown: mpsc::Sender<u64>,
) -> io::Result<(u64, String)> {
    let hashed = Hashed { file, hash: Sha256::new(), bytes: 0, grown };
    let mut sink = Sink::new(seal.close(hashed)?, form)?;
    loop {
        match queue.blocking_recv() {
            Some(Part::Data(batch)) => batch.iter().try_for_each(|part| sink.take(part))?,
            Some(Part::End) => break,
            None => return Err(io::Error::other("the dump was given up")),
        }
    }
    let Hashed { file, hash, bytes, grown } = sink.finish()?.finish()?;
    // Its reader need not wait for the disk.
    drop(grown);
    file.sync_all()?;
    Ok((bytes, hex(&hash.finalize())))
}

enum Sink {
    Packing(zstd::Encoder<'static, Closing<Hashed>>),
    Passing(Closing<Hashed>),
}

impl Sink {
    fn new(file: Closing<Hashed>, form: Form) -> io::Result<Self> {
        if form == Form::Packed {
            return Ok(Self::Passing(file));
        }
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self::Packing(encoder))
    }

    fn take(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Packing(encoder) => encoder.write_all(part),
            Self::Passing(file) => file.write_all(part),
        }
    }

    fn finish(self) -> io::Result<Closing<Hashed>> {
        match self {
            Self::Packing(encoder) => encoder.finish(),
            Self::Passing(file) => Ok(file),
        }
    }
}

/// A file whose bytes are counted and hashed on their way, and announced to its reader.
struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
    grown: mpsc::Sender<u64>,
}

impl Write for Hashed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.hash.update(&buf[..n]);
        self.bytes += n as u64;
        // A reader that has given up tells why by itself.
        let _ = self.grown.send(self.bytes);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::super::seal;
    use super::*;

    fn parts(n: usize) -> Vec<Result<Bytes>> {
        (0..n).map(|n| Ok(Bytes::from(format!("{n:08}").repeat(1000)))).collect()
    }

    fn target(file: File, again: File) -> Target {
        Target { file, seal: Seal::default(), again: Archive { source: again, identities: None } }
    }

    /// Into a file; and what that holds then.
    async fn written(
        parts: Vec<Result<Bytes>>,
        form: Form,
    ) -> (Result<Written, Broken>, Vec<u8>, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (out, again) = (file.reopen().unwrap(), file.reopen().unwrap());
        let mut seen = 0;
        let written =
            write(stream::iter(parts), form, target(out, again), |done| seen = done).await;
        (written, std::fs::read(file.path()).unwrap(), seen)
    }

    #[tokio::test]
    async fn what_was_written_has_been_read_again() {
        let (plain, on_disk, seen) = written(parts(100), Form::Plain).await;
        let plain = plain.unwrap();
        assert_eq!((plain.raw, seen), (800_000, 800_000));
        assert_eq!(plain.bytes, on_disk.len() as u64);
        assert_eq!(plain.sha256, hex(&Sha256::digest(&on_disk)));
        assert_eq!(zstd::decode_all(&on_disk[..]).unwrap().len(), 800_000);
        let packed: Vec<_> = on_disk.chunks(100).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let (passed, same, seen) = written(packed, Form::Packed).await;
        assert_eq!((passed.unwrap(), same, seen), (plain, on_disk, 800_000));
    }

    #[tokio::test]
    async fn an_encrypted_one_is_read_again_through_its_identity() {
        let (seal, _held) = seal::tests::seal();
        let file = tempfile::NamedTempFile::new().unwrap();
        let identities = seal.proven().unwrap();
        let again = Archive { source: file.reopen().unwrap(), identities };
        let target = Target { file: file.reopen().unwrap(), seal, again };
        let written = write(stream::iter(parts(100)), Form::Plain, target, |_| {}).await.unwrap();
        let on_disk = std::fs::read(file.path()).unwrap();
        assert_eq!((written.raw, written.bytes), (800_000, on_disk.len() as u64));
        assert!(on_disk.starts_with(b"age-encryption.org/v1"), "it is not encrypted");
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_breaks_the_dump() {
        let mut parts = parts(10);
        parts.push(Err(Error::unavailable("gone")));
        assert!(matches!(written(parts, Form::Plain).await.0, Err(Broken::Source(_))));
    }

    #[tokio::test]
    async fn a_packed_source_that_ends_too_early_breaks_the_dump() {
        let (_, mut packed, _) = written(parts(100), Form::Plain).await;
        packed.pop();
        let cut = vec![Ok(Bytes::from(packed))];
        assert!(matches!(written(cut, Form::Packed).await.0, Err(Broken::ReadBack(_))));
        assert!(matches!(written(Vec::new(), Form::Packed).await.0, Err(Broken::ReadBack(_))));
    }

    #[tokio::test]
    async fn a_disk_that_gives_back_something_else_breaks_the_dump() {
        let (out, other) = (tempfile::tempfile().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let (_, on_disk, _) = written(parts(99), Form::Plain).await;
        std::fs::write(other.path(), on_disk).unwrap();
        let again = other.reopen().unwrap();
        let written =
            write(stream::iter(parts(100)), Form::Plain, target(out, again), |_| {}).await;
        assert!(matches!(written, Err(Broken::ReadBack(_))));
    }

    #[tokio::test]
    async fn a_full_disk_breaks_the_dump() {
        let open = || File::options().read(true).write(true).open("/dev/full").unwrap();
        let noise: Vec<Result<Bytes>> = (0..2000_u64)
            .map(|n| Ok(Bytes::from(Sha256::digest(n.to_le_bytes()).repeat(100))))
            .collect();
        match write(stream::iter(noise), Form::Plain, target(open(), open()), |_| {}).await {
            Err(Broken::Disk(e, _)) => assert_eq!(e.kind(), io::ErrorKind::StorageFull),
            other => panic!("/dev/full took it: {other:?}"),
        }
    }
}
