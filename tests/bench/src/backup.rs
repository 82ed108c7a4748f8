//! The backup of a large database beside `pg_dump`, in both of its formats.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tessallite_up::capability::docker::types::Location;
use tessallite_up::engine::{Installation, Kind, Target};

use crate::table::{Table, size};
use crate::{Places, Result, median, succeed};

const MEGABYTES: &str = "300";
const ROUNDS: usize = 3;

#[derive(Default)]
struct Side {
    times: Vec<Duration>,
    bytes: u64,
}

pub async fn measure(places: &Places, table: &mut Table) -> Result<()> {
    succeed(&mut places.command("reset"))?;
    succeed(places.command("load").arg(MEGABYTES))?;
    let kept = tempfile::tempdir_in(&places.target)?;
    let installation = connect(places, kept.path()).await?;
    let idle = memory("VmRSS")?;
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (mut ours, mut custom, mut plain) = (Side::default(), Side::default(), Side::default());
    for round in 1..=ROUNDS {
        eprintln!("bench: backup, round {round} of {ROUNDS}");
        dump_with(places, &kept.path().join("custom"), "-Fc", &mut custom)?;
        dump_with(places, &kept.path().join("plain"), "-Fp", &mut plain)?;
        let label = format!("round-{round}");
        let began = Instant::now();
        let dumps = &installation.services.backups;
        let backup = dumps.dump("internal", &label, BTreeMap::new(), &|_| {}).await?;
        ours.times.push(began.elapsed());
        ours.bytes = backup.bytes;
    }
    let peak = memory("VmHWM")?.saturating_sub(idle);
    let time = |side: &Side| median(side.times.clone());
    table.times("backup of 300 MB / pg_dump -Fc", time(&ours)?, time(&custom)?, "≤ 0.5");
    table.times("backup of 300 MB / plain pg_dump", time(&ours)?, time(&plain)?, "≤ 1.25");
    table.sizes("backup: file / that of -Fc", ours.bytes, custom.bytes, "≤ 1");
    table.alone("backup: peak memory above idle", &size(peak), "< 48 MiB");
    Ok(())
}

async fn connect(places: &Places, backup_dir: &Path) -> Result<Installation> {
    let location = Location {
        project_dir: places.installation.clone(),
        files: Vec::new(),
        project_name: None,
        profiles: Vec::new(),
        env_files: Vec::new(),
    };
    let target = Target {
        recipients: Vec::new(),
        identity: None,
        kind: Kind::Compose(location),
        project_dir: places.installation.clone(),
        state_dir: backup_dir.join("state"),
        backup_dir: backup_dir.join("ours"),
        connections: BTreeMap::new(),
        database_service: None,
    };
    Ok(Installation::connect(target).await?)
}

/// As the written procedure has it, but for `-T`.
fn dump_with(places: &Places, file: &Path, format: &str, side: &mut Side) -> Result<()> {
    let dump =
        "exec docker compose exec -T postgres pg_dump -U tessallite \"$1\" tessallite >\"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", dump]).arg(file).arg(format).current_dir(&places.installation);
    let began = Instant::now();
    succeed(&mut command)?;
    side.times.push(began.elapsed());
    side.bytes = std::fs::metadata(file)?.len();
    Ok(())
}

/// A line of this process's status, in bytes.
fn memory(what: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no such line")?;
    Ok(kib.trim().parse::<u64>()? << 10)
}
