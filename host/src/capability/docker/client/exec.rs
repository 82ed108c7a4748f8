//! Programs inside containers, and the stream that carries a dump.

mod abandoned;
mod pump;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use self::pump::{Fed, StderrTail};
use super::Client;
use super::failure;
use crate::capability::docker::types::{ExecOutput, Probed};
use crate::capability::error::{Error, Result};
use crate::text::printable;

/// What `exec` returns of a program's output.
const MOST_OUTPUT: usize = 64 << 10;
/// What `probe` keeps of each stream.
const MOST_PROBED: usize = 2 << 20;
/// One frame of the engine is 32 KiB; larger buffers were not faster.
const READ_BUFFER: usize = 64 << 10;
/// Chunks on their way to a reader that is slower than the program: 2 MiB.
const CHUNKS_AHEAD: usize = 64;
/// A program ends a moment after its output.
const END_GRACE: Duration = Duration::from_secs(5);
/// Between two questions whether it has; each pause is twice the one before.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// When a program has ended, a feeder that still waits for input has nobody to feed.
const FEEDER_GRACE: Duration = Duration::from_secs(1);

/// What a program reads.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;

type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, EngineError>> + Send>>;
type ToProgram = Pin<Box<dyn AsyncWrite + Send>>;

/// A program's standard output, as it comes; memory stays flat, and a slow reader slows
/// the program down. Dropping it before its end also ends the program where the engine
/// is on this machine; elsewhere it may go on, waiting to be read.
pub struct ExecStream {
    client: Client,
    id: String,
    doing: String,
    chunks: mpsc::Receiver<Result<Bytes>>,
    reader: JoinHandle<()>,
    feeder: Option<JoinHandle<Fed>>,
    stderr: Arc<StderrTail>,
    /// An error has been handed out: what has come is not the whole output.
    is_broken: bool,
    has_ended: bool,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecEnd {
    pub exit_code: i64,
    /// The last 16 KiB of its standard error, with control characters replaced.
    pub stderr: String,
    /// It took the whole input; true when there was none.
    pub input_taken: bool,
}

impl Client {
    /// Runs a program in the first running container of the service: no shell, no
    /// terminal, no input. What is returned is the exit code and the first 64 KiB of
    /// its output.
    ///
    /// A program that cannot be started ends with 126 or 127, and the engine's reason
    /// as its output.
    ///
    /// Errors: `NotFound` when the model has no such service, `Failed` when none of its
    /// containers runs or the program is cut off.
    pub async fn exec(&self, service: &str, argv: &[String]) -> Result<ExecOutput> {
        let (doing, id) = self.create_exec(service, argv, &[], false).await?;
        let (mut frames, _input) = self.start_exec(&doing, &id).await?;
        let mut output = Vec::new();
        while let Some(frame) = frames.next().await {
            let frame = whole(&doing, frame)?;
            let room = MOST_OUTPUT.saturating_sub(output.len());
            let bytes = frame.as_ref();
            output.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
        let exit_code = self.exit_code(&doing, &id).await?;
        Ok(ExecOutput { exit_code, output: printable(&String::from_utf8_lossy(&output)) })
    }

    /// Runs a program in the container of this ID: no shell, no terminal, no input. At most
    /// 2 MiB of its output are kept.
    ///
    /// Errors: `Failed` when the container does not run or the program is cut off.
    pub async fn probe(&self, container: &str, argv: &[String]) -> Result<Probed> {
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let doing = format!("running {} in {container}", printable(program));
        let id = self.create_exec_in(&doing, container, argv, &[], false).await?;
        let (mut frames, _input) = self.start_exec(&doing, &id).await?;
        let mut probed = Probed::default();
        let mut stderr = Vec::new();
        while let Some(frame) = frames.next().await {
            let (kept, bytes) = match whole(&doing, frame)? {
                LogOutput::StdErr { message } => (&mut stderr, message),
                other => (&mut probed.stdout, other.into_bytes()),
            };
            let room = MOST_PROBED.saturating_sub(kept.len());
            kept.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
        probed.exit_code = self.exit_code(&doing, &id).await?;
        probed.stderr = printable(&String::from_utf8_lossy(&stderr));
        Ok(probed)
    }

    /// Starts a program in the first running container of the service, with these
    /// further environment variables; `stdin` is copied to it to its end.
    ///
    /// Errors: as [`Client::exec`].
    pub async fn exec_stream(
        &self,
        service: &str,
        argv: &[String],
        env: &[(String, String)],
        stdin: Option<Input>,
    ) -> Result<ExecStream> {
        let (doing, id) = self.create_exec(service, argv, env, stdin.is_some()).await?;
        self.stream(doing, id, stdin).await
    }

    /// As [`Client::exec_stream`], in the container of this ID.
    pub(super) async fn exec_stream_in(
        &self,
        doing: String,
        container: &str,
        argv: &[String],
        env: &[(String, String)],
        stdin: Option<Input>,
    ) -> Result<ExecStream> {
        let id = self.create_exec_in(&doing, container, argv, env, stdin.is_some()).await?;
        self.stream(doing, id, stdin).await
    }

    async fn stream(&self, doing: String, id: String, stdin: Option<Input>) -> Result<ExecStream> {
        let (frames, input) = self.start_exec(&doing, &id).await?;
        let stderr = Arc::new(StderrTail::default());
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let reader = tokio::spawn(pump::read(doing.clone(), frames, sender, Arc::clone(&stderr)));
        let feeder = stdin.map(|stdin| tokio::spawn(pump::feed(stdin, input)));
        Ok(ExecStream {
            client: self.clone(),
            id,
            doing,
            chunks,
            reader,
            feeder,
            stderr,
            is_broken: false,
            has_ended: false,
        })
    }

    async fn create_exec(
        &self,
        service: &str,
        argv: &[String],
        env: &[(String, String)],
        stdin: bool,
    ) -> Result<(String, String)> {
        let Some(program) = argv.first() else {
            return Err(Error::invalid(format!(
                "running a program in {service}: no program was named"
            )));
        };
        let doing = format!("running {} in {service}", printable(program));
        let container = self.running(&doing, service).await?.container;
        let id = self.create_exec_in(&doing, &container.id, argv, env, stdin).await?;
        Ok((doing, id))
    }

    async fn create_exec_in(
        &self,
        doing: &str,
        container: &str,
        argv: &[String],
        env: &[(String, String)],
        stdin: bool,
    ) -> Result<String> {
        let options = CreateExecOptions {
            attach_stdin: Some(stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(argv.to_vec()),
            ..CreateExecOptions::default()
        };
        let created = self.docker().create_exec(container, options).await;
        Ok(created.map_err(|error| failure::engine(doing, error))?.id)
    }

    async fn start_exec(&self, doing: &str, id: &str) -> Result<(Frames, ToProgram)> {
        let options =
            StartExecOptions { output_capacity: Some(READ_BUFFER), ..StartExecOptions::default() };
        match self.docker().start_exec(id, Some(options)).await {
            Ok(StartExecResults::Attached { output, input }) => Ok((output, input)),
            Ok(StartExecResults::Detached) => {
                Err(Error::failed(doing.to_owned()).because("the engine gave no stream"))
            }
            Err(error) => Err(failure::engine(doing, error)),
        }
    }

    /// A stream ends in the same way when the program ends and when the connection
    /// does: only the engine's word that the program has ended counts.
    async fn exit_code(&self, doing: &str, id: &str) -> Result<i64> {
        let deadline = Instant::now() + END_GRACE;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let state = self.docker().inspect_exec(id).await;
            let state = state
                .map_err(|error| failure::engine(format!("{doing}: asking how it ended"), error))?;
            if let (Some(false), Some(code)) = (state.running, state.exit_code) {
                return Ok(code);
            }
            if Instant::now() >= deadline {
                return Err(Error::failed(format!(
                    "{doing}: its output ended before the program did"
                )));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Without a terminal, everything comes in frames; what does not was cut off.
fn whole(doing: &str, frame: Result<LogOutput, EngineError>) -> Result<LogOutput> {
    match frame {
        Ok(LogOutput::Console { .. }) => {
            Err(Error::failed(format!("{doing}: its output was cut off within a frame")))
        }
        Ok(frame) => Ok(frame),
        Err(error) => Err(failure::engine(doing, error)),
    }
}

impl Stream for ExecStream {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.get_mut();
        let next = stream.chunks.poll_recv(context);
        stream.is_broken |= matches!(next, Poll::Ready(Some(Err(_))));
        next
    }
}

impl ExecStream {
    /// Reads on to the end, and says how the program ended.
    ///
    /// Errors: those of the rest of the stream; `Failed` when the input could not be
    /// read, when the program is still running although its output has ended, or when
    /// the engine does not know any more how it ended.
    pub async fn finish(mut self) -> Result<ExecEnd> {
        while let Some(chunk) = self.chunks.recv().await {
            chunk?;
        }
        if self.is_broken {
            return Err(Error::failed(format!("{}: its output is not whole", self.doing)));
        }
        let exit_code = self.client.exit_code(&self.doing, &self.id).await?;
        self.has_ended = true;
        let input_taken = match self.feeder.take() {
            None => true,
            Some(feeder) => self.input_taken(feeder).await?,
        };
        Ok(ExecEnd { exit_code, stderr: self.stderr.text(), input_taken })
    }

    async fn input_taken(&self, mut feeder: JoinHandle<Fed>) -> Result<bool> {
        let Ok(fed) = timeout(FEEDER_GRACE, &mut feeder).await else {
            feeder.abort();
            return Ok(false);
        };
        match fed {
            Ok(Fed::All) => Ok(true),
            Ok(Fed::Refused) => Ok(false),
            Ok(Fed::Unreadable(error)) => {
                Err(Error::failed(format!("{}: its input could not be read", self.doing))
                    .because(error))
            }
            Err(error) => Err(Error::failed(self.doing.clone()).because(error)),
        }
    }
}

impl Drop for ExecStream {
    fn drop(&mut self) {
        self.reader.abort();
        if let Some(feeder) = &self.feeder {
            feeder.abort();
        }
        if !self.has_ended {
            abandoned::end(self.client.clone(), self.id.clone());
        }
    }
}
