//! Ways to a port of a service.

use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, PortBinding};

use super::Client;
use super::containers::Found;
use crate::capability::docker::types::{ContainerRoutes, Route};
use crate::capability::error::Result;

/// A container that has run for less than this refuses at first: no reason to run a program
/// in it, which costs more than to ask again.
const YOUNG: Duration = Duration::from_secs(2);

impl Client {
    /// For every running container of the service, the ways to its TCP port, best
    /// first: published, then the network, then from inside.
    ///
    /// Errors: `NotFound` when the model has no such service.
    pub async fn routes(&self, service: &str, port: u16) -> Result<Vec<ContainerRoutes>> {
        let found = self.containers_of(service).await?;
        let running = found.into_iter().filter(Found::is_running);
        let (host, is_local) = (&self.inner.host, self.inner.facts.is_local);
        Ok(running
            .map(|found| ContainerRoutes {
                routes: routes(&found.details, port, host, is_local, is_young(&found)),
                id: found.container.id,
                name: found.container.name,
            })
            .collect())
    }
}

fn is_young(found: &Found) -> bool {
    found.has_run().is_some_and(|time| time < YOUNG)
}

/// `host` is where the engine publishes ports, `local` whether its networks are ours.
fn routes(
    details: &ContainerInspectResponse,
    port: u16,
    host: &str,
    local: bool,
    young: bool,
) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut add = |route: Route| {
        if !routes.contains(&route) {
            routes.push(route);
        }
    };
    for route in published(details, port, host) {
        add(route);
    }
    let mode = details.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    if mode == Some("host") {
        add(Route::Published { host: host.to_owned(), port });
    }
    if local {
        for address in addresses(details) {
            add(Route::Network { address, port });
        }
    }
    if routes.is_empty() || !(local && young) {
        routes.push(Route::Inside);
    }
    routes
}

fn published(details: &ContainerInspectResponse, port: u16, host: &str) -> Vec<Route> {
    let ports = details.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    let bindings =
        ports.and_then(|ports| ports.get(&format!("{port}/tcp"))?.as_deref()).unwrap_or_default();
    let mut bindings: Vec<&PortBinding> = bindings.iter().collect();
    // IPv4 first: the engine answers on ::1 by a proxy that may be switched off.
    bindings.sort_by_key(|binding| binding.host_ip.as_deref().is_some_and(|ip| ip.contains(':')));
    bindings.into_iter().filter_map(|binding| route(binding, host)).collect()
}

fn route(binding: &PortBinding, host: &str) -> Option<Route> {
    let port = binding.host_port.as_deref()?.parse().ok().filter(|port| *port != 0)?;
    let host = match binding.host_ip.as_deref() {
        None | Some("" | "0.0.0.0" | "::") => host,
        Some(address) => address,
    };
    Some(Route::Published { host: host.to_owned(), port })
}

/// By the networks' names, so that two questions get the same answer.
fn addresses(details: &ContainerInspectResponse) -> Vec<IpAddr> {
    let networks =
        details.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<_> = networks.into_iter().flatten().collect();
    networks.sort_by_key(|(name, _)| name.as_str());
    let addresses = networks.into_iter().flat_map(|(_, network)| {
        [network.ip_address.as_deref(), network.global_ipv6_address.as_deref()]
    });
    addresses.flatten().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(json: &str) -> ContainerInspectResponse {
        serde_json::from_str(json).unwrap()
    }

    fn published(host: &str, port: u16) -> Route {
        Route::Published { host: host.to_owned(), port }
    }

    #[test]
    fn published_comes_before_the_network_before_inside() {
        let details = details(
            r#"{"NetworkSettings":{
                "Ports":{"8001/tcp":[{"HostIp":"::","HostPort":"18001"},{"HostIp":"0.0.0.0","HostPort":"18001"}],"9/tcp":null},
                "Networks":{"b":{"IPAddress":"172.18.0.3"},"a":{"IPAddress":"172.17.0.2"},"c":{"IPAddress":""}}}}"#,
        );
        let network =
            |address: &str, port| Route::Network { address: address.parse().unwrap(), port };
        assert_eq!(
            routes(&details, 8001, "127.0.0.1", true, false),
            [
                published("127.0.0.1", 18001),
                network("172.17.0.2", 8001),
                network("172.18.0.3", 8001),
                Route::Inside
            ]
        );
        assert!(!routes(&details, 8001, "127.0.0.1", true, true).contains(&Route::Inside));
        assert_eq!(routes(&details, 9, "127.0.0.1", false, true), [Route::Inside]);
        assert_eq!(
            routes(&details, 8001, "engine.example", false, true),
            [published("engine.example", 18001), Route::Inside]
        );
    }

    #[test]
    fn the_network_of_the_host_publishes_everything() {
        let details = details(
            r#"{"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Ports":{},"Networks":{"host":{"IPAddress":""}}}}"#,
        );
        assert_eq!(
            routes(&details, 80, "127.0.0.1", true, false),
            [published("127.0.0.1", 80), Route::Inside]
        );
    }
}
