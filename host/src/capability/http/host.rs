//! The interface `http` of the contract.

use std::time::Duration;

use super::client::types;
use crate::capability::{Context, Result};
use crate::contract::Effect;
use crate::contract::http::{Endpoint, Host, Response, SendChange};

impl Host for Context {
    async fn get(&mut self, endpoint: Endpoint, path: String, timeout_ms: u32) -> Result<Response> {
        self.read("http.get", async |s| {
            let timeout = Duration::from_millis(timeout_ms.into());
            Ok(s.http.get(&endpoint.into(), &path, timeout).await?.into())
        })
        .await
    }

    async fn send(&mut self, change: SendChange) -> Result<Response> {
        self.change(Effect::HttpSend(change.clone()), async move |s| {
            Ok(s.http.send(&change.into()).await?.into())
        })
        .await
    }
}

impl From<Endpoint> for types::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Service(at) => Self::Service { service: at.service, port: at.port },
            Endpoint::Origin(origin) => Self::Origin(origin),
        }
    }
}

impl From<types::Response> for Response {
    fn from(types::Response { status, headers, body }: types::Response) -> Self {
        Self { status, headers, body }
    }
}

impl From<SendChange> for types::Change {
    fn from(change: SendChange) -> Self {
        let SendChange { method, endpoint, path, headers, body, timeout_ms } = change;
        let timeout = Duration::from_millis(timeout_ms.into());
        Self { method, endpoint: endpoint.into(), path, headers, body, timeout }
    }
}
