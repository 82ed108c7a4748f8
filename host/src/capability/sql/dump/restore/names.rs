//! The databases of a restore, and what of them is there.

use sha2::{Digest, Sha256};

use super::SESSION;
use crate::capability::error::{Error, Result};
use crate::capability::sql::client::console::{Console, literal};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::locate::Server;
use crate::capability::sql::types::Restore;

/// What PostgreSQL keeps of a name.
const LONGEST: usize = 63;
const PARTIAL: &str = "_partial";

#[derive(Debug)]
pub(super) struct Names {
    pub(super) current: String,
    /// While it is filled.
    pub(super) partial: String,
    /// Once it is whole.
    pub(super) into: String,
    pub(super) keep_as: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Nothing {
        current: bool,
    },
    /// It is restored, and has to take its place.
    Restored {
        current: bool,
    },
    Swapped,
}

impl Stage {
    pub(super) fn has_current(self) -> bool {
        matches!(self, Self::Nothing { current: true } | Self::Restored { current: true })
    }

    pub(super) fn has_to_restore(self) -> bool {
        matches!(self, Self::Nothing { .. })
    }
}

impl Names {
    pub(super) fn new(wanted: &Restore, current: &str) -> Result<Self> {
        let Restore { into, keep_as, .. } = wanted;
        for name in [into, keep_as] {
            if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
                return Err(Error::invalid(format!(
                    "{name:?} is no name for a database: at most {LONGEST} bytes"
                )));
            }
        }
        let taken = [current, "postgres", "template0", "template1"];
        if into == keep_as || [into, keep_as].iter().any(|name| taken.contains(&name.as_str())) {
            return Err(Error::invalid(format!(
                "{into:?} and {keep_as:?} have to be names of their own, not {current:?}"
            )));
        }
        let (current, partial) = (current.to_owned(), partial(into));
        Ok(Self { current, partial, into: into.clone(), keep_as: keep_as.clone() })
    }

    /// Which of them are there.
    pub(super) async fn stage(&self, access: &Access, server: &dyn Server) -> Result<Stage> {
        let mut console = Console::open(access, server, SESSION).await?;
        let names = [&self.current, &self.into, &self.keep_as].map(|name| literal(name));
        let question = format!(
            "SELECT json_build_array({}) FROM (SELECT array_agg(datname) AS names FROM pg_database) d;",
            names.map(|name| format!("{name} = ANY (d.names)")).join(", ")
        );
        let line = console.ask(&question).await?.pop().unwrap_or_default();
        console.close().await?;
        let (current, into, kept): (bool, bool, bool) = serde_json::from_str(&line)
            .map_err(|e| Error::failed("asking which databases there are").because(e))?;
        self.stage_of(current, into, kept)
    }

    /// Without a database of now, nothing is kept that would tell of the swap.
    pub(super) fn is_in_place(&self, stage: Stage, attempt: u32) -> bool {
        attempt > 0 && stage == Stage::Nothing { current: true }
    }

    fn stage_of(&self, current: bool, into: bool, kept: bool) -> Result<Stage> {
        match (current, into, kept) {
            (current, false, false) => Ok(Stage::Nothing { current }),
            (current, true, false) => Ok(Stage::Restored { current }),
            (true, false, true) => Ok(Stage::Swapped),
            (..) => Err(Error::conflict(format!(
                "a database {:?} is there already, which the one of now was to be kept as",
                self.keep_as
            ))
            .hint("choose other names")),
        }
    }
}

/// As long as it may be, and never that of another.
fn partial(into: &str) -> String {
    if into.len() + PARTIAL.len() <= LONGEST {
        return format!("{into}{PARTIAL}");
    }
    let digest = Sha256::digest(into);
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut room = LONGEST - PARTIAL.len() - digest.len() - 1;
    while !into.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}_{digest}{PARTIAL}", &into[..room])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(into: &str, keep_as: &str) -> Restore {
        let (label, if_changed) = ("l".to_owned(), None);
        Restore { label, into: into.into(), keep_as: keep_as.into(), if_changed }
    }

    #[test]
    fn names_are_short_and_nobody_elses() {
        assert!(Names::new(&wanted("a", "b"), "tessallite").is_ok());
        let long = "ä".repeat(32);
        for (into, keep_as) in [
            ("", "b"),
            ("a", "a"),
            ("tessallite", "b"),
            ("a", "tessallite"),
            ("a", "postgres"),
            (&*long, "b"),
            ("a", "b\n"),
        ] {
            assert!(Names::new(&wanted(into, keep_as), "tessallite").is_err(), "{into} {keep_as}");
        }
    }

    #[test]
    fn the_unfinished_one_has_a_name_that_postgresql_keeps_whole() {
        assert_eq!(partial("a"), "a_partial");
        let (one, other) = ("ä".repeat(31), format!("{}b", "ä".repeat(30)));
        assert!(partial(&one).len() <= LONGEST && partial(&one).ends_with("_partial"));
        assert_ne!(partial(&one), partial(&other));
    }

    #[test]
    fn what_is_there_tells_how_far_it_came() {
        let names = Names::new(&wanted("a", "b"), "tessallite").unwrap();
        let stage = |current, into, kept| names.stage_of(current, into, kept).ok();
        assert_eq!(stage(true, false, false), Some(Stage::Nothing { current: true }));
        assert_eq!(stage(true, true, false), Some(Stage::Restored { current: true }));
        assert_eq!(stage(true, false, true), Some(Stage::Swapped));
        assert_eq!(stage(false, false, false), Some(Stage::Nothing { current: false }));
        assert_eq!(stage(true, true, true), None);
        assert_eq!(stage(false, false, true), None);
    }
}
