//! This process confines itself, as far as the kernel has the means: so that even a bug in it
//! has little to reach.
//!
//! What is held: writing, to the directories of a [`Policy`]; listening on TCP ports,
//! altogether; new privileges. It holds for the thread that applies it and for all that it
//! starts, `docker compose` and credential helpers among them, and is never taken back.
//!
//! What is free, and why: reading and executing, because Compose files may name any file and
//! the docker command brings programs along; connecting, because where to is known from the
//! Compose model only; signals, because an abandoned `pg_dump` is ended by one. Landlock
//! knows nothing of modes, owners and times of files, of UDP, and of sockets in the file system.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::{
    ABI, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, path_beneath_rules,
};
use serde::Serialize;

/// What this program handles. A later one of the kernel may hold more; whether the program
/// would still work has to be tried first.
const TRIED: ABI = ABI::V5;
/// The first that keeps files from being truncated.
const WHOLE_FILES: ABI = ABI::V3;
/// The first that knows TCP.
const TCP: ABI = ABI::V4;

/// Where every program may write.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts"];

/// Of the process; what is applied to it is applied once.
static OF_PROCESS: OnceLock<Status> = OnceLock::new();

/// Where may be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    write: Vec<PathBuf>,
}

/// How far something is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "why", rename_all = "snake_case")]
pub enum Held {
    Active,
    Partly(String),
    Absent(String),
}

/// What is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Of Landlock, as the kernel has it; absent where it has none.
    pub abi: Option<u32>,
    /// Only files below `write` can be made, written, renamed and removed.
    pub files: Held,
    /// Nothing listens.
    pub tcp: Held,
    /// No program that is started gets more rights by its mode or capabilities.
    pub no_new_privileges: Held,
    /// Without links; what was not there is not among them.
    pub write: Vec<PathBuf>,
}

impl Policy {
    /// Below this directory, or into this file. Where it is not there yet, below the nearest
    /// one that is: a rule needs something to stand on.
    pub fn allow(&mut self, path: &Path) {
        let found = path.ancestors().find_map(|path| path.canonicalize().ok());
        self.write.extend(found);
    }

    /// As [`Policy::allow`], where nothing is allowed in place of what is not there.
    pub fn allow_if_there(&mut self, path: &Path) {
        self.write.extend(path.canonicalize().ok());
    }

    /// Whether this lies below something that is allowed; it has no links.
    #[cfg(test)]
    pub(crate) fn allows(&self, path: &Path) -> bool {
        self.write.iter().any(|allowed| path.starts_with(allowed))
    }

    /// Without what lies below another one.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.write.clone();
        paths.sort();
        // What is above comes first.
        paths.dedup_by(|path, above| path.starts_with(above));
        paths
    }
}

impl Held {
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Partly(why) | Self::Absent(why) => Some(why),
        }
    }
}

impl Status {
    /// Nothing is in effect.
    pub fn absent(why: &str) -> Self {
        let absent = || Held::Absent(why.to_owned());
        Self {
            abi: None,
            files: absent(),
            tcp: absent(),
            no_new_privileges: absent(),
            write: Vec::new(),
        }
    }

    fn of(restriction: &RestrictionStatus, write: Vec<PathBuf>) -> Self {
        let is_enforced = restriction.ruleset != RulesetStatus::NotEnforced;
        let no_new_privileges = match restriction.no_new_privs {
            true => Held::Active,
            false => Held::Absent("the kernel has refused it".to_owned()),
        };
        Self::with(restriction.landlock, is_enforced, no_new_privileges, write)
    }

    fn with(
        landlock: LandlockStatus,
        is_enforced: bool,
        no_new_privileges: Held,
        write: Vec<PathBuf>,
    ) -> Self {
        let absent =
            |why| Self { no_new_privileges: no_new_privileges.clone(), ..Self::absent(why) };
        let (known, kernel) = match landlock {
            LandlockStatus::Available { effective_abi, kernel_abi } if is_enforced => {
                (effective_abi, kernel_abi)
            }
            LandlockStatus::Available { .. } => return absent("the kernel did not enforce it"),
            LandlockStatus::NotEnabled => {
                return absent("Landlock is not among the kernel's security modules (lsm=…)");
            }
            LandlockStatus::NotImplemented => {
                return absent("the kernel has no Landlock, or a container keeps it away");
            }
        };
        let files = if write.iter().any(|path| path.parent().is_none()) {
            Held::Partly("one of the directories that may be written is /".to_owned())
        } else if known < WHOLE_FILES {
            Held::Partly("files elsewhere can be truncated (Linux 6.2 prevents it)".to_owned())
        } else {
            Held::Active
        };
        let tcp = match known >= TCP {
            true => Held::Active,
            false => Held::Absent("the kernel cannot do it (Linux 6.7 can)".to_owned()),
        };
        let abi = kernel.unwrap_or(known as i32).try_into().ok();
        Self { abi, files, tcp, no_new_privileges, write }
    }

    pub fn is_full(&self) -> bool {
        self.missing().is_empty()
    }

    /// What is not wholly in effect, and why, a line each.
    pub fn missing(&self) -> Vec<String> {
        let parts = [
            ("files", &self.files),
            ("TCP ports", &self.tcp),
            ("no new privileges", &self.no_new_privileges),
        ];
        let missing = |(what, held): (&str, &Held)| Some(format!("{what}: {}", held.why()?));
        parts.into_iter().filter_map(missing).collect()
    }

    /// Whether a file may be made, written or removed at this path, as far as this decides.
    pub fn permits(&self, path: &Path) -> bool {
        if matches!(self.files, Held::Absent(_)) {
            return true;
        }
        let Some(place) = path.ancestors().find_map(|path| path.canonicalize().ok()) else {
            return false;
        };
        self.write.iter().any(|allowed| place.starts_with(allowed))
    }

    /// Where may be written, for people: without what every program may write to.
    pub fn places(&self) -> Vec<String> {
        let places = self.write.iter().filter(|path| !is_device(path));
        places.map(|path| path.display().to_string()).collect()
    }

    /// What to do where a permission is denied, if this may be why.
    pub fn hint(&self) -> Option<String> {
        if matches!(self.files, Held::Absent(_)) {
            return None;
        }
        Some(format!(
            "this program and what it starts write nothing outside of {}; [confine] write = [\"DIR\"] \
             in the configuration allows more",
            self.places().join(", ")
        ))
    }
}

/// Confines the process; to be called before it has a second thread. What the kernel does
/// not have is left out, and the status says so.
pub fn process(policy: &Policy) {
    let _ = OF_PROCESS.get_or_init(|| this_thread(policy));
}

/// The process stays as it is.
pub fn leave(why: &str) {
    let _ = OF_PROCESS.get_or_init(|| Status::absent(why));
}

/// Of the process; absent before anything was decided.
pub fn status() -> Option<&'static Status> {
    OF_PROCESS.get()
}

/// Confines the calling thread and all that it starts from now on.
pub fn this_thread(policy: &Policy) -> Status {
    let mut policy = policy.clone();
    DEVICES.iter().for_each(|device| policy.allow_if_there(Path::new(device)));
    let paths = policy.paths();
    match restrict(&paths) {
        Ok(restriction) => Status::of(&restriction, paths),
        Err(error) => Status::absent(&error.to_string()),
    }
}

fn restrict(paths: &[PathBuf]) -> Result<RestrictionStatus, RulesetError> {
    let write = AccessFs::from_write(TRIED);
    Ruleset::default()
        .handle_access(write)?
        .handle_access(AccessNet::BindTcp)?
        .create()?
        .add_rules(path_beneath_rules(paths, write))?
        .restrict_self()
}

fn is_device(path: &Path) -> bool {
    DEVICES.iter().any(|device| path == Path::new(device))
}

#[cfg(test)]
mod tests;
