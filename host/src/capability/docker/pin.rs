//! Writing image references into the project's files: what the client knows of them,
//! and what the rewriting makes of that.

use std::collections::BTreeMap;

use super::client::Client;
use super::rewrite::{self, Edit, Sources};
use crate::capability::Result;
use crate::contract::docker::{ImageChange, PinChange};

/// What a pin would write: the lines for the operator.
pub(super) async fn preview(client: &Client, change: PinChange) -> Result<Vec<String>> {
    let edits = plan(client, change.images).await?;
    let paths: Vec<_> = edits.iter().map(|edit| edit.path.clone()).collect();
    rewrite::writable(&paths)?;
    Ok(edits.into_iter().flat_map(|edit| edit.description).collect())
}

/// Writes it.
pub(super) async fn pin(client: &Client, change: PinChange) -> Result<()> {
    let edits = plan(client, change.images).await?;
    let written = blocking(move || rewrite::apply(&edits)).await;
    client.forget_model().await;
    written
}

async fn plan(client: &Client, images: Vec<ImageChange>) -> Result<Vec<Edit>> {
    let directory = client.project_dir();
    let compose = client.files()?;
    let env = client.env_files();
    blocking(move || {
        let process_env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let sources = Sources::read(&directory, &compose, &env, &process_env)?;
        let changes: Vec<_> = images.into_iter().map(Into::into).collect();
        rewrite::plan(&sources, &process_env, &changes)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| {
        Err(crate::capability::Error::failed("rewriting the project's files broke down").because(broken))
    })
}
