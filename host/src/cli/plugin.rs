//! `plugin`: list, inspect, lock, keygen, sign, verify.

pub mod args;
mod inspect;
mod keys;
mod list;
mod lock;
mod verify;
mod words;

use self::args::{Command, Plugin};
use super::args::Global;
use super::error::Result;
use super::{exit_code, load, session};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Plugin) -> Result<u8> {
    let output = global.output;
    match &args.command {
        Command::List => list::run(output),
        Command::Keygen(keygen) => keys::keygen(output, keygen)?,
        Command::Sign(sign) => keys::sign(output, sign)?,
        Command::Inspect(one) => inspect::run(output, &Bench::new(global)?, &one.plugin).await?,
        Command::Verify(one) => verify::run(output, &Bench::new(global)?, &one.plugin).await?,
        Command::Lock(lock) => lock::run(output, Bench::new(global)?, &lock.plugins).await?,
    }
    Ok(exit_code::DONE)
}

/// What a plugin is looked at with.
struct Bench {
    settings: Settings,
    runtime: crate::plugin::Runtime,
    trust: crate::plugin::Trust,
}

impl Bench {
    fn new(global: &Global) -> Result<Self> {
        let settings = Settings::resolve(global.flags())?;
        let (runtime, trust) = (session::runtime()?, load::trust(&settings)?);
        Ok(Self { settings, runtime, trust })
    }
}

#[cfg(test)]
mod tests;
