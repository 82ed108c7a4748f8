//! A mark that only one can have: an annotation of a service, set with its etag.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Client;
use super::backoff::Backoff;
use super::deploy::{MOMENT, MOST_TRIES};
use super::failure::Failure;
use super::operation::LONGEST_PAUSE;
use super::services::Patch;
use crate::capability::error::{Error, Result};
use crate::capability::gcloud::convert;
use crate::capability::gcloud::types::Mark;

/// The service that every documented installation has.
const USUAL_BEARER: &str = "model-service";
/// No revision comes of an annotation of the service, and none of Google's is of this name.
const ANNOTATION: &str = "tessallite-up/lock";

/// What happens to the annotations.
enum Outcome {
    Done,
    /// They are not as they should be for it.
    NotNow,
}

impl Client {
    /// Sets the mark. What is returned is its ID; nothing when there is one already.
    ///
    /// # Errors
    /// Those of Google Cloud.
    pub async fn create_mark(&self, labels: &BTreeMap<String, String>) -> Result<Option<String>> {
        let id = hex_of(labels);
        let value = json!({"id": id, "labels": labels}).to_string();
        let change = |annotations: &mut serde_json::Map<String, Value>| {
            match annotations.get(ANNOTATION).map(|there| *there == value) {
                None => annotations.insert(ANNOTATION.to_owned(), json!(value)),
                // Our own try, whose answer was lost.
                Some(true) => return Some(false),
                Some(false) => return None,
            };
            Some(true)
        };
        let outcome = match self.annotate("setting the lock", change).await {
            Ok(outcome) => outcome,
            // It may be there all the same.
            Err(error) => {
                return Err(match self.remove_mark(&id).await {
                    Ok(()) => error,
                    Err(undo) => error.reworded(|text| {
                        format!("{text}; it may be set all the same: {}", undo.full_text())
                    }),
                });
            }
        };
        Ok(match outcome {
            Outcome::Done => Some(id),
            Outcome::NotNow => None,
        })
    }

    /// # Errors
    /// Those of Google Cloud.
    pub async fn find_mark(&self) -> Result<Option<Mark>> {
        let service = self.raw(self.bearer()?).await?;
        let Some(value) = service["annotations"][ANNOTATION].as_str() else { return Ok(None) };
        Ok(Some(parse(value)))
    }

    /// By ID: there may be another one by now. One that is gone is no error.
    ///
    /// # Errors
    /// Those of Google Cloud.
    pub async fn remove_mark(&self, id: &str) -> Result<()> {
        let change = |annotations: &mut serde_json::Map<String, Value>| {
            let there = annotations.get(ANNOTATION).and_then(Value::as_str).map(parse);
            let is_ours = there.is_some_and(|mark| mark.id == id);
            if is_ours {
                annotations.remove(ANNOTATION);
            }
            Some(is_ours)
        };
        self.annotate("removing the lock", change).await.map(drop)
    }

    /// `change` says whether there is anything to write, or nothing where it must not be.
    async fn annotate(
        &self,
        what: &str,
        change: impl Fn(&mut serde_json::Map<String, Value>) -> Option<bool>,
    ) -> Result<Outcome> {
        let name = self.bearer()?;
        let doing = format!("{what} on the service {name}");
        for _ in 0..MOST_TRIES {
            let service = self.raw(name).await?;
            let mut annotations = service["annotations"].as_object().cloned().unwrap_or_default();
            match change(&mut annotations) {
                None => return Ok(Outcome::NotNow),
                Some(false) => return Ok(Outcome::Done),
                Some(true) => {}
            }
            let (resource, etag) = (&service["name"], &service["etag"]);
            let body = json!({"name": resource, "etag": etag, "annotations": annotations});
            let patch = Patch {
                service: name,
                doing: &doing,
                body: &body,
                mask: "annotations",
                validate_only: false,
            };
            match self.patch(patch).await {
                Ok(operation) => {
                    self.until_settled(name, &doing, &operation).await?;
                    return Ok(Outcome::Done);
                }
                Err(Failure::Refused(refusal)) if refusal.is_stale() => {}
                Err(Failure::Lost(_)) => sleep(MOMENT).await,
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Error::conflict(format!("{doing}: the service is changed again and again")))
    }

    /// The change is accepted; until it is in effect, the service counts as being changed.
    async fn until_settled(&self, name: &str, doing: &str, operation: &Value) -> Result<()> {
        let mut backoff = Backoff::polling(LONGEST_PAUSE, self.place().patience.revision);
        // Only to be told sooner. What it says does not count: it fails for a revision that
        // has failed long ago, and not everybody may ask.
        if let Some(operation) = operation["name"].as_str() {
            let _ = self.ask_about(doing, operation, backoff.left()).await;
        }
        while convert::is_reconciling(&self.raw(name).await?) {
            if backoff.pause(None).await.is_err() {
                return Err(Error::timed_out(format!(
                    "the service {name} is still being changed, and has been for long"
                ))
                .hint("gcloud run services describe shows what it waits for"));
            }
        }
        Ok(())
    }

    /// The service that carries the mark: the same one, in whatever order a configuration has
    /// them.
    fn bearer(&self) -> Result<&str> {
        let on_cloud_run = || self.place().services.iter().filter(|service| !service.external);
        let usual = on_cloud_run().find(|service| service.name == USUAL_BEARER);
        let first = usual.or_else(|| on_cloud_run().min_by_key(|service| &service.name));
        let first = first.ok_or_else(|| {
            Error::invalid("no service of the configuration is on Cloud Run")
                .hint("[cloudrun] services lists those of the installation")
        })?;
        Ok(&first.name)
    }
}

/// Whatever stands there is a mark, and of somebody.
fn parse(value: &str) -> Mark {
    let json: Value = serde_json::from_str(value).unwrap_or_default();
    let labels = serde_json::from_value(json["labels"].clone()).unwrap_or_default();
    Mark { id: json["id"].as_str().unwrap_or(value).to_owned(), labels }
}

/// Another one for every run and process.
fn hex_of(labels: &BTreeMap<String, String>) -> String {
    use sha2::{Digest as _, Sha256};
    crate::text::hex(&Sha256::digest(json!(labels).to_string().as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let value = json!({"id": hex_of(&labels), "labels": labels}).to_string();
        assert_eq!(parse(&value), Mark { id: hex_of(&labels), labels });
        assert_eq!(parse("by hand"), Mark { id: "by hand".into(), labels: BTreeMap::new() });
    }
}
