//! The way to an origin outside of the installation: its name is resolved once, every
//! address that comes of it is checked, and nothing else is connected to.

use std::io;
use std::net::SocketAddr;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::network;
use crate::capability::error::{Error, Result};
use crate::policy::{Malformed, Origin, Reach};

pub(super) trait Resolver: Send + Sync {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// As every program of this machine resolves.
pub(super) struct System;

impl Resolver for System {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async move { Ok(lookup_host((name, port)).await?.collect()) }.boxed()
    }
}

pub(super) struct Way {
    /// Leads to the addresses that were checked, and nowhere else.
    pub network: reqwest::Client,
    pub base: String,
}

/// For one call of a plugin.
pub(super) async fn find(
    asked: &str,
    reach: &Reach,
    resolver: &dyn Resolver,
    deadline: Instant,
) -> Result<Way> {
    let origin = Origin::parse(asked).map_err(malformed)?;
    if !reach.allows(&origin) {
        return Err(Error::denied(format!("no grant lists the origin {origin}"))
            .hint(grant("hosts", &origin.to_string())));
    }
    let addresses = addresses(&origin, resolver, deadline).await?;
    for address in &addresses {
        let address = address.ip();
        if let Some(class) = reach.refusal(&origin, address) {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return Err(Error::denied(format!("{origin} leads to {address}: {class}"))
                .hint(grant("addresses", &format!("{address}/{bits}"))));
        }
    }
    Ok(Way { network: network::pinned(addresses)?, base: origin.to_string() })
}

async fn addresses(
    origin: &Origin,
    resolver: &dyn Resolver,
    deadline: Instant,
) -> Result<Vec<SocketAddr>> {
    let Some(name) = origin.name() else {
        let literal = origin.address().map(|address| SocketAddr::new(address, origin.port()));
        return Ok(literal.into_iter().collect());
    };
    let found = timeout_at(deadline, resolver.resolve(name, origin.port()))
        .await
        .map_err(|_| Error::timed_out(format!("resolving {name}: no answer in time")))?
        .map_err(|e| Error::unavailable(format!("resolving {name}")).because(e))?;
    if found.is_empty() {
        return Err(Error::unavailable(format!("resolving {name}: it has no address")));
    }
    Ok(found)
}

fn malformed(error: Malformed) -> Error {
    Error::invalid(error.to_string()).hint("it is written as scheme://host or scheme://host:port")
}

fn grant(key: &str, value: &str) -> String {
    format!("{key} = [\"{value}\"] in the plugin's allow.http would allow it")
}
