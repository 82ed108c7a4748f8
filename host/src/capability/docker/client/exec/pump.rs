//! The two tasks behind an [`super::ExecStream`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::container::LogOutput;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::{Frames, Input, ToProgram, whole};
use crate::capability::docker::client::diagnose::keep_last;
use crate::capability::error::{Error, Result};
use crate::text::printable;

const STDERR_TAIL: usize = 16 << 10;
const INPUT_BUFFER: usize = 64 << 10;
/// When a program ends, the engine gives its reader two seconds for what is left in the
/// pipe, and then throws it away without a word (seen with Engine 20.10; moby#45689).
const DANGEROUS_PAUSE: Duration = Duration::from_millis(1500);
/// More than what can still be on its way at that moment: 1 MB in the engine, and
/// the buffers of the connection.
const ON_ITS_WAY: u64 = 8 << 20;

/// Passes on standard output, keeps the end of standard error. The last item is an
/// error when the output is not known to be whole.
pub(super) async fn read(
    doing: String,
    mut frames: Frames,
    chunks: mpsc::Sender<Result<Bytes>>,
    stderr: std::sync::Arc<StderrTail>,
) {
    let mut passed = Passed::new(DANGEROUS_PAUSE);
    while let Some(frame) = frames.next().await {
        let item = match whole(&doing, frame) {
            Ok(LogOutput::StdErr { message }) => {
                stderr.add(&message);
                continue;
            }
            Ok(frame) => Ok(frame.into_bytes()),
            Err(error) => Err(error),
        };
        let failed = item.is_err();
        if !passed.on(&chunks, item).await || failed {
            return;
        }
    }
    if passed.may_lack_its_end() {
        let error = Error::failed(format!(
            "{doing}: its output was read too slowly near the end, and the engine may have dropped some of it"
        ));
        let _ = chunks.send(Err(error.hint("try again with a faster place to write to"))).await;
    }
}

/// What has been passed on, and where the reader last paused for long.
struct Passed {
    bytes: u64,
    paused_at: Option<u64>,
    dangerous_pause: Duration,
}

impl Passed {
    fn new(dangerous_pause: Duration) -> Self {
        Self { bytes: 0, paused_at: None, dangerous_pause }
    }

    /// False when nobody reads any longer.
    async fn on(&mut self, chunks: &mpsc::Sender<Result<Bytes>>, item: Result<Bytes>) -> bool {
        let length = item.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let sent = match chunks.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(item)) => {
                let since = Instant::now();
                let sent = chunks.send(item).await.is_ok();
                if since.elapsed() >= self.dangerous_pause {
                    self.paused_at = Some(self.bytes);
                }
                sent
            }
        };
        self.bytes += length;
        sent
    }

    fn may_lack_its_end(&self) -> bool {
        self.paused_at.is_some_and(|at| self.bytes - at <= ON_ITS_WAY)
    }
}

/// The end of a program's standard error.
#[derive(Default)]
pub(super) struct StderrTail {
    bytes: Mutex<Vec<u8>>,
}

impl StderrTail {
    fn add(&self, more: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(more);
        keep_last(&mut bytes, STDERR_TAIL);
    }

    pub(super) fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let start = bytes.len().saturating_sub(STDERR_TAIL);
        printable(&String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()))
    }
}

/// What became of a program's input.
pub(super) enum Fed {
    All,
    /// The program stopped taking it: its exit code says why.
    Refused,
    Unreadable(std::io::Error),
}

/// Copies the input to the program, then closes it.
pub(super) async fn feed(mut input: Input, mut program: ToProgram) -> Fed {
    let mut buffer = vec![0; INPUT_BUFFER];
    loop {
        let read = match input.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Fed::Unreadable(error),
        };
        let piece = buffer.get(..read).unwrap_or_default();
        if program.write_all(piece).await.is_err() {
            return Fed::Refused;
        }
    }
    let closed = async {
        program.flush().await?;
        program.shutdown().await
    };
    if closed.await.is_ok() { Fed::All } else { Fed::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_near_the_end_makes_the_end_doubtful() {
        let (sender, mut receiver) = mpsc::channel(1);
        let chunk = || Ok(Bytes::from(vec![0; 1 << 20]));
        let mut passed = Passed::new(Duration::from_millis(50));
        assert!(passed.on(&sender, chunk()).await);
        let slow = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            while receiver.recv().await.is_some() {}
        });
        assert!(passed.on(&sender, chunk()).await);
        assert!(passed.may_lack_its_end());
        for _ in 0..8 {
            assert!(passed.on(&sender, chunk()).await);
        }
        assert!(!passed.may_lack_its_end());
        drop(sender);
        slow.await.unwrap();
    }

    #[test]
    fn only_the_end_of_standard_error_is_kept() {
        let tail = StderrTail::default();
        for n in 0..10_000 {
            tail.add(format!("line {n}\n").as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.len(), STDERR_TAIL);
        assert!(text.ends_with("line 9999\n"));
    }
}
