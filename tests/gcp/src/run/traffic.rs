//! Traffic targets: what may be asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::proto::text;
use crate::refusal::{Refusal, Result};

const LATEST: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION: &str = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

/// A tag and its service's name share one label of a host name.
const LONGEST_LABEL: usize = 46;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub latest: bool,
    /// The short name; in effect it is there also where the target follows the latest.
    pub revision: Option<String>,
    pub percent: u32,
    pub tag: Option<String>,
}

impl Target {
    #[must_use]
    pub fn latest() -> Self {
        Self { latest: true, revision: None, percent: 100, tag: None }
    }

    #[must_use]
    pub fn pinned(revision: &str) -> Self {
        Self { latest: false, revision: Some(revision.to_owned()), percent: 100, tag: None }
    }

    #[must_use]
    pub fn tagged(tag: &str, revision: &str) -> Self {
        Self { percent: 0, tag: Some(tag.to_owned()), ..Self::pinned(revision) }
    }

    /// The target as it is asked for.
    #[must_use]
    pub fn wanted(&self) -> Value {
        let mut fields = Map::new();
        let kind = if self.latest { LATEST } else { REVISION };
        fields.insert("type".into(), json!(kind));
        if let (false, Some(revision)) = (self.latest, &self.revision) {
            fields.insert("revision".into(), json!(revision));
        }
        if self.percent > 0 {
            fields.insert("percent".into(), json!(self.percent));
        }
        if let Some(tag) = &self.tag {
            fields.insert("tag".into(), json!(tag));
        }
        Value::Object(fields)
    }
}

/// The targets of a service's `traffic`; an empty one is all to the latest.
#[must_use]
pub fn wanted(spec: &Map<String, Value>) -> Vec<Target> {
    let listed = spec.get("traffic").and_then(Value::as_array);
    let targets: Vec<Target> = listed.into_iter().flatten().map(read).collect();
    if targets.is_empty() {
        return vec![Target::latest()];
    }
    targets
}

fn read(target: &Value) -> Target {
    let own = |field: &str| Some(text(target, field).to_owned()).filter(|own| !own.is_empty());
    Target {
        latest: text(target, "type") == LATEST,
        revision: own("revision"),
        percent: percent(target),
        tag: own("tag"),
    }
}

fn percent(target: &Value) -> u32 {
    let percent = target["percent"].as_u64().unwrap_or_default();
    u32::try_from(percent).unwrap_or(u32::MAX)
}

/// Refuses what Cloud Run refuses at once; that a named revision exists is found out later.
///
/// # Errors
///
/// INVALID_ARGUMENT with the rule that is broken.
pub fn check(service: &str, listed: &[Value]) -> Result<()> {
    let mut tags: Vec<&str> = Vec::new();
    let mut sum: u64 = 0;
    for target in listed {
        check_allocation(target)?;
        sum += u64::from(percent(target));
        let tag = text(target, "tag");
        if tag.is_empty() {
            continue;
        }
        check_tag(service, tag)?;
        if tags.contains(&tag) {
            let message = format!("traffic: the tag '{tag}' is used by more than one target.");
            return Err(Refusal::invalid(message));
        }
        tags.push(tag);
    }
    if !listed.is_empty() && sum != 100 {
        let message =
            format!("traffic: The percentages of the targets add up to {sum}, expected 100.");
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

fn check_allocation(target: &Value) -> Result<()> {
    let revision = text(target, "revision");
    match text(target, "type") {
        LATEST if !revision.is_empty() => Err(Refusal::invalid(
            "traffic: a target of the latest revision must not name a revision.",
        )),
        REVISION if revision.is_empty() => {
            Err(Refusal::invalid("traffic: a target by revision must name the revision."))
        }
        REVISION if revision.contains('/') => Err(Refusal::invalid(format!(
            "traffic: '{revision}' is not the short name of a revision.",
        ))),
        LATEST | REVISION => Ok(()),
        other => {
            Err(Refusal::invalid(format!("traffic: '{other}' is not a way to allocate traffic.",)))
        }
    }
}

fn check_tag(service: &str, tag: &str) -> Result<()> {
    let plain = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    };
    let starts = tag.starts_with(|first: char| first.is_ascii_lowercase());
    if tag.len() < 3 || !tag.chars().all(plain) || !starts || tag.ends_with('-') {
        return Err(Refusal::invalid(format!(
            "traffic: the tag '{tag}' must have at least 3 characters, lower case letters, \
             digits and hyphens, and begin with a letter."
        )));
    }
    if tag.len() + service.len() > LONGEST_LABEL {
        return Err(Refusal::invalid(format!(
            "traffic: the tag '{tag}' and the service's name together must not be longer than \
             {LONGEST_LABEL} characters."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_revision(revision: &str, percent: u32, tag: &str) -> Value {
        json!({"type": REVISION, "revision": revision, "percent": percent, "tag": tag})
    }

    #[test]
    fn percentages_add_up_to_100() {
        let half = [by_revision("frontend-1", 50, "")];
        assert!(check("frontend", &half).is_err());
        let whole = [by_revision("frontend-1", 50, ""), by_revision("frontend-2", 50, "")];
        assert!(check("frontend", &whole).is_ok());
        assert!(check("frontend", &[]).is_ok());
    }

    #[test]
    fn a_tag_has_three_characters_and_46_with_its_service() {
        let with = |service: &str, tag: &str| check(service, &[by_revision("r", 100, tag)]);
        assert!(with("frontend", "ab").is_err());
        assert!(with("frontend", "abc").is_ok());
        assert!(with("frontend", &"t".repeat(38)).is_ok());
        assert!(with("frontend", &"t".repeat(39)).is_err());
        assert!(with("frontend", "1st").is_err());
        assert!(with("frontend", "Green").is_err());
    }

    #[test]
    fn a_tag_is_given_once() {
        let twice = [by_revision("a", 50, "tag"), by_revision("b", 50, "tag")];
        assert!(check("frontend", &twice).is_err());
    }

    #[test]
    fn a_target_names_a_revision_or_follows_the_latest() {
        let latest = json!({"type": LATEST, "percent": 100, "revision": "r"});
        assert!(check("frontend", &[latest]).is_err());
        assert!(check("frontend", &[by_revision("", 100, "")]).is_err());
        let full = "projects/p/locations/l/services/s/revisions/r";
        assert!(check("frontend", &[by_revision(full, 100, "")]).is_err());
        assert!(check("frontend", &[json!({"percent": 100})]).is_err());
    }
}
