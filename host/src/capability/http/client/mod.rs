//! interim
use crate::capability::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

pub trait Directory: Send + Sync {
    fn routes(&self, service: &str, port: u16) -> BoxFuture<'_, Result<Vec<(String, u16)>>>;
}
pub struct Client {
    directory: Arc<dyn Directory>,
    client: reqwest::Client,
}
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
impl Client {
    pub fn new(directory: Arc<dyn Directory>) -> Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let _ = provider.install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Error::failed("http client").because(e))?;
        Ok(Self { directory, client })
    }
    pub async fn get(
        &self,
        service: &str,
        port: u16,
        path: &str,
        timeout: Duration,
    ) -> Result<Answer> {
        let mut last = Error::unavailable(format!("no way to {service}:{port}"));
        for (host, port) in self.directory.routes(service, port).await? {
            match self
                .client
                .get(format!("http://{host}:{port}{path}"))
                .timeout(timeout)
                .send()
                .await
            {
                Ok(r) => {
                    let status = r.status().as_u16();
                    let body = r
                        .bytes()
                        .await
                        .map_err(|e| Error::unavailable("body").because(e))?
                        .to_vec();
                    return Ok(Answer { status, headers: vec![], body });
                }
                Err(e) => {
                    last = Error::unavailable(format!("GET {service}:{port}{path}")).because(e)
                }
            }
        }
        Err(last)
    }
}
