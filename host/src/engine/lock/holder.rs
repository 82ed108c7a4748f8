//! What a lock says of the run that holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rustix::process::getuid;

use super::marks::Mark;
use super::process::{self, Fate, Process};
use crate::text::{one_line, shortened};

const LABELS: &str = "tessallite-up.lock.";
/// Of a text that another program may have written.
const LONGEST: usize = 300;

/// The run that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub run: String,
    /// `USER@HOST`.
    pub who: String,
    /// In RFC 3339.
    pub since: String,
    /// Where it is recorded, on its machine.
    pub state_dir: String,
    process: Process,
}

impl Holder {
    /// This process, for a run.
    pub(super) fn own(run: &str, state_dir: &Path) -> Self {
        Self {
            run: run.to_owned(),
            who: format!("{}@{}", user(), process::host()),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            state_dir: state_dir.display().to_string(),
            process: Process::own(),
        }
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let said = [
            ("run", self.run.clone()),
            ("who", self.who.clone()),
            ("since", self.since.clone()),
            ("state", self.state_dir.clone()),
        ];
        let all = said.into_iter().chain(self.process.labels());
        all.map(|(name, value)| (format!("{LABELS}{name}"), value)).collect()
    }

    /// Nothing where it is no lock.
    pub(super) fn of(mark: &Mark) -> Option<Self> {
        let own = |(name, value)| Some((str::strip_prefix(name, LABELS)?, value));
        let all = mark.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: BTreeMap<&str, &str> = all.filter_map(own).collect();
        let text = |name: &str| {
            let said = labels.get(name).filter(|text| !text.is_empty());
            said.map(|text| shortened(&one_line(text), LONGEST))
        };
        let unknown = || "unknown".to_owned();
        Some(Self {
            run: text("run")?,
            who: text("who").unwrap_or_else(unknown),
            since: text("since").unwrap_or_else(unknown),
            state_dir: text("state").unwrap_or_else(unknown),
            process: Process::from_labels(&labels),
        })
    }

    pub(super) fn fate(&self, on_this_engine: bool) -> Fate {
        self.process.fate(on_this_engine)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, who, since, state_dir, .. } = self;
        write!(f, "run {run} of {who}, since {since}, recorded in {state_dir}")
    }
}

/// Who runs this program, and whom they were before `sudo`.
fn user() -> String {
    let uid = getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = name_of(uid, &users).or_else(|| variable("USER"));
    let name = name.unwrap_or_else(|| format!("uid-{uid}"));
    match variable("SUDO_USER").filter(|before| uid == 0 && *before != name) {
        Some(before) => format!("{before}(as {name})"),
        None => name,
    }
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(labels: BTreeMap<String, String>) -> Mark {
        Mark { id: "1".into(), labels }
    }

    #[test]
    fn a_holder_is_known_again_by_its_labels() {
        let own = Holder::own("20260101-120000-abcd", Path::new("/srv/x/.tessallite-up"));
        let labels = own.labels();
        assert!(labels.keys().all(|name| name.starts_with(LABELS)), "{labels:?}");
        assert_eq!(Holder::of(&mark(labels)), Some(own.clone()));
        let text = own.to_string();
        for told in ["20260101-120000-abcd", "@", "/srv/x/.tessallite-up", &own.since] {
            assert!(text.contains(told), "{told}: {text}");
        }
    }

    #[test]
    fn a_container_that_says_of_no_run_is_no_lock() {
        assert_eq!(Holder::of(&mark(BTreeMap::new())), None);
        let other = BTreeMap::from([("com.docker.compose.project".to_owned(), "x".to_owned())]);
        assert_eq!(Holder::of(&mark(other)), None);
    }

    #[test]
    fn labels_of_another_program_cannot_forge_lines() {
        let labels = BTreeMap::from([(format!("{LABELS}run"), "r\nerror: \x1b[2J".to_owned())]);
        let holder = Holder::of(&mark(labels)).unwrap();
        assert_eq!(holder.run, "r error: \u{fffd}[2J");
        assert_eq!(holder.who, "unknown");
        assert_eq!(holder.fate(true), Fate::Unknown);
    }

    #[test]
    fn users_have_the_names_that_the_machine_gives_them() {
        let users = "root:x:0:0:root:/r:/bin/sh\nanna:x:1000:1000::/h:/bin/sh\nbroken\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("anna"));
        assert_eq!(name_of(1, users), None);
    }
}
