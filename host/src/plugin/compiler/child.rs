//! The process that compiles. It limits itself, reads a component, writes what it was
//! compiled to, and ends.

use std::io::{self, Read as _, Write as _};

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::Bounds;

/// The exit codes that mean something; none is one of the program's own.
pub(super) const DAMAGED: u8 = 20;
pub(super) const NO_MEMORY: u8 = 21;
pub(super) const FAILED: u8 = 22;

/// The three that it is started with, and some for what the libraries look at.
const MOST_FILES: u64 = 16;
/// Between the signal that tells the parent why, and the one that nothing survives.
const GRACE_SECONDS: u64 = 5;

/// The whole of the process; returns its exit code.
pub fn run(bounds: &Bounds) -> u8 {
    match read_compile_write(bounds) {
        Ok(()) => 0,
        Err((code, why)) => {
            // Nobody may be left to read it.
            let _ = io::stderr().write_all(why.as_bytes());
            code
        }
    }
}

fn read_compile_write(bounds: &Bounds) -> Result<(), (u8, String)> {
    let failed = |doing: &'static str| move |error| (FAILED, format!("{doing}: {error}"));
    limit_itself(bounds).map_err(failed("limiting itself"))?;
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component).map_err(failed("reading the component"))?;
    let code = super::engine()
        .and_then(|engine| engine.precompile_component(&component))
        .map_err(|error| (code_of(&error), format!("{error:#}")))?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&code).and_then(|()| stdout.flush()).map_err(failed("writing the code"))
}

fn code_of(error: &wasmtime::Error) -> u8 {
    let is_memory = |error: &io::Error| error.kind() == io::ErrorKind::OutOfMemory;
    if error.is::<wasmtime::OutOfMemory>() || error.downcast_ref().is_some_and(is_memory) {
        NO_MEMORY
    } else {
        DAMAGED
    }
}

fn limit_itself(bounds: &Bounds) -> io::Result<()> {
    // When the thread that started it ends. That is the main one: it waits.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if std::os::unix::process::parent_id() != bounds.parent {
        return Err(io::Error::other("its parent has ended"));
    }
    // Where the machine runs short of memory, this process goes before any other.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    lower(Resource::As, bounds.memory_bytes, 0)?;
    lower(Resource::Cpu, bounds.seconds, GRACE_SECONDS)?;
    lower(Resource::Fsize, 0, 0)?;
    lower(Resource::Nofile, MOST_FILES, 0)?;
    lower(Resource::Core, 0, 0)
}

/// For good, `above` being left between warning and end. What is lower already stays.
fn lower(resource: Resource, to: u64, above: u64) -> io::Result<()> {
    let before = getrlimit(resource);
    let least = |limit: Option<u64>, to: u64| Some(limit.map_or(to, |limit| limit.min(to)));
    let lowered = Rlimit {
        current: least(before.current, to),
        maximum: least(before.maximum, to.saturating_add(above)),
    };
    Ok(setrlimit(resource, lowered)?)
}
