//! What can be wrong with a release. The tags of the images carry the same names.

use std::process::exit;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use crate::identity::Identity;
use crate::role::Role;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Exits a second after the start, for ever.
    Crash,
    /// Runs, and answers 503 for ever.
    Sick,
    /// The migration commits half of its work, then fails.
    Halfway,
    /// One tenant cannot be migrated.
    Stranded,
    /// Takes its time before it serves.
    Slow,
    /// Becomes healthy, and exits 3 seconds later.
    Late,
}

impl Fault {
    pub(crate) fn parse(name: &str) -> Result<Option<Self>, String> {
        Ok(Some(match name {
            "" => return Ok(None),
            "crash" => Self::Crash,
            "sick" => Self::Sick,
            "halfway" => Self::Halfway,
            "stranded" => Self::Stranded,
            "slow" => Self::Slow,
            "late" => Self::Late,
            _ => return Err(format!("FAULT: no fault is called {name:?}")),
        }))
    }
}

pub(crate) fn before_serving(identity: &Identity) {
    if identity.fault == Some(Fault::Slow) {
        let seconds = if identity.role == Role::ModelService { 8 } else { 3 };
        println!("warming up for {seconds} s");
        thread::sleep(Duration::from_secs(seconds));
    }
}

pub(crate) fn once_serving(identity: &Identity) {
    if identity.fault == Some(Fault::Crash) {
        exit_after(Duration::from_secs(1), "fatal: cannot allocate the plan cache");
    }
}

pub(crate) fn once_healthy(identity: &Identity) {
    static FIRST_TIME: Once = Once::new();
    if identity.fault == Some(Fault::Late) {
        FIRST_TIME.call_once(|| {
            exit_after(Duration::from_secs(3), "fatal: session table corrupted");
        });
    }
}

fn exit_after(delay: Duration, reason: &'static str) {
    thread::spawn(move || {
        thread::sleep(delay);
        eprintln!("{reason}");
        exit(1);
    });
}
