//! Ending a program that nobody reads any longer.
//!
//! The engine has no call for it, and leaves a program whose reader is gone blocked in
//! its next write for ever: an abandoned `pg_dump` would keep its locks, and the next
//! migration would wait for them.
//!
//! Children are ended before their parents. A process whose parent is gone becomes a child
//! of the container's first one; in PostgreSQL's images that is the postmaster, which takes
//! a stranger that was ended by a signal for a server process that crashed, and throws
//! every client out.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::capability::docker::client::Client;

/// How often it is looked for processes whose children have gone, and the pause between.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(25);

/// Asks the program to end, in the background; best effort, and only where the engine's
/// process numbers are ours.
pub(super) fn end(client: Client, exec: String) {
    // There is no runtime any longer when the whole program ends.
    let Ok(runtime) = Handle::try_current() else { return };
    if client.inner.facts.is_local {
        runtime.spawn(async move {
            if let Some((leader, container)) = process(&client, &exec).await {
                end_all(leader, &container).await;
            }
        });
    }
}

/// The process, when it still runs, and in the container that it should be in: a number
/// alone may by now be that of another.
async fn process(client: &Client, exec: &str) -> Option<(i32, String)> {
    let state = client.docker().inspect_exec(exec).await.ok()?;
    let leader = i32::try_from(state.pid?).ok().filter(|_| state.running == Some(true))?;
    let container = state.container_id.filter(|id| !id.is_empty())?;
    is_in(leader, &container).then_some((leader, container))
}

fn is_in(pid: i32, container: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .is_ok_and(|groups| groups.contains(container))
}

/// Ends the session of the leader, from its leaves on.
async fn end_all(leader: i32, container: &str) {
    let mut asked = Vec::new();
    for _ in 0..LOOKS {
        let members = session(leader);
        if members.is_empty() {
            return;
        }
        for pid in childless(&members) {
            if !asked.contains(&pid)
                && is_in(pid, container)
                && let Some(target) = Pid::from_raw(pid)
            {
                // It may have ended meanwhile, or belong to another user.
                let _ = kill_process(target, Signal::TERM);
                asked.push(pid);
            }
        }
        sleep(PAUSE).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    pid: i32,
    parent: i32,
    session: i32,
    /// It has ended, and its parent has not asked how.
    is_zombie: bool,
}

impl Member {
    /// From `/proc/PID/stat`; the name in it may contain anything.
    fn parse(stat: &str) -> Option<Self> {
        let pid = stat.split_once(' ')?.0.parse().ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        Some(Self { pid, parent, session, is_zombie })
    }
}

/// The engine starts each program in a session of its own.
fn session(leader: i32) -> Vec<Member> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| Member::parse(&stat))
        .filter(|member| member.session == leader)
        .collect()
}

/// Those that may be ended now: a zombie still needs its parent.
fn childless(members: &[Member]) -> Vec<i32> {
    let has_child = |pid| members.iter().any(|member| member.parent == pid);
    let alive = members.iter().filter(|member| !member.is_zombie);
    alive.map(|member| member.pid).filter(|pid| !has_child(*pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: i32, parent: i32, is_zombie: bool) -> Member {
        Member { pid, parent, session: 7, is_zombie }
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "42 (a) Z 1 (b) S 7 42 40 0 -1 4194304 107";
        let expected = Member { pid: 42, parent: 7, session: 40, is_zombie: false };
        assert_eq!(Member::parse(stat), Some(expected));
        assert!(Member::parse("42 (x) Z 7 42 40 0").unwrap().is_zombie);
        assert_eq!(Member::parse("nonsense"), None);
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert_eq!(Member::parse(&own).unwrap().pid, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn no_parent_is_ended_before_its_children_are_gone() {
        let all = [member(7, 1, false), member(8, 7, false), member(9, 8, false)];
        assert_eq!(childless(&all), [9]);
        assert_eq!(childless(&[all[0], all[1], member(9, 8, true)]), [0; 0]);
        assert_eq!(childless(&all[..2]), [8]);
        assert_eq!(childless(&all[..1]), [7]);
    }

    #[tokio::test]
    async fn a_shell_outlives_what_it_has_started() {
        let mut command = std::process::Command::new("setsid");
        let script = "sleep 60 | sleep 60; echo $? >status; sleep 60";
        let dir = tempfile::tempdir().unwrap();
        command.args(["sh", "-c", script]).current_dir(&dir);
        let mut shell = command.spawn().unwrap();
        let leader = i32::try_from(shell.id()).unwrap();
        while session(leader).len() < 3 {
            sleep(PAUSE).await;
        }
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = groups.trim().rsplit(':').next().unwrap_or_default();
        let ended = tokio::task::spawn_blocking(move || shell.wait());
        end_all(leader, own).await;
        assert!(!ended.await.unwrap().unwrap().success());
        // Its children were ended first, and it was there to see how.
        assert_eq!(std::fs::read_to_string(dir.path().join("status")).unwrap(), "143\n");
    }
}
