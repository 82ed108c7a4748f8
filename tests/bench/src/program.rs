//! The program itself: how fast it starts, how large it is.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::table::{Table, size};
use crate::{Places, Result, median, succeed};

const STARTS: usize = 101;

pub fn measure(places: &Places, table: &mut Table) -> Result<()> {
    let program = places.program();
    let started = starts(|| Command::new(&program), "--version")?;
    // What it costs to start anything at all.
    let nothing = starts(|| Command::new("true"), "")?;
    table.times("program: --version / true", started, nothing, "< 15 ms");
    let bytes = std::fs::metadata(&program)?.len();
    table.alone("program: size of the release build", &size(bytes), "< 30 MB");
    Ok(())
}

fn starts(program: impl Fn() -> Command, argument: &str) -> Result<Duration> {
    let one = |_| {
        let began = Instant::now();
        succeed(program().args(Some(argument).filter(|text| !text.is_empty())))?;
        Ok(began.elapsed())
    };
    median((0..STARTS).map(one).collect::<Result<Vec<_>>>()?)
}
