//! The same upgrade on Google Cloud by the real gcloud CLI, as the written procedure says,
//! and by the program: in turns, each on a fresh fake of the same kind.

use std::process::Command;
use std::time::Duration;

use tessallite_up_gcp::{Fake, Setup};

use crate::table::Table;
use crate::{Places, Result, median, succeed};

const ROUNDS: usize = 3;
const VERSION: &str = "2.0.0";
const MIGRATION: &str = "0008";

#[derive(Default)]
struct Side {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Side {
    fn wall(&self) -> Result<Duration> {
        median(self.wall.clone())
    }

    fn cpu(&self) -> Result<Duration> {
        median(self.cpu.clone())
    }
}

pub fn measure(places: &Places, table: &mut Table) -> Result<()> {
    if succeed(Command::new("gcloud").arg("--version")).is_err() {
        table.alone("cloud: the gcloud CLI is not installed", "not measured", "");
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let (mut ours, mut side_by_side, mut gcloud) =
        (Side::default(), Side::default(), Side::default());
    let mut requests = Vec::new();
    // The procedure is compiled once, as on an operator's machine.
    by_program(places, home.path(), &[], &mut Side::default())?;
    for round in 1..=ROUNDS {
        eprintln!("bench: cloud, round {round} of {ROUNDS}");
        by_gcloud(places, home.path(), &mut gcloud)?;
        requests.push(by_program(places, home.path(), &[], &mut ours)?);
        by_program(places, home.path(), &["--parallel"], &mut side_by_side)?;
    }
    let ratio = "gcloud's ≥ 15 times";
    table.times("cloud: wall time / gcloud", ours.wall()?, gcloud.wall()?, ratio);
    let what = "cloud, --parallel: wall time / gcloud";
    table.times(what, side_by_side.wall()?, gcloud.wall()?, ratio);
    table.times("cloud: CPU time / gcloud", ours.cpu()?, gcloud.cpu()?, "gcloud's ≥ 30 times");
    let Requests { api, polls, services } = median(requests)?;
    table.alone("cloud: requests per service", &(api / services).to_string(), "≤ 25");
    let per_minute = Duration::from_secs(60).div_duration_f64(ours.wall()?) * polls as f64;
    let polls = format!("{polls}, {per_minute:.0} per minute of a run this short");
    table.alone("cloud: questions about operations", &polls, "≤ 30 per minute of waiting");
    Ok(())
}

/// To the APIs, the services' own addresses left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Requests {
    api: usize,
    polls: usize,
    services: usize,
}

fn by_program(
    places: &Places,
    home: &std::path::Path,
    more: &[&str],
    side: &mut Side,
) -> Result<Requests> {
    let (fake, setup) = fresh()?;
    let dir = tempfile::tempdir()?;
    let mut command = timed();
    command.arg(places.program()).args(["--plugin", "cloudrun", "--yes", "--soak", "0"]);
    command.args(["--to", VERSION, "--expect-migration", MIGRATION]).args(more);
    command.args(["--gcp-region", &setup.region, "--gcp-instance", &setup.instance]);
    command.args(["--gcp-repository", &setup.repository]);
    command.envs(fake.environment()).env("HOME", home).current_dir(dir.path());
    record(&mut command, side)?;
    check(&fake)?;
    let api = fake.requests().iter().filter(|r| !r.path.starts_with("/_run/")).count();
    let polls = fake.count("GET", "*/operations/*") + fake.count("POST", "*/operations/*");
    Ok(Requests { api, polls, services: setup.services.len() })
}

fn by_gcloud(places: &Places, home: &std::path::Path, side: &mut Side) -> Result<()> {
    let (fake, setup) = fresh()?;
    let mut command = timed();
    command.arg(places.root.join("tests/bench/cloud-procedure")).args([VERSION, MIGRATION]);
    command.args([&setup.region, &setup.instance, &setup.repository]);
    command.envs(fake.gcloud_environment()).env("CLOUDSDK_CONFIG", home.join("gcloud"));
    command.env("HOME", home);
    record(&mut command, side)?;
    check(&fake)
}

fn fresh() -> Result<(Fake, Setup)> {
    let setup = Setup::default();
    Ok((Fake::start(setup.clone())?, setup))
}

/// Both have to have done it.
fn check(fake: &Fake) -> Result<()> {
    let serving = fake.serving("gateway");
    if fake.migration() != MIGRATION || !serving.iter().all(|(image, _)| image.contains(VERSION)) {
        return Err(format!("gateway serves {serving:?}, db_migration {}", fake.migration()).into());
    }
    Ok(())
}

/// A command that tells on its last line how long its arguments took, and how much CPU.
fn timed() -> Command {
    let script = "TIMEFORMAT='%R %U %S'; time \"$@\" >/dev/null";
    let mut command = Command::new("bash");
    command.args(["-e", "-c", script, "bash"]);
    command
}

fn record(command: &mut Command, side: &mut Side) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{said}", output.status).into());
    }
    let times: Vec<f64> = said
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .map(|number| number.replace(',', ".").parse())
        .collect::<Result<_, _>>()?;
    let [wall, user, system] = times[..] else { return Err(format!("no times: {said}").into()) };
    side.wall.push(Duration::from_secs_f64(wall));
    side.cpu.push(Duration::from_secs_f64(user + system));
    Ok(())
}
