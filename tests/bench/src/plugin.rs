//! Plugins: loading, instantiating and calling one, beside the same in bare wasmtime, in
//! turns.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tessallite_up::capability::conduct::{Begun, Call, Open, Ticket};
use tessallite_up::capability::{self, Conduct, Notice};
use tessallite_up::contract::{Effect, Intent, Request, Setting, Upgrade};
use tessallite_up::engine::{self, Audit};
use tessallite_up::plugin::{BUNDLED, Caller, Compiler, Limits, Runtime, Source};
use tessallite_up::policy::Policy;
use tessallite_up::report::{Event, Reporter};

use crate::bare::Bare;
use crate::table::Table;
use crate::{Places, Result, median, succeed};

const COLD: usize = 7;
const WARM: usize = 101;
const INSTANCES: usize = 1001;
const PROCESSES: usize = 11;
const ROUNDS_OF_READS: usize = 31;
const READS: u32 = 20_000;
const GOAL: &str = "≤ 1.2";

/// Allows every read and records nothing.
struct Allowing;

impl Conduct for Allowing {
    fn read(&self, _: &Call<'_>) -> capability::Result<Option<Box<Open>>> {
        Ok(None)
    }

    fn begin(&self, effect: &Effect) -> capability::Result<Begun> {
        Err(capability::Error::denied(effect.function()))
    }

    fn finish(
        &self,
        _: Ticket,
        _: capability::Result<&Value, &capability::Error>,
    ) -> capability::Result<()> {
        Ok(())
    }

    fn notify(&self, _: Notice) {}
}

pub async fn measure(places: &Places, table: &mut Table) -> Result<()> {
    let bytes = BUNDLED.first().ok_or("no plugin is bundled")?.component;
    let directory = tempfile::tempdir_in(&places.target)?;
    load(bytes, directory.path(), table).await?;
    call(bytes, directory.path(), table).await?;
    reads(places, table)?;
    gates(places, table).await
}

async fn load(bytes: &[u8], directory: &Path, table: &mut Table) -> Result<()> {
    let bare = Bare::new()?;
    let file = directory.join("bare.cwasm");
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for round in 0..COLD {
        let runtime = runtime(Some(&directory.join(round.to_string())))?;
        ours.push(timed(async || Ok(runtime.load(&Source::Bundled("compose")).await?)).await?);
        beside.push(timed(async || bare.ready(&bare.compile(bytes)?)).await?);
    }
    table.times("plugin: cold load", median(ours)?, median(beside)?, GOAL);
    Bare::save(&bare.compile(bytes)?, &file)?;
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    let runtime = runtime(Some(&directory.join("0")))?;
    for _ in 0..WARM {
        ours.push(timed(async || Ok(runtime.load(&Source::Bundled("compose")).await?)).await?);
        beside.push(timed(async || bare.ready(&bare.load(&file)?)).await?);
    }
    table.times("plugin: warm load from the cache", median(ours)?, median(beside)?, GOAL);
    Ok(())
}

async fn call(bytes: &[u8], directory: &Path, table: &mut Table) -> Result<()> {
    let component = runtime(Some(&directory.join("0")))?.load(&Source::Bundled("compose")).await?;
    let bare = Bare::new()?;
    let ready = bare.ready(&bare.compile(bytes)?)?;
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..INSTANCES {
        let began = Instant::now();
        component.describe(&caller()).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        bare.describe(&ready).await?;
        beside.push(began.elapsed());
    }
    table.times("plugin: instantiate and call describe", median(ours)?, median(beside)?, GOAL);
    Ok(())
}

/// The process with the middle ratio: where things lie in memory differs from one process
/// to the next, and for a call of 200 ns makes as much of a difference as the program does.
fn reads(places: &Places, table: &mut Table) -> Result<()> {
    let one = |_| {
        let told = succeed(&mut places.again(READS_PART)?)?;
        let times = told.split_whitespace().map(|time| Ok(Duration::from_nanos(time.parse()?)));
        match times.collect::<Result<Vec<_>>>()?[..] {
            [ours, beside] => Ok((ours, beside)),
            _ => Err(format!("instead of two times: {told:?}").into()),
        }
    };
    let mut processes = (0..PROCESSES).map(one).collect::<Result<Vec<_>>>()?;
    let ratio = |(ours, beside): &(Duration, Duration)| ours.as_secs_f64() / beside.as_secs_f64();
    processes.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let ratios: Vec<_> = processes.iter().map(|times| format!("{:.2}", ratio(times))).collect();
    eprintln!("bench: one read call and back, each process: {}", ratios.join(" "));
    let (ours, beside) = processes[PROCESSES / 2];
    table.calls("plugin: one read call and back", READS, ours, beside, GOAL);
    Ok(())
}

/// Names what a process does that only makes reads.
pub const READS_PART: &str = "reads";

/// Many reads in one call into the plugin, so that the call itself does not count: ours,
/// and those beside them.
pub async fn reads_here(places: &Places) -> Result<(Duration, Duration)> {
    let file = guest(places);
    let bare = Bare::new()?;
    let ready = bare.ready(&bare.compile(&std::fs::read(&file)?)?)?;
    let component = runtime(None)?.load(&Source::File(file)).await?;
    let request = request();
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS_OF_READS {
        let began = Instant::now();
        let plan = component.make_plan(&caller(), &request).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        let bare_plan = bare.make_plan(&ready, &request).await?;
        beside.push(began.elapsed());
        same(&plan, &bare_plan)?;
    }
    Ok((median(ours)?, median(beside)?))
}

/// The same calls with policy and audit log, beside those without.
async fn gates(places: &Places, table: &mut Table) -> Result<()> {
    let component = runtime(None)?.load(&Source::File(guest(places))).await?;
    let request = request();
    let state = tempfile::tempdir()?;
    let audit = Arc::new(Audit::begin(state.path(), "bench")?);
    let grants = toml::from_str("docker = { actions = [\"logs\"], services = [\"gateway\"] }")?;
    let policy = Policy::new("bench-guest", ["docker.logs"], grants);
    let conduct = engine::planning(&policy, audit, Arc::new(Silent));
    let gated = Caller { conduct, ..caller() };
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS_OF_READS {
        let began = Instant::now();
        let plan = component.make_plan(&gated, &request).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        let free = component.make_plan(&caller(), &request).await?;
        beside.push(began.elapsed());
        same(&plan, &free)?;
    }
    let what = "plugin: one read call with policy and audit log";
    table.calls(what, READS, median(ours)?, median(beside)?, "≤ 3 µs more");
    Ok(())
}

fn guest(places: &Places) -> PathBuf {
    places.target.join("wasm32-wasip2/release/bench_guest.wasm")
}

fn same(ours: &impl Debug, beside: &impl Debug) -> Result<()> {
    let (ours, beside) = (format!("{ours:?}"), format!("{beside:?}"));
    if ours == beside {
        Ok(())
    } else {
        Err(format!("the two sides differ: {ours}, {beside}").into())
    }
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

/// Compiling in a process of its own is no part of what wasmtime does beside it.
fn runtime(cache: Option<&Path>) -> Result<Runtime> {
    Ok(Runtime::new(cache.map(Path::to_owned), Limits::default(), Compiler::InProcess)?)
}

async fn timed<T>(work: impl AsyncFnOnce() -> Result<T>) -> Result<Duration> {
    let began = Instant::now();
    let done = work().await?;
    let elapsed = began.elapsed();
    drop(done);
    Ok(elapsed)
}

fn caller() -> Caller {
    Caller { services: None, conduct: Arc::new(Allowing), run: "bench".to_owned() }
}

fn request() -> Request {
    let calls = Setting { name: "calls".to_owned(), value: READS.to_string() };
    let upgrade = Upgrade {
        version: None,
        migration: None,
        oldest: None,
        keeps_compatibility: false,
        images: Vec::new(),
    };
    Request {
        run: "bench".to_owned(),
        intent: Intent::Upgrade(upgrade),
        settings: vec![calls],
        base: None,
    }
}
