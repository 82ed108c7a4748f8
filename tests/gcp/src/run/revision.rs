//! A revision: from its creation until it is ready, has failed, or crashes.

use serde_json::{Map, Value};

use crate::clock::Moment;
use crate::release::Release;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Starting,
    Ready,
    Failed(String),
}

#[derive(Debug, Clone)]
pub struct Revision {
    /// The short name.
    pub name: String,
    pub uid: String,
    /// As it was when the revision was created, without the revision's name.
    pub template: Map<String, Value>,
    pub image: String,
    /// Absent where the registry does not have the image.
    pub digest: Option<String>,
    pub release: Release,
    /// The service's generation that created it.
    pub generation: u64,
    pub created: Moment,
    /// When its container starts: model-service then migrates the database.
    pub starts: Moment,
    pub started: bool,
    /// When it is ready, or has failed.
    pub settles: Moment,
    pub standing: Standing,
    /// From when on it answers nothing but 503.
    pub crashes: Option<Moment>,
}

impl Revision {
    #[must_use]
    pub fn settled(&self) -> bool {
        self.standing != Standing::Starting
    }

    #[must_use]
    pub fn crashed(&self, now: Moment) -> bool {
        self.crashes.is_some_and(|from| from <= now)
    }

    /// Why it failed; absent where it has not.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.standing {
            Standing::Failed(message) => Some(message),
            Standing::Starting | Standing::Ready => None,
        }
    }
}
