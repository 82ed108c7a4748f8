//! Plays the services of Tessallite in the tests. The image says, through its
//! environment, which service it is, which release, and what is wrong with it.

mod database;
mod fault;
mod health;
mod http;
mod identity;
mod migration;
mod role;
mod scheduler;

use std::process::{ExitCode, exit};
use std::thread;

use identity::Identity;
use role::Role;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    let outcome =
        Identity::from_env().and_then(|identity| match std::env::args().nth(1).as_deref() {
            None => serve(identity),
            Some("healthcheck") => health::check_own_container(&identity),
            Some(other) => Err(format!("unknown command {other:?}")),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn serve(identity: Identity) -> Result<(), String> {
    stop_on_signal()?;
    println!("{} {} starting", identity.role.name(), identity.version);
    fault::before_serving(&identity);
    match identity.role {
        Role::ModelService => migration::bring_up_to_date(&identity)?,
        Role::Scheduler => scheduler::start_writing_if_asked(),
        Role::Gateway => http::accept_and_hold(role::GATEWAY_JDBC_PORT)?,
        _ => {}
    }
    fault::once_serving(&identity);
    http::serve(identity.role.port(), move |path| health::answer(&identity, path))
}

/// PID 1 has no default action for signals: without this, every stop would
/// last for the whole grace period.
fn stop_on_signal() -> Result<(), String> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|e| format!("cannot listen for signals: {e}"))?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            println!("stopping");
            exit(0);
        }
    });
    Ok(())
}
