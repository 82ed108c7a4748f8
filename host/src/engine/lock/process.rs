//! Which process holds a lock, and whether it is dead.

use std::collections::BTreeMap;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest as _, Sha256};

/// A process, so that no other one is ever taken for it. What is not known is empty, and
/// makes it the same as no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// A digest of the machine's ID and of its name: machines that were copied have the
    /// same ID.
    machine: String,
    boot: String,
    pid_namespace: String,
    pid: u32,
    /// In ticks since the machine was started: process IDs are used again.
    started: u64,
}

/// What has become of a process that holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Alive,
    Dead,
    /// It is out of sight.
    Unknown,
}

/// What `/proc` shows of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Gone,
    Running {
        started: u64,
    },
    /// It is there, but is not for us to see.
    Hidden,
}

impl Process {
    pub(super) fn own() -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let Some(stat) = Stat::parse(&read("/proc/self/stat")) else { return Self::default() };
        let pid = std::process::id();
        if stat.pid != pid {
            // This /proc is of another namespace: it says nothing of us.
            return Self::default();
        }
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Self {
            machine: machine(&read("/etc/machine-id"), &host()),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.to_string_lossy().into_owned(),
            pid,
            started: stat.started,
        }
    }

    pub(super) fn labels(&self) -> [(&'static str, String); 5] {
        [
            ("machine", self.machine.clone()),
            ("boot", self.boot.clone()),
            ("pid-namespace", self.pid_namespace.clone()),
            ("pid", self.pid.to_string()),
            ("pid-started", self.started.to_string()),
        ]
    }

    pub(super) fn from_labels(labels: &BTreeMap<&str, &str>) -> Self {
        let text = |name: &str| labels.get(name).map(|text| (*text).to_owned()).unwrap_or_default();
        Self {
            machine: text("machine"),
            boot: text("boot"),
            pid_namespace: text("pid-namespace"),
            pid: text("pid").parse().unwrap_or_default(),
            started: text("pid-started").parse().unwrap_or_default(),
        }
    }

    /// `on_this_engine`: the lock can be seen from this machine only, and from those that share
    /// its engine. Of one that the whole world sees, a machine of the same name and identity may
    /// be a copy.
    pub(super) fn fate(&self, on_this_engine: bool) -> Fate {
        let own = Self::own();
        if !on_this_engine && self.boot != own.boot {
            return Fate::Unknown;
        }
        self.fate_from(&own, look)
    }

    /// As it is seen from another process.
    fn fate_from(&self, own: &Self, look: impl Fn(u32) -> Seen) -> Fate {
        let same = |of: fn(&Self) -> &str| !of(self).is_empty() && of(self) == of(own);
        if self.boot.is_empty() || own.boot.is_empty() {
            return Fate::Unknown;
        }
        if !same(|process| &process.boot) {
            // This machine has been started again since, or it is another one.
            return if same(|process| &process.machine) { Fate::Dead } else { Fate::Unknown };
        }
        if !same(|process| &process.pid_namespace) {
            return Fate::Unknown;
        }
        match look(self.pid) {
            Seen::Gone => Fate::Dead,
            Seen::Running { started } if started != self.started => Fate::Dead,
            Seen::Running { .. } => Fate::Alive,
            Seen::Hidden => Fate::Unknown,
        }
    }
}

/// The name of this machine.
pub(in crate::engine) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The ID itself is to be kept to the machine.
fn machine(id: &str, host: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    crate::text::hex(&Sha256::digest(format!("tessallite-up lock {id} {host}")))
}

fn look(pid: u32) -> Seen {
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Seen::Hidden };
    // Where processes of others are hidden in /proc, this still tells of them.
    if test_kill_process(id) == Err(Errno::SRCH) {
        return Seen::Gone;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    match stat.ok().and_then(|text| Stat::parse(&text)) {
        Some(stat) if stat.has_ended => Seen::Gone,
        Some(stat) => Seen::Running { started: stat.started },
        None => Seen::Hidden,
    }
}

/// The fields of `/proc/PID/stat` that matter.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    /// Only its parent has not noticed yet.
    has_ended: bool,
    started: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program stands in parentheses, and may contain anything.
        let (front, rest) = (text.split_once(" (")?.0, text.rsplit_once(") ")?.1);
        let mut fields = rest.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
        // It is field 22; the state is field 3.
        Some(Self { pid: front.parse().ok()?, has_ended, started: fields.nth(18)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(boot: &str, pid_namespace: &str) -> Process {
        let (machine, boot, pid_namespace) =
            ("m".to_owned(), boot.to_owned(), pid_namespace.to_owned());
        Process { machine, boot, pid_namespace, pid: 7, started: 100 }
    }

    /// The fate of a process of this boot and namespace, where process 7 is seen so.
    fn fate(seen: Seen) -> Fate {
        process("b", "n").fate_from(&process("b", "n"), |pid| {
            assert_eq!(pid, 7);
            seen
        })
    }

    fn unseen(_: u32) -> Seen {
        panic!("process IDs of elsewhere mean nothing here")
    }

    #[test]
    fn a_process_that_is_there_is_alive() {
        assert_eq!(fate(Seen::Running { started: 100 }), Fate::Alive);
    }

    #[test]
    fn a_process_that_is_gone_or_whose_number_is_anothers_is_dead() {
        assert_eq!(fate(Seen::Gone), Fate::Dead);
        assert_eq!(fate(Seen::Running { started: 101 }), Fate::Dead);
    }

    #[test]
    fn a_process_that_is_hidden_is_not_dead() {
        assert_eq!(fate(Seen::Hidden), Fate::Unknown);
    }

    #[test]
    fn nothing_survives_that_its_machine_is_started_again() {
        let dead = process("before", "n").fate_from(&process("b", "n"), unseen);
        assert_eq!(dead, Fate::Dead);
    }

    #[test]
    fn another_machine_and_another_namespace_are_out_of_sight() {
        let other = Process { machine: "other".into(), ..process("elsewhere", "n") };
        assert_eq!(other.fate_from(&process("b", "n"), unseen), Fate::Unknown);
        let inside = process("b", "container");
        assert_eq!(inside.fate_from(&process("b", "n"), unseen), Fate::Unknown);
    }

    #[test]
    fn what_is_not_known_is_never_the_same() {
        for unknown in [
            Process::default(),
            Process { boot: String::new(), ..process("", "n") },
            process("b", ""),
        ] {
            assert_eq!(unknown.fate_from(&process("b", "n"), unseen), Fate::Unknown);
            assert_eq!(process("b", "n").fate_from(&unknown, unseen), Fate::Unknown);
            assert_eq!(unknown.fate_from(&unknown, unseen), Fate::Unknown);
        }
        let nameless = Process { machine: String::new(), ..process("before", "n") };
        let own = Process { machine: String::new(), ..process("b", "n") };
        assert_eq!(nameless.fate_from(&own, unseen), Fate::Unknown);
    }

    #[test]
    fn this_process_is_alive_and_its_child_is_dead_once_it_is_killed() {
        assert_eq!(Process::own().fate(true), Fate::Alive);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let Seen::Running { started } = look(child.id()) else { panic!("it is not seen") };
        let holder = Process { pid: child.id(), started, ..Process::own() };
        assert_eq!(holder.fate(true), Fate::Alive);
        child.kill().unwrap();
        // Dead already while nobody has waited for it.
        while look(child.id()) != Seen::Gone {}
        assert_eq!(holder.fate(true), Fate::Dead);
        child.wait().unwrap();
        assert_eq!(holder.fate(true), Fate::Dead);
    }

    #[test]
    fn the_name_of_a_program_may_contain_anything() {
        let fields = "R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        let stat = Stat::parse(&format!("7 (a) Z (b) {fields}")).unwrap();
        assert_eq!(stat, Stat { pid: 7, has_ended: false, started: 4242 });
        assert!(
            Stat::parse("7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1")
                .unwrap()
                .has_ended
        );
        assert_eq!(Stat::parse("7 (a) R 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_process_is_known_again_by_its_labels() {
        let own = Process::own();
        let labels = own.labels();
        let labels = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(Process::from_labels(&labels), own);
    }
}
