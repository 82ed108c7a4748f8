//! `doctor`: how this process is confined, and the preflight alone.

use super::args::{Global, Request};
use super::display::Display;
use super::error::Result;
use super::exit_code;
use super::session::Session;
use crate::confine;
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Request) -> Result<u8> {
    let mut flags = args.flags(global);
    flags.named.insert("check-only", "true".to_owned());
    let settings = Settings::resolve(flags)?;
    let display = Display::new(global.output);
    if let Some(status) = confine::status() {
        display.confinement(status);
    }
    if let Some(prepared) = Session::open(&settings).await?.prepare(&settings, &display).await? {
        display.healthy(&prepared.plan.view());
    }
    Ok(exit_code::DONE)
}
