//! What the exit code of the program means.

use crate::report::event::Ending;

/// Everything was done and verified, or there was nothing to do.
pub const DONE: u8 = 0;
/// A defect of this program.
pub const DEFECT: u8 = 1;
/// The command line or the configuration makes no sense.
pub const USAGE: u8 = 2;
/// The preflight refused, or the run failed before it changed the installation.
pub const REFUSED: u8 = 3;
/// The approved plan, or the policy, did not allow what a plugin wanted.
pub const DENIED: u8 = 4;
/// The upgrade failed and was rolled back: the installation is as before.
pub const ROLLED_BACK: u8 = 5;
/// The upgrade failed and was not, or not fully, rolled back.
pub const FAILED: u8 = 6;
/// Another run holds the lock.
pub const LOCKED: u8 = 7;
/// Interrupted by the operator.
pub const INTERRUPTED: u8 = 130;

/// Of a run.
pub fn of(ending: Ending) -> u8 {
    match ending {
        Ending::Done | Ending::NothingToDo => DONE,
        Ending::Denied => DENIED,
        Ending::FailedUntouched => REFUSED,
        Ending::RolledBack => ROLLED_BACK,
        Ending::Failed => FAILED,
        Ending::Interrupted => INTERRUPTED,
    }
}
