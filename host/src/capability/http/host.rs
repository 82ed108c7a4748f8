//! The interface `http` of the contract.

use std::time::Duration;

use crate::capability::{Context, Error, Result};
use crate::contract::Effect;
use crate::contract::http::{Endpoint, Host, Response, SendChange};

impl Host for Context {
    async fn get(&mut self, endpoint: Endpoint, path: String, timeout_ms: u32) -> Result<Response> {
        self.read("http.get", async |s| {
            let Endpoint::Service(at) = endpoint else { return Err(Error::denied("interim")) };
            let r = s
                .http
                .get(&at.service, at.port, &path, Duration::from_millis(timeout_ms.into()))
                .await?;
            Ok(Response { status: r.status, headers: r.headers, body: r.body })
        })
        .await
    }

    async fn send(&mut self, change: SendChange) -> Result<Response> {
        self.change(Effect::HttpSend(change.clone()), async move |_| Err(Error::denied("interim")))
            .await
    }
}
