//! `plan`: make the plan and show it.

use super::args::{Global, Plan};
use super::display::Display;
use super::error::{Failure, Result};
use super::{exit_code, session};
use crate::settings::Settings;

pub async fn run(global: &Global, args: &Plan) -> Result<u8> {
    let settings = Settings::resolve(args.request.flags(global))?;
    let display = Display::new(global.output);
    let prepared = match session::prepare(&settings, display.reporter()).await {
        Ok(prepared) => prepared,
        Err(failure) if failure.code == exit_code::DONE => {
            display.nothing_to_do(&failure.text);
            return Ok(exit_code::DONE);
        }
        Err(failure) => return Err(failure),
    };
    display.plan(&prepared.plan.view());
    if let Some(path) = &args.out {
        let write = || {
            let text = serde_json::to_vec_pretty(&prepared.plan)?;
            crate::engine::write_whole(path, &text)
        };
        write().map_err(|error: std::io::Error| {
            Failure::usage(format!("writing the plan to {}: {error}", path.display()))
        })?;
    }
    Ok(exit_code::DONE)
}
