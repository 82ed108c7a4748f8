//! Writing image references into the project's files: what the client knows of them,
//! and what the rewriting makes of that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::client::{Client, files};
use super::former::FormerFiles;
use super::rewrite::{self, Edit, Sources};
use super::types::Location;
use crate::capability::{Error, Result};
use crate::contract::docker::{ImageChange, PinChange};

/// Compose sets it for interpolation where nobody else does.
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// The files of the project that a pin may write to, as far as they are known without asking
/// `docker compose`; what is wrong with them is not told here.
pub fn files_of(location: &Location) -> Vec<PathBuf> {
    let (compose, env) =
        (files::in_effect(location).unwrap_or_default(), files::env_files(location));
    match Sources::read(&files::project_dir(location), &compose, &env, &environment()) {
        Ok(Sources { compose, related, env, .. }) => {
            [compose, related, env].into_iter().flatten().map(|file| file.path).collect()
        }
        Err(_) => [compose, env].concat(),
    }
}

/// What a pin would write: the lines for the operator.
pub(super) async fn preview(client: &Client, change: PinChange) -> Result<Vec<String>> {
    let edits = plan(client, change.images).await?;
    let paths: Vec<_> = edits.iter().map(|edit| edit.path.clone()).collect();
    blocking(move || rewrite::writable(&paths)).await?;
    Ok(edits.into_iter().flat_map(|edit| edit.description).collect())
}

/// Writes it, and takes it back unless Compose itself then reads what was wanted.
///
/// What it replaces is kept first, for the way back from `run`.
pub(super) async fn pin(
    client: &Client,
    former: &FormerFiles,
    run: &str,
    change: PinChange,
) -> Result<()> {
    let edits = plan(client, change.images.clone()).await?;
    former.keep(run, &edits).await?;
    let apply = edits.clone();
    let written = blocking(move || rewrite::apply(&apply)).await;
    client.forget_model().await;
    written?;
    let Err(mismatch) = check(client, &change.images).await else { return Ok(()) };
    let undone = blocking(move || rewrite::undo(&edits)).await;
    client.forget_model().await;
    Err(match undone {
        Ok(()) => mismatch.hint("the files are as they were; write the images by hand"),
        Err(error) => {
            mismatch.reworded(|mismatch| format!("{mismatch}; and {}", error.full_text()))
        }
    })
}

async fn check(client: &Client, images: &[ImageChange]) -> Result<()> {
    client.reread_model().await?;
    let services = client.services().await?;
    let says = |name: &str| {
        services
            .iter()
            .find(|service| service.name == name)
            .map_or("", |found| found.image.as_str())
    };
    match images.iter().find(|image| says(&image.service) != image.after.reference) {
        None => Ok(()),
        Some(image) => Err(Error::failed(format!(
            "after writing the project's files, docker compose reads {:?} for {}, not {}",
            says(&image.service),
            image.service,
            image.after.reference
        ))),
    }
}

async fn plan(client: &Client, images: Vec<ImageChange>) -> Result<Vec<Edit>> {
    let directory = client.project_dir();
    let compose = client.files()?;
    let env = client.env_files();
    let mut variables = environment();
    if !variables.contains_key(PROJECT_NAME) {
        variables.insert(PROJECT_NAME.to_owned(), client.engine().await?.project);
    }
    blocking(move || {
        let sources = Sources::read(&directory, &compose, &env, &variables)?;
        let changes: Vec<_> = images.into_iter().map(Into::into).collect();
        rewrite::plan(&sources, &variables, &changes)
    })
    .await
}

/// Of this process, where Compose interpolates from first.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| {
        Err(Error::failed("rewriting the project's files broke down").because(broken))
    })
}
