//! Ctrl-C and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::{Failure, Result};
use super::exit_code;

/// The first signal turns the flag true: the run finishes the effect under way and
/// stops. The second one ends the program at once.
///
/// # Errors
/// The handlers cannot be installed.
pub fn listen() -> Result<watch::Receiver<bool>> {
    let failed = |error| Failure::defect(format!("listening for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // A terminal that closes stops nothing: the upgrade goes on, and its record with it.
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => continue,
            }
            if asked {
                std::process::exit(exit_code::INTERRUPTED.into());
            }
            asked = true;
            super::display::note("Stopping after the effect under way. Once more: leave at once.");
            if sender.send(true).is_err() {
                std::process::exit(exit_code::INTERRUPTED.into());
            }
        }
    });
    Ok(receiver)
}
