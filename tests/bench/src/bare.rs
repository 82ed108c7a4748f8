//! The same in bare wasmtime: no digest, no limits, no record, nothing checked.

use std::path::Path;

use tessallite_up::contract::{Description, Plugin, PluginPre, Proposal, Refusal, Request};
use wasmtime::component::{Component, ComponentType, Lift, Linker, Lower};
use wasmtime::{Config, Engine, Store};

use crate::Result;

/// What a refused read answers: as many bytes as the program's own answer.
pub const REFUSAL: &str = "there is no installation to speak to in this call";

/// The contract's `error`; only its first case is used.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum Refused {
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "conflict")]
    Conflict(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "timed-out")]
    TimedOut(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "failed")]
    Failed(String),
}

pub struct Bare {
    engine: Engine,
    linker: Linker<()>,
}

impl Bare {
    pub fn new() -> Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        let mut docker = linker.instance("tessallite:up/docker@0.1.0")?;
        docker.func_wrap_async("logs", |_, (_, _): (String, u32)| {
            let refused: Result<String, Refused> = Err(Refused::Denied(REFUSAL.to_owned()));
            Box::new(async move { Ok((refused,)) })
        })?;
        Ok(Self { engine, linker })
    }

    pub fn compile(&self, bytes: &[u8]) -> Result<Component> {
        Ok(Component::new(&self.engine, bytes)?)
    }

    /// # Errors
    /// Also for a file that another engine wrote.
    #[allow(unsafe_code)]
    pub fn load(&self, file: &Path) -> Result<Component> {
        let code = std::fs::read(file)?;
        // SAFETY: `save` wrote it a moment ago.
        Ok(unsafe { Component::deserialize(&self.engine, code) }?)
    }

    pub fn save(component: &Component, file: &Path) -> Result<()> {
        Ok(std::fs::write(file, component.serialize()?)?)
    }

    /// What is needed for instances of it.
    pub fn ready(&self, component: &Component) -> Result<PluginPre<()>> {
        let mut linker = self.linker.clone();
        linker.allow_shadowing(true);
        linker.define_unknown_imports_as_traps(component)?;
        Ok(PluginPre::new(linker.instantiate_pre(component)?)?)
    }

    async fn instance(&self, pre: &PluginPre<()>) -> Result<(Store<()>, Plugin)> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let plugin = pre.instantiate_async(&mut store).await?;
        Ok((store, plugin))
    }

    pub async fn describe(&self, pre: &PluginPre<()>) -> Result<Description> {
        let (mut store, plugin) = self.instance(pre).await?;
        Ok(plugin.tessallite_up_procedure().call_describe(&mut store).await?)
    }

    pub async fn make_plan(
        &self,
        pre: &PluginPre<()>,
        request: &Request,
    ) -> Result<Result<Proposal, Refusal>> {
        let (mut store, plugin) = self.instance(pre).await?;
        Ok(plugin.tessallite_up_procedure().call_make_plan(&mut store, request).await?)
    }
}
