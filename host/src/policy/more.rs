//! Grants that grow by what is wanted of them.

use super::ask::spelt;
use super::functions::{DOCKER_READS, GCLOUD_READS, SQL_READS};
use super::grants::{ALL, Http, Services, Sql, connection};
use super::{About, Ask, Grants, Origin};
use crate::contract::http::Endpoint;

impl Services {
    fn add(&mut self, ask: &Ask<'_>) {
        // What a plugin calls by the name that stands for all is no service, and gets no grant.
        if ask.services().contains(&ALL) {
            return;
        }
        self.actions.insert(ask.name().to_owned());
        if !self.services.contains(ALL) {
            self.services.extend(ask.services().iter().map(|service| (*service).to_owned()));
        }
    }
}

impl Sql {
    fn add(&mut self, ask: &Ask<'_>) {
        match ask.name() {
            "dump" => self.dump = true,
            "restore" => self.restore = true,
            "execute" => {
                if let About::Statement { statement, .. } = ask.about {
                    self.write.insert(statement.trim().to_owned());
                }
            }
            _ => self.read = true,
        }
        self.connections.extend(connection(ask).map(str::to_owned));
    }
}

impl Http {
    fn add(&mut self, ask: &Ask<'_>) {
        let About::Request { method, endpoint } = ask.about else { return };
        self.methods.insert(method.to_owned());
        match endpoint {
            Endpoint::Service(_) if self.services.contains(ALL) => {}
            Endpoint::Service(_) => {
                self.services.insert(spelt(endpoint));
            }
            Endpoint::Origin(origin) => {
                // In the one spelling that shows what it is.
                self.hosts.extend(Origin::parse(origin).ok().map(|origin| origin.to_string()));
            }
        }
    }
}

impl Grants {
    /// These grants, and as little more as allows this. `None`: no grant could.
    pub fn with(&self, ask: &Ask<'_>) -> Option<Self> {
        let mut allow = self.allow.clone();
        match ask.interface() {
            "docker" => allow.docker.add(ask),
            "gcloud" => allow.gcloud.add(ask),
            "sql" => allow.sql.add(ask),
            "http" => allow.http.add(ask),
            _ => return None,
        }
        Self::try_from(allow).ok().filter(|more| more.allow(ask))
    }

    /// These, and this function for every service and for the installation's own database.
    #[must_use]
    pub(super) fn with_all(&self, function: &str) -> Self {
        let mut allow = self.allow.clone();
        let all = ALL.to_owned();
        match function.split_once('.') {
            Some(("docker", name)) => {
                allow.docker.actions.insert(name.to_owned());
                allow.docker.services.insert(all);
            }
            Some(("gcloud", name)) => {
                allow.gcloud.actions.insert(name.to_owned());
                allow.gcloud.services.insert(all);
            }
            Some(("sql", name)) => {
                allow.sql.connections.insert("internal".to_owned());
                match name {
                    "dump" => allow.sql.dump = true,
                    "restore" => allow.sql.restore = true,
                    "execute" => {}
                    _ => allow.sql.read = true,
                }
            }
            Some(("http", name)) => {
                let method = if name == "get" { "GET" } else { "POST" };
                allow.http.methods.insert(method.to_owned());
                allow.http.services.insert(all);
            }
            _ => {}
        }
        Self::try_from(allow).unwrap_or_else(|_| self.clone())
    }

    /// These, and this read wherever that can be said without naming anything.
    #[must_use]
    pub(super) fn with_read(&self, function: &str) -> Self {
        let mut allow = self.allow.clone();
        match function.split_once('.') {
            Some(("docker", name)) if DOCKER_READS.contains(&name) => {
                allow.docker.actions.insert(name.to_owned());
            }
            Some(("gcloud", name)) if GCLOUD_READS.contains(&name) => {
                allow.gcloud.actions.insert(name.to_owned());
            }
            Some(("sql", name)) if SQL_READS.contains(&name) => allow.sql.read = true,
            Some(("http", "get")) => {
                allow.http.methods.insert("GET".to_owned());
            }
            _ => {}
        }
        Self::try_from(allow).unwrap_or_else(|_| self.clone())
    }
}
