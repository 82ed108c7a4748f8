//! The interface `http` of the contract.

use std::time::Duration;

use super::client::types;
use crate::capability::conduct::Call;
use crate::capability::{Context, Result};
use crate::contract::Effect;
use crate::contract::http::{Endpoint, Host, Response, SendChange};
use crate::policy::Ask;

impl Host for Context {
    async fn get(&mut self, endpoint: Endpoint, path: String, timeout_ms: u32) -> Result<Response> {
        let reach = self.conduct().reach();
        let arguments = (&endpoint, &path, timeout_ms);
        let ask = Ask::request("http.get", "GET", &endpoint);
        self.ask(Call { ask, arguments: &arguments })?
            .read(async move |s| {
                let timeout = Duration::from_millis(timeout_ms.into());
                Ok(s.http.get(&endpoint.into(), &path, timeout, &reach).await?.into())
            })
            .await
    }

    async fn send(&mut self, change: SendChange) -> Result<Response> {
        let reach = self.conduct().reach();
        self.change(Effect::HttpSend(change.clone()), async move |s| {
            Ok(s.http.send(&change.into(), &reach).await?.into())
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
