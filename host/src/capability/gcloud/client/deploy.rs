//! New revisions, without traffic.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::backoff::Backoff;
use super::failure::Failure;
use super::operation::{Ended, LONGEST_PAUSE};
use super::services::Patch;
use super::{Client, Note, traffic};
use crate::capability::error::{Error, Result};
use crate::capability::gcloud::convert;
use crate::contract::gcloud::NewRevision;

/// So often somebody else may be quicker before that is no accident.
pub(super) const MOST_TRIES: usize = 8;
/// A change whose answer was lost shows after a moment.
pub(super) const MOMENT: Duration = Duration::from_millis(500);
const MASK: &str = "template,traffic";

/// How the service was when it was first read: only so may it be changed.
struct Seen {
    template: Value,
    traffic: Vec<Value>,
}

impl Client {
    /// Creates the revisions side by side, and waits until all are ready. Each reaches its
    /// end, whatever becomes of the others.
    ///
    /// # Errors
    /// `Conflict`, `TimedOut`, `Failed` with why a revision is not ready.
    pub async fn deploy(&self, revisions: &[NewRevision], note: Note<'_>) -> Result<()> {
        let all = revisions.iter().map(|new| self.create(new, note));
        join_all(all).await.into_iter().collect()
    }

    /// Has Google Cloud check what `deploy` would send.
    ///
    /// # Errors
    /// `Conflict`, `Failed` with what it refuses.
    pub async fn preview(&self, new: &NewRevision) -> Result<()> {
        self.on_cloud_run(&new.service)?;
        let doing = format!("checking a new revision of {}", new.service);
        let (mut with_tag, mut refused) = (true, None);
        let mut may_read = false;
        for _ in 0..MOST_TRIES {
            let service = self.raw(&new.service).await?;
            check_before(&service, new)?;
            let ready = convert::short(service["latestReadyRevision"].as_str().unwrap_or_default());
            if !may_read && !ready.is_empty() {
                // It will have to: that permission is one of its own.
                self.revision(&new.service, ready).await?;
                may_read = true;
            }
            let body = with_revision(&service, new, with_tag)?;
            let patch = Patch {
                service: &new.service,
                doing: &doing,
                body: &body,
                mask: MASK,
                validate_only: true,
            };
            match self.patch(patch).await {
                Ok(_) => return Ok(()),
                Err(Failure::Refused(refusal)) if refusal.is_stale() => refused = Some(refusal),
                Err(Failure::Refused(refusal)) if refusal.code == 400 && with_tag => {
                    (with_tag, refused) = (false, Some(refusal));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    async fn create(&self, new: &NewRevision, note: Note<'_>) -> Result<()> {
        self.on_cloud_run(&new.service)?;
        let doing = format!("creating the revision {}", new.name);
        let (mut seen, mut with_tag, mut may_be_there) = (None, true, false);
        let mut settling = Backoff::polling(LONGEST_PAUSE, self.place().patience.request);
        let mut tries = 0;
        while tries < MOST_TRIES {
            let service = self.raw(&new.service).await?;
            if self.is_created(&service, new, may_be_there).await? {
                return self.until_ready(new, &doing, None, note).await;
            }
            check_before(&service, new)?;
            if convert::is_reconciling(&service) && settling.pause(None).await.is_ok() {
                // What serves now may not be what was asked for last.
                continue;
            }
            check_unchanged(seen.get_or_insert_with(|| Seen::of(&service)), &service, new)?;
            tries += 1;
            let body = with_revision(&service, new, with_tag)?;
            let patch = Patch {
                service: &new.service,
                doing: &doing,
                body: &body,
                mask: MASK,
                validate_only: false,
            };
            match self.patch(patch).await {
                Ok(operation) => {
                    let ended = self.follow(&doing, operation, note).await?;
                    return self.until_ready(new, &doing, Some(ended), note).await;
                }
                // Somebody was quicker, or our own try of before was: look again.
                Err(Failure::Refused(refusal)) if refusal.is_stale() => may_be_there = true,
                Err(Failure::Refused(refusal)) if refusal.already_exists() => {
                    may_be_there = true;
                    sleep(MOMENT).await;
                }
                // A tag on a revision that is not there yet is not taken everywhere.
                Err(Failure::Refused(refusal)) if refusal.code == 400 && with_tag => {
                    with_tag = false;
                }
                Err(Failure::Lost(_)) => {
                    may_be_there = true;
                    sleep(MOMENT).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Error::conflict(format!("{doing}: the service is changed again and again"))
            .hint("find out who deploys it at the same time"))
    }

    /// Whether the revision is there already: of an earlier try, maybe of a process that was
    /// killed. Where there may have been a try, the revision is asked for itself.
    async fn is_created(
        &self,
        service: &Value,
        new: &NewRevision,
        may_be_there: bool,
    ) -> Result<bool> {
        let created = service["latestCreatedRevision"].as_str().unwrap_or_default();
        // The template has the name first, the revision is there a moment later.
        if convert::short(created) == new.name || service["template"]["revision"] == new.name {
            return Ok(true);
        }
        Ok(may_be_there && self.revision(&new.service, &new.name).await?.is_some())
    }

    /// Judged by the revision itself, and not by what the operation says.
    async fn until_ready(
        &self,
        new: &NewRevision,
        doing: &str,
        ended: Option<Ended>,
        note: Note<'_>,
    ) -> Result<()> {
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.revision);
        loop {
            let revision = self.revision(&new.service, &new.name).await?;
            let ready = revision.as_ref().and_then(convert::revision_is_ready);
            match (&revision, ready, &ended) {
                (Some(revision), Some(true), _) => {
                    check_image(revision, new)?;
                    return self.tag(new, doing, note).await;
                }
                (Some(revision), Some(false), _) => {
                    let why = convert::complaint(revision).unwrap_or_default();
                    return Err(Error::failed(format!("{doing}: it does not become ready: {why}")));
                }
                (_, None, Some(Ended::Badly(why))) => {
                    return Err(Error::failed(format!("{doing}: {why}")));
                }
                _ => {}
            }
            if backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!("{doing}: it is not ready in time")));
            }
        }
    }

    /// Makes sure that the revision has its tag, and no traffic.
    async fn tag(&self, new: &NewRevision, doing: &str, note: Note<'_>) -> Result<()> {
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.revision);
        loop {
            let service = self.raw(&new.service).await?;
            let targets = convert::targets(&service);
            let of_tag = targets.iter().find(|target| target.tag.as_ref() == Some(&new.tag));
            let is_tagged = of_tag.is_some_and(|target| target.revision == new.name);
            if is_tagged && !convert::is_reconciling(&service) {
                return Ok(());
            }
            let asked = asked(&service);
            let is_asked = asked.iter().any(|target| target["tag"].as_str() == Some(&new.tag));
            if !is_asked {
                let mut traffic = asked;
                traffic.push(traffic::tagged(&new.name, &new.tag));
                self.set_traffic(&new.service, &service, traffic, doing, note).await?;
            }
            if backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!(
                    "{doing}: its tag {} is not in effect in time",
                    new.tag
                )));
            }
        }
    }

    /// One try: whoever asks looks at what has become of it.
    pub(super) async fn set_traffic(
        &self,
        name: &str,
        service: &Value,
        traffic: Vec<Value>,
        doing: &str,
        note: Note<'_>,
    ) -> Result<Option<Ended>> {
        let body = json!({"name": service["name"], "etag": service["etag"], "traffic": traffic});
        let patch =
            Patch { service: name, doing, body: &body, mask: "traffic", validate_only: false };
        match self.patch(patch).await {
            Ok(operation) => Ok(Some(self.follow(doing, operation, note).await?)),
            Err(Failure::Refused(refusal)) if refusal.is_stale() => Ok(None),
            Err(Failure::Lost(_)) => {
                sleep(MOMENT).await;
                Ok(None)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

impl Seen {
    fn of(service: &Value) -> Self {
        Self { template: without_name(&service["template"]), traffic: asked(service) }
    }
}

/// What is asked for, as a list.
pub(super) fn asked(service: &Value) -> Vec<Value> {
    service["traffic"].as_array().cloned().unwrap_or_default()
}

fn without_name(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("revision");
    }
    template
}

fn check_before(service: &Value, new: &NewRevision) -> Result<()> {
    let image = convert::image(service);
    if image == new.before {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "the service {} has the image {image}, and had {} when this was planned: somebody else \
         has deployed it",
        new.service, new.before
    ))
    .hint("find out who, and plan again"))
}

/// What is changed in the meantime may be anything but what a revision is made of, or where
/// the traffic goes.
fn check_unchanged(seen: &Seen, service: &Value, new: &NewRevision) -> Result<()> {
    let what = if without_name(&service["template"]) != seen.template {
        "template"
    } else if !traffic::is_same(&asked(service), &seen.traffic) {
        "traffic"
    } else {
        return Ok(());
    };
    Err(Error::conflict(format!(
        "somebody has changed the {what} of the service {} at this very moment",
        new.service
    ))
    .hint("find out who, and plan again"))
}

fn check_image(revision: &Value, new: &NewRevision) -> Result<()> {
    let image = convert::image_of_revision(revision);
    // Google may leave out the tag of an image that has a digest.
    let digest = |image: &str| image.split_once('@').map(|(_, digest)| digest.to_owned());
    if image == new.image || (digest(&image).is_some() && digest(&image) == digest(&new.image)) {
        return Ok(());
    }
    Err(Error::conflict(format!("there is a revision {} already, of {image}", new.name)))
}

/// The service as it was read, with the image and the name of the revision, and the traffic
/// held where it is.
fn with_revision(service: &Value, new: &NewRevision, with_tag: bool) -> Result<Value> {
    let mut template = service["template"].clone();
    let Some(at) = convert::container(&template) else {
        return Err(Error::failed(format!("the service {} has no container", new.service)));
    };
    template["containers"][at]["image"] = json!(new.image);
    template["revision"] = json!(new.name);
    let held = traffic::held(&asked(service), &convert::targets(service));
    let mut traffic = held.ok_or_else(|| {
        Error::unavailable(format!(
            "what serves of {} is not told in full, and cannot be held where it is",
            new.service
        ))
        .hint("look at it: gcloud run services describe; then try again")
    })?;
    traffic.retain(|target| target["tag"].as_str() != Some(&new.tag));
    if with_tag {
        traffic.push(traffic::tagged(&new.name, &new.tag));
    }
    Ok(json!({
        "name": service["name"],
        "etag": service["etag"],
        "template": template,
        "traffic": traffic,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Value {
        json!({
            "name": "projects/p/locations/l/services/s", "etag": "e", "labels": {"a": "b"},
            "template": {"revision": "s-1", "unknown": {"x": [1]}, "containers": [{"image": "s:1"}]},
            "trafficStatuses": [
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "revision": "s-1", "percent": 100}
            ],
        })
    }

    fn new() -> NewRevision {
        NewRevision {
            service: "s".into(),
            image: "s@sha256:2".into(),
            before: "s:1".into(),
            name: "s-2".into(),
            tag: "up-1".into(),
        }
    }

    #[test]
    fn a_new_revision_keeps_what_is_not_known_and_holds_the_traffic() {
        let body = with_revision(&service(), &new(), true).unwrap();
        assert_eq!(body["template"]["unknown"], json!({"x": [1]}));
        assert_eq!(body["template"]["revision"], "s-2");
        assert_eq!(body["template"]["containers"][0]["image"], "s@sha256:2");
        assert_eq!(body["etag"], "e");
        assert_eq!(body["traffic"][0]["revision"], "s-1");
        assert_eq!(body["traffic"][0]["percent"], 100);
        assert_eq!(body["traffic"][1]["tag"], "up-1");
        assert_eq!(with_revision(&service(), &new(), false).unwrap()["traffic"][1], Value::Null);
    }

    #[test]
    fn another_image_than_planned_is_somebody_elses_deployment() {
        assert!(check_before(&service(), &new()).is_ok());
        let other = NewRevision { before: "s:0".into(), ..new() };
        let error = check_before(&service(), &other).unwrap_err();
        assert_eq!(error.kind, crate::capability::Kind::Conflict);
    }

    #[test]
    fn only_what_matters_is_a_conflict() {
        let seen = Seen::of(&service());
        let mut now = service();
        now["annotations"] = json!({"x": "y"});
        now["template"]["revision"] = json!("s-1b");
        assert!(check_unchanged(&seen, &now, &new()).is_ok());
        now["template"]["unknown"] = json!(1);
        assert!(check_unchanged(&seen, &now, &new()).is_err());
        let mut now = service();
        now["traffic"] = json!([{"revision": "s-0", "percent": 100}]);
        assert!(check_unchanged(&seen, &now, &new()).is_err());
    }
}
