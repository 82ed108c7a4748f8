//! `doctor`: the preflight alone.

use super::args::{Global, Request};
use super::display::Display;
use super::error::Result;
use super::{exit_code, session};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Request) -> Result<u8> {
    let mut flags = args.flags(global);
    flags.named.insert("check-only", "true".to_owned());
    let settings = Settings::resolve(flags)?;
    let display = Display::new(global.output);
    match session::prepare(&settings, display.reporter()).await {
        Ok(prepared) => display.healthy(&prepared.plan.view()),
        Err(failure) if failure.code == exit_code::DONE => display.nothing_to_do(&failure.text),
        Err(failure) => return Err(failure),
    }
    Ok(exit_code::DONE)
}
