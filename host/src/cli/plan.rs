//! `plan`: make the plan and show it.

use super::args::{Global, Plan};
use super::display::Display;
use super::error::{Failure, Result};
use super::exit_code;
use super::session::Session;
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Plan) -> Result<u8> {
    let settings = Settings::resolve(args.request.flags(global))?;
    let display = Display::new(global.output);
    let Some(prepared) = Session::open(&settings).await?.prepare(&settings, &display).await? else {
        return Ok(exit_code::DONE);
    };
    display.plan(&prepared.plan.view());
    if let Some(path) = &args.out {
        let write = || {
            let text = serde_json::to_vec_pretty(&prepared.plan)?;
            crate::files::write_whole(path, &text)
        };
        write().map_err(|error: std::io::Error| {
            Failure::usage(format!("writing the plan to {}: {error}", path.display()))
        })?;
    }
    Ok(exit_code::DONE)
}
