//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::watch;

use super::error::{Failure, Result};
use super::exit_code;
use crate::engine::Lock;

/// A run does. Signals are the process's own, and so is this.
static IS_LISTENING: AtomicBool = AtomicBool::new(false);

/// Until a run listens, a signal ends the program at once: nothing has been begun. But a
/// lock is given back first: others would not see, from their machine, that we are gone.
///
/// # Errors
/// The handlers cannot be installed.
pub fn before_the_run(lock: Lock) -> Result<()> {
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        let is_hangup = signals.recv().await == Signal::Hangup;
        if IS_LISTENING.load(Ordering::Acquire) {
            return;
        }
        // An engine that does not answer keeps nobody.
        let _ = tokio::time::timeout(PATIENCE, lock.release()).await;
        if !is_hangup {
            super::display::note("\nNothing was done.");
        }
        std::process::exit(exit_code::INTERRUPTED.into());
    });
    Ok(())
}

/// How long the engine has to give the lock back.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Stop,
    Hangup,
}

struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| {
            let failed = |error| Failure::defect(format!("listening for signals: {error}"));
            signal(kind).map_err(failed)
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }
}

/// The first signal turns the flag true: the run finishes the effect under way and
/// stops. The second one ends the program at once.
///
/// # Errors
/// The handlers cannot be installed.
pub fn listen() -> Result<watch::Receiver<bool>> {
    let mut signals = Signals::new()?;
    IS_LISTENING.store(true, Ordering::Release);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            // A terminal that closes stops nothing: the upgrade goes on, and its record with it.
            if signals.recv().await == Signal::Hangup {
                continue;
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
