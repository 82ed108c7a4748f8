//! `approve`: an operator's signature over a plan's file.

use super::approval::PlanFile;
use super::args::{Approve, Global};
use super::display::{Display, note};
use super::error::{Failure, Result};
use super::{exit_code, key, recorded};
use crate::files::write_whole_for_all;
use crate::signature;
use crate::text::{hex, one_line};

pub fn run(global: &Global, args: &Approve) -> Result<u8> {
    let file = PlanFile::read(&args.plan)?;
    let display = Display::new(global.output);
    display.plan(&file.plan.view());
    for plugin in &file.plan.plugins {
        display.say(&format!("{}, sha256:{}", one_line(&plugin.name), one_line(&plugin.digest)));
        for line in plugin.policy.grants.lines(&plugin.name) {
            display.say(&format!("  {}", one_line(&line)));
        }
    }
    let place = one_line(&file.plan.place);
    display.say(&format!("made at {place}, sha256:{} of the file", digest(&file.bytes)));
    if !args.yes && !recorded::can_ask(global.output) {
        return Err(Failure::usage("there is no terminal to ask on, and --yes was not given"));
    }
    if !args.yes && !display.ask("Approve exactly this plan?") {
        return Ok(recorded::nothing_done());
    }
    let secret = key::open(&args.key, args.password.password_file.as_deref())?;
    let comment = format!("plan of run {}, sha256 {}", file.plan.run, digest(&file.bytes));
    let signature = secret.sign(&file.bytes, &comment)?;
    let id = signature::key_id(&signature)
        .ok_or_else(|| Failure::defect("a signature without a key"))?;
    let path = file.approval(&id);
    write_whole_for_all(&path, signature.as_bytes())
        .map_err(|error| Failure::usage(format!("writing {}: {error}", path.display())))?;
    note(&format!("Approved: {}", path.display()));
    Ok(exit_code::DONE)
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}
