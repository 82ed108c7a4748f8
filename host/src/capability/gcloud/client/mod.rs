//! Talking to Google Cloud: requests over HTTPS, and JSON as it comes, so that what is not
//! known here survives.

mod acting;
mod backoff;
mod cli;
mod credentials;
mod deploy;
mod environment;
mod failure;
mod instance;
mod mark;
mod operation;
mod permissions;
mod probe;
mod registry;
mod restore;
mod route;
mod services;
mod traffic;
mod transport;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use self::acting::Acting;
use self::credentials::Credentials;
use self::environment::{Endpoints, Login};
use self::operation::Waits;
use self::transport::Transport;
use super::types::{Named, Place};
use crate::capability::error::{Error, Result};

/// Told the name of every operation of Google Cloud as soon as it has one.
pub type Note<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The installation's services and its instance. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    endpoints: Endpoints,
    transport: Transport,
    /// Addresses of services and of their tags, and whether they ask who calls.
    addresses: Mutex<HashMap<(String, Option<String>), probe::Address>>,
    waits: Waits,
}

impl Client {
    /// Nothing is asked of Google Cloud yet.
    ///
    /// # Errors
    /// `Invalid`: an endpoint of the environment is no address.
    pub fn new(place: Place) -> Result<Self> {
        let endpoints = Endpoints::of(&environment::variable)?;
        let credentials = Credentials::new(Login::of(&environment::variable));
        let (iam, metadata) = (endpoints.iam_credentials.clone(), endpoints.metadata.clone());
        let acting = Acting::new(place.impersonate.clone(), iam, metadata);
        let transport = Transport::new(credentials, acting, place.patience.request)?;
        let (addresses, waits) = (Mutex::default(), Waits::default());
        Ok(Self { inner: Arc::new(Inner { place, endpoints, transport, addresses, waits }) })
    }

    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    /// # Errors
    /// `NotFound`: the configuration has no such service.
    fn named(&self, name: &str) -> Result<&Named> {
        let services = &self.inner.place.services;
        services.iter().find(|service| service.name == name).ok_or_else(|| {
            Error::not_found(format!("the configuration has no service {name:?}"))
                .hint("[cloudrun] services lists those of the installation")
        })
    }

    /// # Errors
    /// `NotFound`: the configuration has no such service, or it is not on Cloud Run.
    fn on_cloud_run(&self, name: &str) -> Result<&Named> {
        let named = self.named(name)?;
        if named.external {
            return Err(Error::not_found(format!("the service {name} is not on Cloud Run")));
        }
        Ok(named)
    }
}
