//! Errors as the operator sees them: what went wrong, all the reasons below it, what to do.

use std::error::Error as StdError;
use std::fmt::Write as _;

use super::exit_code;
use crate::capability::{self, Kind};
use crate::text::printable;
use crate::{confine, engine, plugin, settings, signature};

#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub text: String,
    pub hint: Option<String>,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn usage(text: impl Into<String>) -> Self {
        Self { code: exit_code::USAGE, text: text.into(), hint: None }
    }

    pub fn refused(text: impl Into<String>) -> Self {
        Self { code: exit_code::REFUSED, text: text.into(), hint: None }
    }

    pub fn denied(text: impl Into<String>) -> Self {
        Self { code: exit_code::DENIED, text: text.into(), hint: None }
    }

    pub fn defect(text: impl Into<String>) -> Self {
        Self { code: exit_code::DEFECT, text: text.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For standard error.
    pub fn message(&self) -> String {
        let mut message = format!("error: {}\n", printable(&self.text));
        if let Some(hint) = &self.hint {
            let _ = writeln!(message, "hint: {}", printable(hint));
        }
        // It may be denied by the system, or by this process to itself.
        // As the operating system puts it: servers say "permission denied" of their own things.
        let is_denied = self.text.contains("Permission denied")
            || self.text.lines().any(|line| line.ends_with(": permission denied"));
        if let Some(hint) = confine::status().filter(|_| is_denied).and_then(|s| s.hint()) {
            let _ = writeln!(message, "hint: {}", printable(&hint));
        }
        message
    }
}

impl From<settings::Error> for Failure {
    fn from(error: settings::Error) -> Self {
        let hint = error.hint();
        Self { code: exit_code::USAGE, text: chain(&error), hint }
    }
}

impl From<plugin::Error> for Failure {
    fn from(error: plugin::Error) -> Self {
        use plugin::Error as E;
        let code = match error {
            E::Runtime { .. } => exit_code::DEFECT,
            E::CompileTime { .. }
            | E::CompileMemory { .. }
            | E::CompiledTooLarge { .. }
            | E::Compiler { .. }
            | E::CompilerStart { .. }
            | E::Trap { .. }
            | E::Limit { .. }
            | E::TimedOut { .. } => exit_code::REFUSED,
            E::OtherDigest { .. } | E::NotPinned { .. } | E::Signature { .. } => exit_code::DENIED,
            _ => exit_code::USAGE,
        };
        Self { code, text: chain(&error), hint: Some(plugin_hint(&error)) }
    }
}

fn plugin_hint(error: &plugin::Error) -> String {
    use plugin::Error as E;
    let hint = match error {
        E::OtherDigest { from, .. } => {
            return format!("look at what has changed; then: tessallite-up plugin lock {from}");
        }
        E::NotPinned { from, .. } => {
            return format!("look at the plugin; then: tessallite-up plugin lock {from}");
        }
        E::Signature { source, .. } => source.hint(),
        E::LockFile { doing: "reading", .. } => {
            "mend the file, or bring back the one of before: without its pins, no plugin is the \
             one that was looked at"
        }
        E::LockFile { .. } => "check that the directory may be written to",
        E::NotFound { .. } => "tessallite-up plugin list shows what there is",
        E::Read { .. } => "check the path, and that the file may be read",
        E::OtherContract { .. } => "get a build of the plugin for this version",
        E::NewerContract { .. } => "upgrade tessallite-up, or get an older build of the plugin",
        E::NotAComponent { .. } | E::Damaged { .. } => {
            "plugins/README.md shows how a plugin is built"
        }
        E::CompilerStart { .. } => {
            "it starts itself as /proc/self/exe: is /proc mounted, and is there memory left?"
        }
        E::CompileMemory { .. } => {
            "where this machine has that much memory left, it is a defect of the plugin: tell its \
             vendor"
        }
        _ => "this is a defect of the plugin: tell its vendor",
    };
    hint.to_owned()
}

impl From<signature::KeyError> for Failure {
    fn from(error: signature::KeyError) -> Self {
        use signature::KeyError as E;
        let hint = match &error {
            E::NotASecretKey { .. } => Some("tessallite-up plugin keygen makes one"),
            E::Encrypted { .. } => Some("--password-file FILE names a file with it"),
            E::Exists { .. } => Some("name another file, or move this one away"),
            _ => None,
        };
        Self { code: exit_code::USAGE, text: chain(&error), hint: hint.map(str::to_owned) }
    }
}

impl From<capability::Error> for Failure {
    fn from(error: capability::Error) -> Self {
        let hint = error.advice().map(str::to_owned);
        Self { code: code_of(error.kind), text: chain(&error), hint }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        use engine::Error as E;
        match error {
            E::Plugin(error) => error.into(),
            E::Capability { doing, source } => {
                let failure = Self::from(source);
                Self { text: format!("{doing}: {}", failure.text), ..failure }
            }
            error => {
                let code = match &error {
                    E::Usage(_) => exit_code::USAGE,
                    E::NotGranted { .. } => exit_code::DENIED,
                    E::Planning { kind, .. } => code_of(*kind),
                    E::Locked { .. } => exit_code::LOCKED,
                    E::NoRun { .. } | E::NoSuchRun { .. } | E::NotNow { .. } => exit_code::USAGE,
                    _ => exit_code::REFUSED,
                };
                let hint = match &error {
                    E::NotGranted { lines, .. } if lines.is_empty() => None,
                    E::NotGranted { lines, .. } => Some(format!(
                        "nothing was touched; to allow it, write into tessallite-up.toml:\n{}",
                        lines.join("\n")
                    )),
                    E::Locked { holder, is_out_of_sight, .. } => {
                        Some(locked_hint(&holder.run, *is_out_of_sight))
                    }
                    E::Unfinished { run, .. } => Some(format!(
                        "tessallite-up resume {run} goes on with it, tessallite-up rollback {run} \
                         goes back to what was before"
                    )),
                    E::NoRun { .. } | E::NoSuchRun { .. } => {
                        Some("tessallite-up status names the last run; --state says where runs are recorded".to_owned())
                    }
                    E::OtherPlugin { run, .. } => Some(format!(
                        "use the version of the plugin that the run began with, or go back: \
                         tessallite-up rollback {run}"
                    )),
                    E::Journal(engine::journal::Error::Damaged { .. }) => Some(
                        "it tells no more how far the run has come: look at the services and the \
                         backup; with the run's directory moved away, the run is forgotten"
                            .to_owned(),
                    ),
                    E::State { .. } | E::Journal(_) => {
                        Some("free space or name another directory: --state DIR".to_owned())
                    }
                    E::Preflight(_) => Some("nothing was touched".to_owned()),
                    _ => None,
                };
                Self { code, text: chain(&error), hint }
            }
        }
    }
}

fn locked_hint(run: &str, is_out_of_sight: bool) -> String {
    let wait = "wait until it has ended: --lock-wait SECONDS does";
    if is_out_of_sight {
        format!("{wait}; where its machine is known to be dead: tessallite-up unlock {run}")
    } else {
        wait.to_owned()
    }
}

fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Denied => exit_code::DENIED,
        Kind::Invalid => exit_code::USAGE,
        _ => exit_code::REFUSED,
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        let _ = write!(text, "\n  because: {cause}");
        below = cause.source();
    }
    text
}
