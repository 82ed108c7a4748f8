//! What a support bundle needs of the engine and the project, secrets and all: whoever
//! asks for it redacts it.

use serde_json::Value;

use super::Client;
use super::diagnose;
use super::model;
use crate::capability::error::{Error, Result};

impl Client {
    /// The Compose model, as `docker compose config` resolves it.
    ///
    /// Errors: `Invalid` when Compose does not accept the project.
    pub async fn resolved_config(&self) -> Result<Value> {
        let doing = "reading the Compose project";
        let text = self.inner.compose.read(doing, &["config", "--format", "json"]).await?;
        let mut config = serde_json::from_str(&text).map_err(|error| {
            Error::failed("reading what `docker compose config` printed").because(error)
        })?;
        model::unescape(&mut config);
        Ok(config)
    }

    /// Every variable that the model gives to a service, or that a container of the project
    /// was created with.
    ///
    /// Errors: `Invalid` when the project's files are not valid.
    pub async fn all_variables(&self) -> Result<Vec<(String, String)>> {
        let model = self.model().await?;
        let modelled = model.services.values().flat_map(|service| service.environment.clone());
        let mut all: Vec<(String, String)> = modelled.collect();
        for found in self.containers(&model.project).await? {
            let config = found.details.config.unwrap_or_default();
            let pairs = config.env.unwrap_or_default().into_iter();
            all.extend(pairs.filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            }));
        }
        Ok(all)
    }

    /// As [`Client::logs`], with as many lines as are asked for.
    ///
    /// Errors: as for [`Client::logs`].
    pub async fn long_logs(&self, service: &str, lines: u32) -> Result<String> {
        self.last_lines(service, lines, diagnose::MOST_BYTES * 4).await
    }
}
