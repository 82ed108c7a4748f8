//! From the stream of `pg_dump` to the file: zstd, checksum and disk on a thread of
//! their own, behind a queue of a few MiB.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use crate::capability::error::{Error, Result};

/// Half the work of level 3, zstd's default, and still smaller than what `pg_dump -Fc`
/// makes by itself; level 1 is not always.
const LEVEL: i32 = 2;
/// What goes to the thread at a time.
const BATCH: usize = 256 << 10;
const QUEUE: usize = 16;

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
pub(super) enum Broken {
    Source(Error),
    Disk(io::Error),
}

/// Writes all of `source`, and has the disk confirm it.
pub(super) async fn write<S>(
    source: S,
    file: File,
    mut progress: impl FnMut(u64),
) -> Result<Written, Broken>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let (sender, receiver) = channel(QUEUE);
    let thread = spawn_blocking(move || compress(receiver, file));
    let sent = send(source, sender, &mut progress).await;
    // The thread has ended, or ends now that the queue is closed. When it failed, that is the reason.
    let written = thread.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    match (sent, written) {
        (Err(error), _) => Err(Broken::Source(error)),
        (Ok(()), written) => written.map_err(Broken::Disk),
    }
}

async fn send<S>(mut source: S, queue: Sender<Part>, progress: &mut impl FnMut(u64)) -> Result<()>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let (mut batch, mut size, mut total) = (Vec::new(), 0, 0);
    while let Some(part) = source.next().await {
        let part = part?;
        size += part.len();
        batch.push(part);
        if size >= BATCH {
            if queue.send(Part::Data(std::mem::take(&mut batch))).await.is_err() {
                return Ok(());
            }
            total += size as u64;
            size = 0;
            progress(total);
        }
    }
    // Whether the thread is still there is seen from what it returns.
    let _ = queue.send(Part::Data(batch)).await;
    let _ = queue.send(Part::End).await;
    progress(total + size as u64);
    Ok(())
}

fn compress(mut queue: Receiver<Part>, file: File) -> io::Result<Written> {
    let mut encoder = zstd::Encoder::new(Hashed { file, hash: Sha256::new(), bytes: 0 }, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut raw = 0;
    loop {
        match queue.blocking_recv() {
            Some(Part::Data(batch)) => {
                for part in batch {
                    encoder.write_all(&part)?;
                    raw += part.len() as u64;
                }
            }
            Some(Part::End) => break,
            None => return Err(io::Error::other("the dump was given up")),
        }
    }
    let Hashed { file, hash, bytes } = encoder.finish()?;
    file.sync_all()?;
    Ok(Written { raw, bytes, sha256: hex(&hash.finalize()) })
}

/// A file whose bytes are counted and hashed on their way.
struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.hash.update(&buf[..n]);
        self.bytes += n as u64;
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

    use super::*;

    fn parts(n: usize) -> Vec<Result<Bytes>> {
        (0..n).map(|n| Ok(Bytes::from(format!("{n:08}").repeat(1000)))).collect()
    }

    #[tokio::test]
    async fn what_was_written_can_be_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut seen = 0;
        let Ok(written) =
            write(stream::iter(parts(100)), file.reopen().unwrap(), |done| seen = done).await
        else {
            panic!("the dump broke")
        };
        assert_eq!((written.raw, seen), (800_000, 800_000));
        let packed = std::fs::read(file.path()).unwrap();
        assert_eq!(written.bytes, packed.len() as u64);
        assert_eq!(written.sha256, hex(&Sha256::digest(&packed)));
        assert_eq!(zstd::decode_all(&packed[..]).unwrap().len(), 800_000);
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_breaks_the_dump() {
        let mut parts = parts(10);
        parts.push(Err(Error::unavailable("gone")));
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(write(stream::iter(parts), file, |_| {}).await, Err(Broken::Source(_))));
    }

    #[tokio::test]
    async fn a_full_disk_breaks_the_dump() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let noise: Vec<Result<Bytes>> = (0..2000_u64)
            .map(|n| Ok(Bytes::from(Sha256::digest(n.to_le_bytes()).repeat(100))))
            .collect();
        match write(stream::iter(noise), full, |_| {}).await {
            Err(Broken::Disk(e)) => assert_eq!(e.kind(), io::ErrorKind::StorageFull),
            _ => panic!("/dev/full took it"),
        }
    }
}
