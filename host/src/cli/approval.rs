//! Approvals of plans: detached signatures by operators' keys, beside the plan's file.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::{Failure, Result};
use crate::engine::{Plan, approved};
use crate::files::{read_limited, write_whole};
use crate::settings::Settings;
use crate::signature;

/// A plan's file.
pub struct PlanFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub plan: Plan,
}

impl PlanFile {
    /// # Errors
    /// It cannot be read, or is no plan.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |why: String| {
            Failure::usage(format!("the plan {}: {why}", path.display()))
                .hint("tessallite-up plan --out FILE writes one")
        };
        let bytes = read_limited(path, approved::MOST_BYTES)
            .map_err(|error| wrong(error.to_string()))?
            .ok_or_else(|| wrong("it is larger than any plan".into()))?;
        let plan = Plan::parse(&bytes).map_err(|why| wrong(format!("it is no plan: {why}")))?;
        // What is recorded and what is approved are the same bytes.
        if serde_json::to_vec_pretty(&plan).ok().as_deref() != Some(&bytes[..]) {
            return Err(wrong("it was written by another program, or changed".into()));
        }
        Ok(Self { path: path.to_owned(), bytes, plan })
    }

    /// Where the approval by a key stands: `PLAN.KEY.minisig`.
    pub fn approval(&self, key: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{key}"));
        signature::beside(Path::new(&name))
    }

    /// The keys of operators that have approved these very bytes.
    ///
    /// # Errors
    /// One of the approvals is forged, or cannot be read.
    pub fn approved_by(&self, settings: &Settings) -> Result<BTreeSet<String>> {
        let mut keys = BTreeSet::new();
        for key in &settings.operator_keys {
            let path = self.approval(&key.id());
            let signed = signature::read(&path).and_then(|text| {
                signature::verify(&self.bytes, &text, std::slice::from_ref(key)).map(|_| ())
            });
            match signed {
                Ok(()) => drop(keys.insert(key.id())),
                Err(signature::Error::Missing { .. }) => {}
                Err(why) => {
                    return Err(Failure::denied(format!(
                        "the approval {} does not hold: {why}",
                        path.display()
                    ))
                    .hint("the plan was changed after it was approved, or the approval was: have it approved anew"));
                }
            }
        }
        Ok(keys)
    }

    /// Copies the approvals to where the run's own copy of the plan is going to stand: whoever
    /// goes on with the run, or back from it, asks for them again.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep_approvals(&self, settings: &Settings, recorded: &Path) -> Result<()> {
        let kept = Self { path: recorded.to_owned(), bytes: Vec::new(), plan: self.plan.clone() };
        for key in self.approved_by(settings)? {
            let text = signature::read(&self.approval(&key))
                .map_err(|error| Failure::refused(format!("keeping an approval: {error}")))?;
            let directory = recorded.parent().unwrap_or(Path::new("."));
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .and_then(|()| write_whole(&kept.approval(&key), text.as_bytes()))
                .map_err(|error| Failure::refused(format!("keeping an approval: {error}")))?;
        }
        Ok(())
    }

    /// Makes sure that as many operators have approved it as the configuration wants.
    ///
    /// # Errors
    /// Too few have.
    pub fn check_approved(&self, settings: &Settings) -> Result<()> {
        let wanted = settings.approvals();
        let by = self.approved_by(settings)?;
        let have = by.len();
        if have >= wanted {
            return Ok(());
        }
        let known = match settings.operator_keys.len() {
            0 => "; the configuration names no key of an operator".to_owned(),
            _ if by.is_empty() => String::new(),
            _ => format!(": by {}", by.into_iter().collect::<Vec<_>>().join(", ")),
        };
        Err(Failure::denied(format!(
            "the plan {} has {have} of the {wanted} approvals that it needs{known}",
            self.path.display()
        ))
        .hint("tessallite-up approve PLAN --key FILE gives one; the public keys stand under operator-keys in [trust]"))
    }
}
