//! Why a plugin could not be loaded or called.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::contract::PACKAGE;
use crate::signature;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "there is no plugin {name:?}: it is neither a file, nor installed in {installed}, nor bundled"
    )]
    NotFound { name: String, installed: String },
    #[error("reading the plugin {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the plugin {plugin} has {bytes} bytes; the limit is {limit}")]
    TooLarge { plugin: String, bytes: u64, limit: u64 },
    #[error("the plugin {plugin} is no WebAssembly component, but {what}")]
    NotAComponent { plugin: String, what: &'static str },
    #[error("the plugin {plugin} is damaged: it does not compile")]
    Damaged {
        plugin: String,
        #[source]
        source: wasmtime::Error,
    },
    #[error("compiling the plugin {plugin} takes longer than {} s", limit.as_secs())]
    CompileTime { plugin: String, limit: Duration },
    #[error("compiling the plugin {plugin} takes more than {} MiB of memory", limit >> 20)]
    CompileMemory { plugin: String, limit: u64 },
    #[error("the plugin {plugin} compiles to more than {limit} bytes of code")]
    CompiledTooLarge { plugin: String, limit: usize },
    #[error("the compiler broke down on the plugin {plugin}: {why}")]
    Compiler { plugin: String, why: String },
    #[error("starting the process that compiles plugins")]
    CompilerStart {
        #[source]
        source: io::Error,
    },
    #[error("the plugin {plugin} was built against {theirs}; this host speaks {PACKAGE}")]
    OtherContract { plugin: String, theirs: String },
    #[error(
        "the plugin {plugin} was built against {theirs}, which is newer than this host's {PACKAGE}"
    )]
    NewerContract { plugin: String, theirs: String },
    #[error("the plugin {plugin} does not fit the contract {PACKAGE}")]
    Misfit {
        plugin: String,
        #[source]
        source: wasmtime::Error,
    },
    #[error("the plugin {plugin} was stopped in {call}: {why}")]
    Limit { plugin: String, call: &'static str, why: String },
    #[error("the plugin {plugin} did not return from {call} within {} s", limit.as_secs())]
    TimedOut { plugin: String, call: &'static str, limit: Duration },
    /// `why` is the cause alone: the frames above it mean nothing to an operator.
    #[error("the plugin {plugin} broke down in {call}: {why}")]
    Trap { plugin: String, call: &'static str, why: String },
    #[error("setting up the WebAssembly runtime")]
    Runtime {
        #[source]
        source: wasmtime::Error,
    },
    #[error("the description of the plugin {plugin} is not valid: {why}")]
    Description { plugin: String, why: String },
    /// `from` is how the operator named it.
    #[error(
        "the plugin {plugin} is not the one that was pinned: its file has sha256:{found}, and \
         sha256:{pinned} is pinned"
    )]
    OtherDigest { plugin: String, from: String, pinned: String, found: String },
    #[error("the plugin {plugin} is not pinned")]
    NotPinned { plugin: String, from: String },
    #[error("the signature of the plugin {plugin} is not accepted")]
    Signature {
        plugin: String,
        #[source]
        source: signature::Error,
    },
    #[error("{doing} the pins of plugins in {path}")]
    LockFile {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
