//! One run at a time, of everybody whose engine it is.
//!
//! On Docker the lock is a container that is never started: its name is that of the project,
//! and the engine gives a name to one container only. On Google Cloud it is an annotation of
//! a service, set with its etag.

mod holder;
mod marks;
pub(super) mod process;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::marks::{Mark, Marks};
use super::{Error, Installation, Result};
use crate::capability;

pub use self::holder::Holder;
pub use self::process::Fate;

const TAKING: &str = "taking the lock of the installation";
/// Between two looks at a lock that is held.
const PAUSE: Duration = Duration::from_millis(500);
/// While another one removes it.
const MOMENT: Duration = Duration::from_millis(50);
/// So often a lock may be found gone, or left behind, and then be another one's after all,
/// before something else is wrong.
const MOST_TRIES: usize = 200;

/// Held by a run from before its plan until its end. A process that is killed leaves it
/// behind: the next run on the same machine sees that its owner is dead, and takes it.
#[must_use = "a lock that is not released stays"]
#[derive(Clone)]
pub struct Lock {
    marks: Marks,
    id: String,
}

/// What became of a lock that somebody wanted to be gone.
#[derive(Debug, PartialEq, Eq)]
pub enum Unlocked {
    NotLocked,
    Removed(Holder),
}

impl Lock {
    /// Takes the lock of the installation for a run, waiting at most this long for others.
    /// `waiting` is told whom it waits for, once each.
    ///
    /// # Errors
    /// `Locked`, or `Capability` where it cannot be made.
    pub async fn take(
        installation: &Installation,
        run: &str,
        wait: Duration,
        waiting: impl Fn(&Holder),
    ) -> Result<Self> {
        let marks = Marks::of(installation).await.map_err(failed)?;
        let labels = Holder::own(run, &installation.target.state_dir).labels();
        let deadline = Instant::now() + wait;
        let mut awaited = String::new();
        let mut tries = 0;
        while tries < MOST_TRIES {
            let Some((mark, holder)) = held(&marks).await? else {
                if let Some(id) = marks.create(&labels).await.map_err(failed)? {
                    // What was read before may be what the run before has replaced.
                    installation.look_again().await;
                    return Ok(Self { marks, id });
                }
                tries += 1;
                sleep(MOMENT).await;
                continue;
            };
            let fate = holder.fate(marks.is_of_an_engine());
            if fate == Fate::Dead {
                // Whoever else sees the same dead owner removes the same container, and
                // none that has come after it.
                marks.remove(&mark.id).await.map_err(failed)?;
                tries += 1;
                sleep(MOMENT).await;
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(locked(&marks, holder, fate));
            }
            if awaited != mark.id {
                waiting(&holder);
                awaited = mark.id;
            }
            tries = 0;
            sleep(PAUSE.min(left)).await;
        }
        Err(failed(capability::Error::unavailable(format!(
            "{} is there again and again, and then it is not",
            marks.place()
        ))))
    }

    /// Gives it back. One that is gone already is no error.
    ///
    /// # Errors
    /// `Capability`: it is left behind, and the next run takes it.
    pub async fn release(self) -> Result<()> {
        let doing = "releasing the lock of the installation";
        let removed = self.marks.remove(&self.id).await;
        removed.map_err(|source| Error::Capability { doing, source })
    }

    /// Removes the lock that a run has left behind.
    ///
    /// # Errors
    /// `Locked` when another run holds it, or when this one is alive.
    pub async fn remove(installation: &Installation, run: &str) -> Result<Unlocked> {
        let marks = Marks::of(installation).await.map_err(failed)?;
        let Some((mark, holder)) = held(&marks).await? else {
            return Ok(Unlocked::NotLocked);
        };
        let fate = holder.fate(marks.is_of_an_engine());
        if holder.run != run || fate == Fate::Alive {
            return Err(locked(&marks, holder, fate));
        }
        marks.remove(&mark.id).await.map_err(failed)?;
        Ok(Unlocked::Removed(holder))
    }

    /// Who holds the lock of the installation now, and what is known of that process.
    ///
    /// # Errors
    /// `Capability`.
    pub async fn holder(installation: &Installation) -> Result<Option<(Holder, Fate)>> {
        let marks = Marks::of(installation).await.map_err(failed)?;
        let held = held(&marks).await?;
        Ok(held.map(|(_, holder)| {
            let fate = holder.fate(marks.is_of_an_engine());
            (holder, fate)
        }))
    }
}

async fn held(marks: &Marks) -> Result<Option<(Mark, Holder)>> {
    let Some(mark) = marks.find().await.map_err(failed)? else { return Ok(None) };
    match Holder::of(&mark) {
        Some(holder) => Ok(Some((mark, holder))),
        None => Err(failed(marks.foreign())),
    }
}

fn locked(marks: &Marks, holder: Holder, fate: Fate) -> Error {
    let is_out_of_sight = fate == Fate::Unknown;
    let project = marks.project().to_owned();
    Error::Locked { project, holder: Box::new(holder), is_out_of_sight }
}

fn failed(source: capability::Error) -> Error {
    Error::Capability { doing: TAKING, source }
}
