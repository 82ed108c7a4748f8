//! `completions`: the completion script of a shell.

use clap::CommandFactory as _;

use super::args::{Args, Completions};
use super::exit_code;

pub fn run(completions: &Completions) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Args::command(), "tessallite-up", &mut script);
    super::display::print(&String::from_utf8_lossy(&script));
    exit_code::DONE
}
