//! What the operator grants to a plugin: `[plugins.NAME.allow]`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::functions::{
    DOCKER_CHANGES, DOCKER_READS, GCLOUD_CHANGES, GCLOUD_READS, METHODS, SQL_READS,
};
use super::statement::writes_only;
use super::{About, Ask, Origin, Reach};
use crate::contract::http::Endpoint;

/// Stands for every service.
pub(super) const ALL: &str = "*";

/// Grants as they are written; [`Grants`] are those that can be enforced.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    #[serde(skip_serializing_if = "Services::is_none")]
    pub docker: Services,
    #[serde(skip_serializing_if = "Services::is_none")]
    pub gcloud: Services,
    #[serde(skip_serializing_if = "Sql::is_none")]
    pub sql: Sql,
    #[serde(skip_serializing_if = "Http::is_none")]
    pub http: Http,
    #[serde(skip_serializing_if = "LimitGrants::is_none")]
    pub limits: LimitGrants,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// The functions of the interface.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub actions: BTreeSet<String>,
    /// The services that calls may name; "*" is every one.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Sql {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub connections: BTreeSet<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub read: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub dump: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub restore: bool,
    /// Statements, word for word.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub write: BTreeSet<String>,
    /// Tables, as SCHEMA.TABLE, that plain INSERT, UPDATE and DELETE may write to.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub write_tables: BTreeSet<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// SERVICE:PORT; SERVICE is every port of it, "*" every service.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
    /// Origins: scheme://host:port.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// CIDR networks that are refused unless they are listed here.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<String>,
}

/// What a plugin may use, where it is other than the default.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LimitGrants {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Time spent executing the plugin in one call into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_s: Option<u32>,
    /// The whole of making a plan, host calls included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make_plan_s: Option<u32>,
    /// Calls to the host in one call into the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// All results of the host in one call into the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results_mib: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_lines: Option<u32>,
}

/// Grants that were found to be enforceable.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(try_from = "Allow", into = "Allow")]
pub struct Grants {
    pub(super) allow: Allow,
    reach: Reach,
}

/// What they reach follows from what is written.
impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        self.allow == other.allow
    }
}

impl TryFrom<Allow> for Grants {
    type Error = String;

    fn try_from(allow: Allow) -> Result<Self, String> {
        known("docker.actions", &allow.docker.actions, &[DOCKER_READS, DOCKER_CHANGES].concat())?;
        known("gcloud.actions", &allow.gcloud.actions, &[GCLOUD_READS, GCLOUD_CHANGES].concat())?;
        known("http.methods", &allow.http.methods, METHODS)?;
        let services = [&allow.docker.services, &allow.gcloud.services, &allow.http.services];
        if services.into_iter().flatten().any(|name| !is_service(name)) {
            return Err("a service is granted by its whole name, or all are by \"*\"".into());
        }
        if allow.sql.write_tables.iter().any(|table| !is_table(table)) {
            return Err("sql.write-tables names tables as schema.table, in lower case".into());
        }
        allow.limits.check()?;
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let reach = Reach::parse(&list(&allow.http.hosts), &list(&allow.http.addresses))
            .map_err(|malformed| malformed.to_string())?;
        Ok(Self { allow, reach })
    }
}

impl From<Grants> for Allow {
    fn from(grants: Grants) -> Self {
        grants.allow
    }
}

/// On one line, whatever its texts hold: the escapes of JSON are those of TOML.
fn inline(value: &toml::Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        toml::Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        toml::Value::Array(items) => format!("[{}]", joined(items.iter().map(inline).collect())),
        toml::Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", inline(value)));
            format!("{{ {} }}", joined(pairs.collect()))
        }
        other => other.to_string(),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn known(key: &str, names: &BTreeSet<String>, known: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("{key}: there is no {name:?}; there are {}", known.join(", "))),
    }
}

/// A pattern would promise more than is enforced.
fn is_service(name: &str) -> bool {
    name == ALL || (!name.is_empty() && !name.contains(['*', '?', ' ', '/']))
}

/// As an unquoted name is after the server has folded it.
fn is_table(name: &str) -> bool {
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    name.split_once('.').is_some_and(|(schema, table)| is_plain(schema) && is_plain(table))
}

impl Services {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn allow(&self, ask: &Ask<'_>) -> bool {
        self.actions.contains(ask.name())
            && (self.services.contains(ALL)
                || ask.services().iter().all(|service| self.services.contains(*service)))
    }
}

impl Sql {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn allow(&self, ask: &Ask<'_>) -> bool {
        let function = match ask.name() {
            "dump" => self.dump,
            "restore" => self.restore,
            "execute" => self.may_write(ask),
            name => self.read && SQL_READS.contains(&name),
        };
        function && connection(ask).is_none_or(|name| self.connections.contains(name))
    }

    fn may_write(&self, ask: &Ask<'_>) -> bool {
        let About::Statement { statement, .. } = ask.about else { return false };
        let statement = statement.trim();
        self.write.iter().any(|granted| granted.trim() == statement)
            || writes_only(statement).is_some_and(|table| self.write_tables.contains(&table))
    }
}

pub(super) fn connection<'a>(ask: &Ask<'a>) -> Option<&'a str> {
    match ask.about {
        About::Connection(connection) | About::Statement { connection, .. } => Some(connection),
        _ => None,
    }
}

impl Http {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn allow(&self, ask: &Ask<'_>, reach: &Reach) -> bool {
        let About::Request { method, endpoint } = ask.about else { return false };
        let end = match endpoint {
            Endpoint::Service(at) => {
                let port = || format!("{}:{}", at.service, at.port);
                self.services.contains(ALL)
                    || self.services.contains(&at.service)
                    || self.services.contains(&port())
            }
            Endpoint::Origin(origin) => {
                Origin::parse(origin).is_ok_and(|origin| reach.allows(&origin))
            }
        };
        self.methods.contains(method) && end
    }
}

impl LimitGrants {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self) -> Result<(), String> {
        let all = [
            self.memory_mib,
            self.execution_s,
            self.make_plan_s,
            self.calls,
            self.results_mib,
            self.log_lines,
        ];
        if all.contains(&Some(0)) {
            return Err("a limit of 0 lets nothing run".into());
        }
        if self.memory_mib.is_some_and(|mib| mib > 4096) {
            return Err("limits.memory-mib is at most 4096".into());
        }
        Ok(())
    }
}

impl Grants {
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn limits(&self) -> &LimitGrants {
        &self.allow.limits
    }

    pub fn is_empty(&self) -> bool {
        self.allow == Allow::default()
    }

    /// Whether anything of an interface is granted.
    pub(super) fn has(&self, interface: &str) -> bool {
        let Allow { docker, gcloud, sql, http, .. } = &self.allow;
        match interface {
            "docker" => !docker.is_none(),
            "gcloud" => !gcloud.is_none(),
            "sql" => !sql.is_none(),
            "http" => !http.is_none(),
            _ => false,
        }
    }

    pub(super) fn allow(&self, ask: &Ask<'_>) -> bool {
        match ask.interface() {
            "docker" => self.allow.docker.allow(ask),
            "gcloud" => self.allow.gcloud.allow(ask),
            "sql" => self.allow.sql.allow(ask),
            "http" => self.allow.http.allow(ask, &self.reach),
            _ => false,
        }
    }

    /// Whether the function is granted for anything at all.
    pub(super) fn allow_some(&self, function: &str) -> bool {
        let Some((interface, name)) = function.split_once('.') else { return false };
        let Allow { docker, gcloud, sql, http, .. } = &self.allow;
        let methods = |get: bool| http.methods.iter().any(|method| (method == "GET") == get);
        match (interface, name) {
            ("host", _) => true,
            ("docker", name) => docker.actions.contains(name),
            ("gcloud", name) => gcloud.actions.contains(name),
            ("sql", "dump") => sql.dump && !sql.connections.is_empty(),
            ("sql", "restore") => sql.restore,
            ("sql", "execute") => !(sql.write.is_empty() && sql.write_tables.is_empty()),
            ("sql", name) => sql.read && SQL_READS.contains(&name),
            ("http", name) => {
                methods(name == "get") && !(http.services.is_empty() && http.hosts.is_empty())
            }
            _ => false,
        }
    }

    /// One line of a configuration: the grants of one interface.
    pub fn line(&self, plugin: &str, interface: &str) -> String {
        let table = toml::Table::try_from(&self.allow).unwrap_or_default();
        let value = table.get(interface).map(inline).unwrap_or_default();
        format!("plugins.{plugin}.allow.{interface} = {value}")
    }

    /// As a configuration has it, a line an interface.
    pub fn lines(&self, plugin: &str) -> Vec<String> {
        let table = toml::Table::try_from(&self.allow).unwrap_or_default();
        table.keys().map(|interface| self.line(plugin, interface)).collect()
    }
}
