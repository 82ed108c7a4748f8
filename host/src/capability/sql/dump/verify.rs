//! Reads a dump back: checksum, length, compression, table of contents.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::compress::{Written, hex};
use super::seal::{Identities, Opened};
use super::toc::Counter;
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::{Input, Server};
use crate::text::{one_line, shortened};

const CHUNK: usize = 128 << 10;

/// The file of a backup.
pub(super) struct Archive<R = File> {
    pub(super) source: R,
    /// Where it is encrypted.
    pub(super) identities: Option<Identities>,
}

/// What the file holds, by reading all of it.
pub(super) async fn read_back(archive: Archive) -> io::Result<Written> {
    read(archive, Arc::default()).await
}

/// As [`read_back`], of whatever can be read; `seen` tells how much of the dump it was so far.
pub(super) async fn read<R>(archive: Archive<R>, seen: Arc<AtomicU64>) -> io::Result<Written>
where
    R: Read + Send + 'static,
{
    spawn_blocking(move || {
        let Archive { source, identities } = archive;
        let mut source = Hashed { source, hash: Sha256::new(), bytes: 0 };
        let mut chunk = vec![0; CHUNK];
        let (mut raw, mut is_at_end) = (0, false);
        // One reader after the other: each reads ahead of the next.
        let opened = Opened::new(&mut source, identities.as_ref())?;
        let mut decoder = zstd::Decoder::new(opened)?.single_frame();
        loop {
            match decoder.read(&mut chunk)? {
                0 => break,
                n => raw += n as u64,
            }
            seen.store(raw, Ordering::Relaxed);
        }
        let mut behind = decoder.finish();
        if behind.buffer().is_empty() && behind.get_mut().read(&mut chunk)? == 0 {
            drop(behind);
            is_at_end = source.read(&mut chunk)? == 0;
        }
        if is_at_end {
            let Hashed { hash, bytes, .. } = source;
            return Ok(Written { raw, bytes, sha256: hex(&hash.finalize()) });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "something stands behind the end of the dump",
        ))
    })
    .await
    .unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Tables in the table of contents, as the server's own `pg_restore` reads it.
pub(super) async fn tables(server: &dyn Server, access: &Access, archive: Archive) -> Result<u32> {
    let doing = "reading the dump's table of contents with pg_restore";
    let input = unpacked(archive).map_err(|e| Error::failed(doing).because(e))?;
    let exec =
        access.start(server, &["pg_restore", "--list"], "tessallite-up", "", Some(input)).await?;
    let mut counter = Counter::default();
    let mut stdout = exec.stdout;
    while let Some(part) = stdout.next().await {
        counter.take(&part?);
    }
    let exit = exec.end.await?;
    if exit.code == 0 {
        return Ok(counter.tables());
    }
    Err(Error::failed(format!(
        "{doing}: exit code {}: {}",
        exit.code,
        shortened(&one_line(exit.stderr.trim()), 2000)
    )))
}

/// The dump itself, from its beginning, as far as the reader wants it.
pub(super) fn unpacked(archive: Archive) -> io::Result<Input> {
    let decoder = zstd::Decoder::new(Opened::new(archive.source, archive.identities.as_ref())?)?;
    let parts = stream::unfold(decoder, |mut decoder| async move {
        let read = spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let n = decoder.read(&mut chunk)?;
            chunk.truncate(n);
            io::Result::Ok((Bytes::from(chunk), decoder))
        });
        // A file that cannot be read ends early here; `read_back` tells why.
        match read.await {
            Ok(Ok((chunk, decoder))) if !chunk.is_empty() => Some((chunk, decoder)),
            _ => None,
        }
    });
    Ok(parts.boxed())
}

struct Hashed<R> {
    source: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        self.hash.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::seal;
    use super::*;

    fn file(content: &[u8]) -> Archive {
        let mut held = tempfile::NamedTempFile::new().unwrap();
        held.write_all(content).unwrap();
        Archive { source: held.reopen().unwrap(), identities: None }
    }

    fn packed() -> Vec<u8> {
        let noise: Vec<u8> =
            (0..5000_u64).flat_map(|n| Sha256::digest(n.to_le_bytes()).to_vec()).collect();
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(&noise).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn a_whole_file_is_recognised() {
        let whole = packed();
        let found = read_back(file(&whole)).await.unwrap();
        assert_eq!((found.raw, found.bytes), (160_000, whole.len() as u64));
        assert_eq!(found.sha256, hex(&Sha256::digest(&whole)));
    }

    #[tokio::test]
    async fn an_encrypted_file_is_whole_up_to_its_last_byte() {
        let (seal, _held) = seal::tests::seal();
        let mut closing = seal.close(Vec::new()).unwrap();
        closing.write_all(&packed()).unwrap();
        let whole = closing.finish().unwrap();
        let identities = seal.proven().unwrap();
        let archive = |content| Archive { identities: identities.clone(), ..file(content) };
        let found = read_back(archive(&whole)).await.unwrap();
        assert_eq!((found.raw, found.bytes), (160_000, whole.len() as u64));
        let mut longer = whole.clone();
        longer.push(0);
        let mut changed = whole.clone();
        changed[70_000] ^= 1;
        for content in [&whole[..whole.len() - 1], &longer, &changed] {
            assert!(read_back(archive(content)).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_file_that_was_cut_changed_or_lengthened_is_not() {
        let whole = packed();
        let mut changed = whole.clone();
        changed[70_000] ^= 1;
        let mut longer = whole.clone();
        longer.push(0);
        for content in
            [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &changed, &longer, b""]
        {
            assert!(read_back(file(content)).await.is_err());
        }
    }
}
