//! Compiling a component. How long that takes and how much memory, its vendor decides: it
//! is done in a process of its own, which has limits and can be killed.

mod child;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use wasmtime::{Config, Engine};

use super::{Error, Limits, Result};
use crate::text::{one_line, shortened};

pub use child::run as compile_standard_input;

/// The hidden command of this program.
const COMMAND: &str = "compile-plugin";
/// This very program: the file that runs, even where its name is another one's by now.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// More threads need more memory, and the limit is the same on every machine.
const MOST_THREADS: usize = 4;
/// Of what the process has to say.
const MOST_TEXT: usize = 4 << 10;
/// How Rust puts it before it gives up.
const NO_MEMORY: &str = "memory allocation of";

/// Both sides have the same engine, or the one does not take what the other has compiled.
///
/// # Errors
/// This machine is none that the runtime can be used on.
pub(super) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Of a trap, the operator is told the cause alone. What would find the frames is a
    // fifth of the compiled code, and all of that is read and checked at every start.
    config.wasm_backtrace_max_frames(None).generate_address_map(false).native_unwind_info(false);
    Engine::new(&config)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// Without limits, and the thread waits: for tests and measurements.
    InProcess,
    /// A copy of this program, which has the command `compile-plugin`.
    Program(PathBuf),
}

/// What the process is told when it is started. It limits itself before it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub memory_bytes: u64,
    /// Of processor time, that of all threads together.
    pub seconds: u64,
    /// Which it does not outlive.
    pub parent: u32,
}

impl Bounds {
    fn of(limits: &Limits, threads: usize) -> Self {
        let seconds = limits.compile.as_secs().max(1).saturating_mul(threads as u64);
        Self { memory_bytes: limits.compile_memory_bytes, seconds, parent: std::process::id() }
    }

    /// The command line behind the program's name.
    pub fn arguments(&self) -> [String; 4] {
        let Self { memory_bytes, seconds, parent } = self;
        [
            COMMAND.to_owned(),
            format!("--memory-bytes={memory_bytes}"),
            format!("--seconds={seconds}"),
            format!("--parent={parent}"),
        ]
    }
}

impl Compiler {
    pub fn this_program() -> Self {
        Self::Program(PathBuf::from(THIS_PROGRAM))
    }

    /// Whoever gives up waiting kills the process.
    pub(super) async fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        limits: &Limits,
        plugin: &str,
    ) -> Result<Vec<u8>> {
        let program = match self {
            Self::Program(program) => program,
            Self::InProcess => {
                let damaged = |source| Error::Damaged { plugin: plugin.to_owned(), source };
                return engine.precompile_component(bytes).map_err(damaged);
            }
        };
        let mut child = start(program, limits)?;
        let work = talk(&mut child, bytes, limits.compiled_bytes);
        match tokio::time::timeout(limits.compile, work).await {
            Ok(said) => said?.judged(limits, plugin),
            Err(_) => {
                // It cannot refuse, and it may have ended just now.
                let _ = child.kill().await;
                Err(too_long(limits, plugin))
            }
        }
    }
}

fn start(program: &Path, limits: &Limits) -> Result<Child> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    Command::new(program)
        .arg0(env!("CARGO_PKG_NAME"))
        .args(Bounds::of(limits, threads).arguments())
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::CompilerStart { source })
}

/// What the process has left behind.
struct Said {
    code: Vec<u8>,
    text: String,
    status: ExitStatus,
}

/// Writes, and reads meanwhile: neither side waits for the other.
async fn talk(child: &mut Child, bytes: &[u8], most: usize) -> Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ((), code, text) =
        tokio::join!(feed(stdin, bytes), read(stdout, most + 1), read(stderr, MOST_TEXT));
    let status = child.wait().await.map_err(|source| Error::CompilerStart { source })?;
    let text = one_line(String::from_utf8_lossy(&text).trim());
    Ok(Said { code, text: shortened(&text, MOST_TEXT), status })
}

/// A process that does not read has ended, and how it ended says why.
async fn feed(pipe: Option<ChildStdin>, bytes: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(bytes).await;
    }
}

/// At most so much: then the pipe is closed, and the process cannot write to it any more.
async fn read(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could not be read is missing, and will not be taken for the whole.
        let _ = pipe.take(most as u64).read_to_end(&mut bytes).await;
    }
    bytes
}

impl Said {
    fn judged(self, limits: &Limits, plugin: &str) -> Result<Vec<u8>> {
        let Self { code, text, status } = self;
        if code.len() > limits.compiled_bytes {
            let limit = limits.compiled_bytes;
            return Err(Error::CompiledTooLarge { plugin: plugin.to_owned(), limit });
        }
        if status.success() {
            return Ok(code);
        }
        let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
        let plugin = plugin.to_owned();
        // Nobody but the system kills it before its time is over: memory runs short.
        let no_memory = status.code() == Some(child::NO_MEMORY.into())
            || ended_by(Signal::KILL)
            || ended_by(Signal::ABORT) && text.contains(NO_MEMORY);
        Err(if no_memory {
            Error::CompileMemory { plugin, limit: limits.compile_memory_bytes }
        } else if ended_by(Signal::XCPU) {
            too_long(limits, &plugin)
        } else if status.code() == Some(child::DAMAGED.into()) {
            Error::Damaged { plugin, source: wasmtime::Error::msg(text) }
        } else {
            Error::Compiler { plugin, why: format!("{status}: {text}") }
        })
    }
}

fn too_long(limits: &Limits, plugin: &str) -> Error {
    Error::CompileTime { plugin: plugin.to_owned(), limit: limits.compile }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `wait` has it: the exit code, or the signal.
    fn judged(raw: i32, code: &[u8], text: &str) -> Result<Vec<u8>> {
        let limits = Limits { compiled_bytes: 4, ..Limits::default() };
        let said =
            Said { code: code.to_vec(), text: text.to_owned(), status: ExitStatus::from_raw(raw) };
        said.judged(&limits, "p")
    }

    fn exited(code: u8) -> i32 {
        i32::from(code) << 8
    }

    #[test]
    fn how_the_process_ended_says_why() {
        assert_eq!(judged(0, b"code", "").unwrap(), b"code");
        let damaged = judged(exited(child::DAMAGED), b"", "unexpected end").unwrap_err();
        let Error::Damaged { source, .. } = damaged else { panic!("{damaged:?}") };
        assert_eq!(source.to_string(), "unexpected end");
        let memory = |raw, text| matches!(judged(raw, b"", text), Err(Error::CompileMemory { .. }));
        assert!(memory(exited(child::NO_MEMORY), ""));
        assert!(memory(Signal::KILL.as_raw(), ""));
        assert!(memory(Signal::ABORT.as_raw(), "memory allocation of 16 bytes failed"));
        assert!(!memory(Signal::ABORT.as_raw(), "thread 'main' has overflowed its stack"));
        let time = judged(Signal::XCPU.as_raw(), b"", "");
        assert!(matches!(time, Err(Error::CompileTime { .. })));
        let other = judged(exited(101), b"", "a panic").unwrap_err().to_string();
        assert!(other.contains("exit status: 101: a panic"), "{other}");
    }

    #[test]
    fn half_of_the_code_is_not_taken() {
        assert!(judged(exited(child::FAILED), b"co", "Broken pipe").is_err());
        assert!(judged(Signal::SEGV.as_raw(), b"code", "").is_err());
    }

    #[test]
    fn more_code_than_the_limit_is_refused_however_it_ended() {
        for raw in [0, exited(child::FAILED)] {
            let error = judged(raw, b"codes", "").unwrap_err();
            assert!(matches!(error, Error::CompiledTooLarge { limit: 4, .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_told_apart() {
        let compiler = Compiler::Program("/nonexistent".into());
        let engine = engine().unwrap();
        let error = compiler.compile(&engine, b"", &Limits::default(), "p").await.unwrap_err();
        assert!(matches!(error, Error::CompilerStart { .. }), "{error:?}");
    }
}
