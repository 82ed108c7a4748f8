//! Ending a program that nobody reads any longer.
//!
//! The engine has no call for it, and leaves a program whose reader is gone blocked in
//! its next write for ever: an abandoned `pg_dump` would keep its locks, and the next
//! migration would wait for them.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::runtime::Handle;

use crate::capability::docker::client::Client;

/// Asks the program to end, in the background; best effort, and only where the engine's
/// process numbers are ours.
pub(super) fn end(client: Client, exec: String) {
    // There is no runtime any longer when the whole program ends.
    let Ok(runtime) = Handle::try_current() else { return };
    if client.inner.facts.is_local {
        runtime.spawn(async move {
            if let Some(pid) = process(&client, &exec).await {
                // It may have ended meanwhile, or belong to another user.
                let _ = kill_process_group(pid, Signal::TERM);
                let _ = kill_process(pid, Signal::TERM);
            }
        });
    }
}

/// The process, when it still runs, and in the container that it should be in: a number
/// alone may by now be that of another.
async fn process(client: &Client, exec: &str) -> Option<Pid> {
    let state = client.docker().inspect_exec(exec).await.ok()?;
    let raw = i32::try_from(state.pid?).ok().filter(|_| state.running == Some(true))?;
    let groups = tokio::fs::read_to_string(format!("/proc/{raw}/cgroup")).await.ok()?;
    let container = state.container_id.filter(|id| !id.is_empty())?;
    Pid::from_raw(raw).filter(|_| groups.contains(&container))
}
