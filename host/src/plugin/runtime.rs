//! The WebAssembly runtime: one engine, one linker, components compiled once.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::cache::Cache;
use super::compiler::engine;
use super::instance::State;
use super::limits::TICK;
use super::source::Binary;
use super::{Compiler, Error, Limits, Result, Source};
use crate::contract::{PACKAGE, Plugin, PluginPre};
use crate::policy::LimitGrants;

/// The package's name without its version, as imports and exports begin.
const NAMESPACE: &str = "tessallite:up/";

pub struct Runtime {
    engine: Engine,
    linker: Linker<State>,
    cache: Cache,
    compiler: Compiler,
    limits: Arc<Limits>,
    ticker: Arc<Ticker>,
}

/// A component that fits the contract, compiled, ready to be instantiated.
pub struct Component {
    pub label: String,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    pub bytes: usize,
    /// The version of the contract that it was built against.
    pub contract: String,
    /// The interfaces that it imports; those outside the contract trap when called.
    pub imports: Vec<String>,
    pub(super) pre: PluginPre<State>,
    pub(super) limits: Arc<Limits>,
    /// A component outlives its runtime, and its guests' deadlines have to come all the same.
    _ticker: Arc<Ticker>,
}

impl Component {
    /// With the limits that the operator grants it.
    #[must_use]
    pub fn limited(mut self, grants: &LimitGrants) -> Self {
        self.limits = Arc::new(Limits::clone(&self.limits).granted(grants));
        self
    }

    /// The imports that no plugin of this contract needs.
    pub fn foreign_imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str).filter(|name| !name.starts_with(NAMESPACE))
    }
}

impl Runtime {
    /// `cache`: where compiled components are kept, if anywhere.
    ///
    /// # Errors
    /// `Runtime`.
    pub fn new(cache: Option<PathBuf>, limits: Limits, compiler: Compiler) -> Result<Self> {
        let failed = |source| Error::Runtime { source };
        let engine = engine().map_err(failed)?;
        let mut linker = Linker::new(&engine);
        Plugin::add_to_linker::<State, HasSelf<_>>(&mut linker, |state| &mut state.context)
            .map_err(failed)?;
        let ticker = Arc::new(Ticker::start(engine.clone()));
        let cache = Cache::open(cache);
        Ok(Self { engine, linker, cache, compiler, limits: Arc::new(limits), ticker })
    }

    /// A component that is not in the cache takes as long as its compiling does.
    ///
    /// # Errors
    /// What is wrong with the file, or with what it expects.
    pub async fn load(&self, source: &Source) -> Result<Component> {
        self.prepare(source, self.read(source)?).await
    }

    /// # Errors
    /// `Read`, `TooLarge`.
    pub fn read(&self, source: &Source) -> Result<Binary> {
        source.read(self.limits.component_bytes)
    }

    /// Makes a component of what was read.
    ///
    /// # Errors
    /// What is wrong with the file, or with what it expects.
    pub async fn prepare(&self, source: &Source, binary: Binary) -> Result<Component> {
        let label = source.label();
        let Binary { bytes, digest } = binary;
        check_header(&bytes, &label)?;
        let compiled = self.compile(&bytes, &digest, &label).await?;
        let kind = compiled.component_type();
        let imports: Vec<String> =
            kind.imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let exports = kind.exports(&self.engine).map(|(name, _)| name.to_owned());
        let contract = check_contract(imports.iter().cloned().chain(exports), &label)?;
        let contract = contract.map(|version| version.to_string()).unwrap_or_default();
        let misfit = |source| Error::Misfit { plugin: label.clone(), source };
        let mut linker = self.linker.clone();
        linker.define_unknown_imports_as_traps(&compiled).map_err(misfit)?;
        let pre = linker.instantiate_pre(&compiled).and_then(PluginPre::new).map_err(misfit)?;
        let limits = Arc::clone(&self.limits);
        let bytes = bytes.len();
        let _ticker = Arc::clone(&self.ticker);
        Ok(Component { label, digest, bytes, contract, imports, pre, limits, _ticker })
    }

    async fn compile(
        &self,
        bytes: &[u8],
        digest: &str,
        label: &str,
    ) -> Result<wasmtime::component::Component> {
        if let Some(known) =
            self.cache.get(&self.engine, digest).and_then(|code| self.revive(&code))
        {
            return Ok(known);
        }
        let code = self.compiler.compile(&self.engine, bytes, &self.limits, label).await?;
        // Without a cache the next start is slower, and that is all.
        let _ = self.cache.put(&self.engine, digest, &code);
        self.revive(&code).ok_or_else(|| Error::Compiler {
            plugin: label.to_owned(),
            why: "the code that it has just made is not accepted".to_owned(),
        })
    }

    #[allow(unsafe_code)]
    fn revive(&self, code: &[u8]) -> Option<wasmtime::component::Component> {
        // SAFETY: the code was compiled by this program a moment ago, or comes from the
        // cache, which takes only what this user's own runs have put there.
        unsafe { wasmtime::component::Component::deserialize(&self.engine, code) }.ok()
    }
}

/// A component begins with the magic number and a layer of 1; a core module's is 0.
fn check_header(bytes: &[u8], plugin: &str) -> Result<()> {
    let what = match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => {
            "a core module (build for the target wasm32-wasip2, or wrap it with wasm-tools component new)"
        }
        [] => "an empty file",
        _ => "a file of another kind",
    };
    Err(Error::NotAComponent { plugin: plugin.to_owned(), what })
}

/// A plugin runs on hosts of the contract's version that it was built against, and on
/// newer ones of the same major version. Versions 0.x are major ones by their second number;
/// what comes before a release is a contract of its own.
///
/// Returns the version that the names speak of, the newest of several.
fn check_contract(
    names: impl Iterator<Item = String>,
    plugin: &str,
) -> Result<Option<semver::Version>> {
    let version = |name: &str| semver::Version::parse(name.split_once('@')?.1).ok();
    let track = |version: &semver::Version| match version.major {
        0 => (0, version.minor, version.pre.clone()),
        major => (major, 0, version.pre.clone()),
    };
    let ours = version(PACKAGE);
    let mut newest = None;
    for name in names.filter(|name| name.starts_with(NAMESPACE)) {
        let theirs = version(&name);
        if theirs.as_ref().map(track) != ours.as_ref().map(track) {
            return Err(Error::OtherContract { plugin: plugin.to_owned(), theirs: name });
        }
        if theirs > ours {
            return Err(Error::NewerContract { plugin: plugin.to_owned(), theirs: name });
        }
        newest = newest.max(theirs);
    }
    Ok(newest)
}

/// Advances the engine's epoch. Without it no deadline of any guest ever comes.
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    fn start(engine: Engine) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        });
        Self { stop }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_components_from_modules_and_other_files() {
        assert!(check_header(b"\0asm\x0d\0\x01\0", "p").is_ok());
        let refused = |bytes| check_header(bytes, "p").unwrap_err().to_string();
        assert!(refused(b"\0asm\x01\0\0\0").contains("a core module"));
        assert!(refused(b"#!/bin/sh").contains("another kind"));
        assert!(refused(b"").contains("an empty file"));
        assert!(refused(b"\0asm").contains("another kind"));
    }

    #[test]
    fn only_our_track_of_the_contract_is_taken() {
        let check = |name: &str| check_contract([name.to_owned()].into_iter(), "p");
        assert!(check("tessallite:up/docker@0.1.0").is_ok());
        let newer = check("tessallite:up/docker@0.1.7");
        assert!(matches!(newer, Err(Error::NewerContract { .. })));
        assert!(check("wasi:io/streams@0.2.3").is_ok());
        assert!(check("tessallite:up/docker@0.2.0").is_err());
        assert!(check("tessallite:up/docker@1.0.0").is_err());
        assert!(check("tessallite:up/docker").is_err());
        assert!(check("tessallite:up/docker@0.1.0-rc.1").is_err());
    }

    #[test]
    fn the_version_is_the_newest_that_is_named() {
        let names = ["wasi:io/streams@0.2.3", "tessallite:up/a@0.1.0", "tessallite:up/b@0.1.0"];
        let found = check_contract(names.map(str::to_owned).into_iter(), "p").unwrap();
        assert_eq!(found.unwrap().to_string(), "0.1.0");
        assert_eq!(check_contract(std::iter::empty(), "p").unwrap(), None);
    }
}
