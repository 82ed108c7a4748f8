//! The whole upgrade beside the written procedure as a script, in turns, from the same
//! snapshot of one installation.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::probe::{Probes, SERVICES};
use crate::table::Table;
use crate::{Places, Result, median, succeed};

const ROUNDS: usize = 5;
/// In which the services are asked meanwhile.
const WATCHED_ROUNDS: usize = 3;
const VERSION: &str = "1.5.0";
const MIGRATION: &str = "0008";

/// Before and behind what is measured.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Side {
    totals: Vec<Duration>,
    /// With the services asked meanwhile, which costs more the longer they are there to answer.
    watched: Vec<Duration>,
    away: BTreeMap<&'static str, Vec<Duration>>,
}

impl Side {
    fn away(&self, service: &str) -> Result<Duration> {
        median(self.away.get(service).cloned().unwrap_or_default())
    }
}

pub fn measure(places: &Places, table: &mut Table) -> Result<()> {
    let (mut ours, mut script) = (Side::default(), Side::default());
    for round in 1..=ROUNDS {
        eprintln!("bench: upgrade, round {round} of {ROUNDS}");
        script.totals.push(timed(places, &mut procedure(places))?);
        ours.totals.push(timed(places, &mut program(places))?);
    }
    for round in 1..=WATCHED_ROUNDS {
        eprintln!("bench: upgrade, watched, round {round} of {WATCHED_ROUNDS}");
        watched(places, &mut procedure(places), &mut script)?;
        watched(places, &mut program(places), &mut ours)?;
    }
    let total = |side: &Side| median(side.totals.clone());
    table.times("upgrade, soak 0: whole run / script", total(&ours)?, total(&script)?, "≤ 1");
    let total = |side: &Side| median(side.watched.clone());
    let what = "upgrade, soak 0, services asked meanwhile: whole run / script";
    table.times(what, total(&ours)?, total(&script)?, "");
    let (mut sum_ours, mut sum_script) = (Duration::ZERO, Duration::ZERO);
    for (service, _) in SERVICES {
        let (ours, script) = (ours.away(service)?, script.away(service)?);
        table.times(&format!("upgrade: {service} unavailable"), ours, script, "");
        sum_ours += ours;
        sum_script += script;
    }
    let services = u32::try_from(SERVICES.len())?;
    let what = "upgrade: unavailable, mean of the services";
    table.times(what, sum_ours / services, sum_script / services, "≤ 0.5");
    Ok(())
}

fn procedure(places: &Places) -> Command {
    let mut procedure = Command::new(places.root.join("tests/bench/procedure"));
    procedure.arg(&places.installation).args([VERSION, MIGRATION]);
    procedure
}

fn program(places: &Places) -> Command {
    let mut program = Command::new(places.program());
    program.arg("--project-dir").arg(&places.installation).args(["--yes", "--soak", "0"]);
    program.args(["--to", VERSION, "--expect-migration", MIGRATION]);
    program
}

fn timed(places: &Places, command: &mut Command) -> Result<Duration> {
    succeed(&mut places.command("reset"))?;
    wait_until_healthy()?;
    std::thread::sleep(QUIET);
    let began = Instant::now();
    succeed(command)?;
    Ok(began.elapsed())
}

/// Adds the time that it took, and for how long each service was away.
fn watched(places: &Places, command: &mut Command, side: &mut Side) -> Result<()> {
    succeed(&mut places.command("reset"))?;
    wait_until_healthy()?;
    let probes = Probes::start();
    std::thread::sleep(QUIET);
    let began = Instant::now();
    let done = succeed(command);
    let total = began.elapsed();
    std::thread::sleep(QUIET);
    let away = probes.finish();
    done?;
    side.watched.push(total);
    for (service, away) in away {
        side.away.entry(service).or_default().push(away);
    }
    Ok(())
}

/// By the containers' own health checks, which the program looks at.
fn wait_until_healthy() -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut list = Command::new("docker");
        list.args(["ps", "--quiet", "--filter", "health=starting"]);
        list.args(["--filter", "label=com.docker.compose.project=tessallite-bench"]);
        if list.output()?.stdout.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the installation does not become healthy".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
