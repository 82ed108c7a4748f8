//! Approvals of plans: detached signatures by operators' keys, beside the plan's file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{Failure, Result};
use crate::engine::{Plan, approved};
use crate::files::read_limited;
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

    /// Makes sure that as many operators have approved it as the configuration wants.
    ///
    /// # Errors
    /// Too few have.
    pub fn check_approved(&self, settings: &Settings) -> Result<()> {
        let wanted = settings.approvals();
        let by = self.approved_by(settings)?;
        if by.len() >= wanted {
            return Ok(());
        }
        let known = match settings.operator_keys.len() {
            0 => "; the configuration names no key of an operator".to_owned(),
            _ if by.is_empty() => String::new(),
            _ => format!(": by {}", by.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let have = self.approved_by(settings)?.len();
        Err(Failure::denied(format!(
            "the plan {} has {have} of the {wanted} approvals that it needs{known}",
            self.path.display()
        ))
        .hint("tessallite-up approve PLAN --key FILE gives one; the public keys stand under operator-keys in [trust]"))
    }
}
