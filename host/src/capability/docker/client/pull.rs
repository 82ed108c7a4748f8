//! Pulling images by their digests.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use super::Client;
use super::images::{Local, Pinned};
use super::progress::Layers;
use super::{credentials, failure};
use crate::capability::docker::types::{PinnedImage, PullProgress};
use crate::capability::error::{Error, Kind, Result};

/// The engine resumes at the layers that it already has.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Client {
    /// Afterwards the engine has the image under its digest, and its reference names
    /// it. An image that is already there is not pulled again. Running containers are
    /// not touched; see [`Client::keep_current_images`] for the images they use.
    ///
    /// Errors: as [`Client::resolve`]; `TimedOut` when the engine shows no sign of life.
    pub async fn pull(
        &self,
        image: &PinnedImage,
        progress: impl Fn(PullProgress) + Send + Sync,
    ) -> Result<()> {
        let pinned = Pinned::check(image)?;
        let local = match self.local(&pinned).await? {
            Some(local) => local,
            None => self.fetch(&pinned, &progress).await?,
        };
        self.tag(&local, &pinned.reference).await
    }

    async fn fetch(
        &self,
        pinned: &Pinned,
        progress: &(impl Fn(PullProgress) + Send + Sync),
    ) -> Result<Local> {
        let credentials = credentials::of(pinned.reference.registry()).await?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.pull_once(pinned, credentials.clone(), progress).await {
                Ok(()) => break,
                Err(error) if attempt < ATTEMPTS && is_transient(&error) => {}
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause *= 2;
        }
        let local = self.local(pinned).await?;
        local.ok_or_else(|| {
            Error::failed(format!(
                "pulling {}: the engine has no image of this digest",
                pinned.by_digest()
            ))
            .hint("the image may not be built for the engine's platform")
        })
    }

    /// A pull fails within an answer of status 200: the stream is what counts.
    async fn pull_once(
        &self,
        pinned: &Pinned,
        credentials: Option<DockerCredentials>,
        progress: &(impl Fn(PullProgress) + Send + Sync),
    ) -> Result<()> {
        let doing = format!("pulling {}", pinned.by_digest());
        let reference = &pinned.reference;
        let options = CreateImageOptions {
            from_image: Some(reference.repository().to_owned()),
            tag: Some(pinned.digest.clone()),
            ..CreateImageOptions::default()
        };
        let mut messages = self.docker().create_image(Some(options), None, credentials);
        let mut layers = Layers::default();
        loop {
            let message = timeout(self.pull_stall, messages.next()).await.map_err(|_| {
                Error::timed_out(format!(
                    "{doing}: nothing moved for {} s",
                    self.pull_stall.as_secs()
                ))
            })?;
            let Some(message) = message else { return Ok(()) };
            let message = message.map_err(|error| {
                failure::registry(&doing, reference.registry(), reference.repository(), error)
            })?;
            if let Some(sum) = layers.note(&message) {
                progress(sum);
            }
        }
    }
}

fn is_transient(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::TimedOut)
}
