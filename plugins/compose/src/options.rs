//! The operator's settings, as this procedure reads them.

use tessallite_up_sdk::gate::Gate;
use tessallite_up_sdk::health::Convention;
use tessallite_up_sdk::sql::DumpProof;
use tessallite_up_sdk::{Request, Settings};

use crate::reference::Reference;

/// The connection to the installation's own database.
pub const INTERNAL: &str = "internal";

/// Where the documented services answer, inside their containers.
const DOCUMENTED_PORTS: &[(&str, u16)] = &[
    ("model-service", 8001),
    ("query-router", 8002),
    ("optimizer", 8003),
    ("scheduler", 8004),
    ("frontend", 3000),
    ("gateway", 8080),
];

/// Services whose health asks other services than those that they depend on: while one of
/// these is being replaced, they are degraded without being broken.
const ASK_PEERS: &[&str] = &["frontend"];

/// The names of all settings but those of single services.
const KNOWN: &[&str] = &[
    "services",
    "check-only",
    "one-by-one",
    "soak",
    "timeout",
    "allow-stranded-tenants",
    "quiesce",
    "verify-backup",
    "database-service",
    "migration-table",
    "system-schema",
];

const KNOWN_PER_SERVICE: &[&str] =
    &["asks-peers", "port", "health", "healthy", "migration-field", "timeout", "image"];

pub struct Options<'a> {
    settings: Settings<'a>,
    /// The services of the product, when the operator names them.
    pub services: Option<Vec<&'a str>>,
    /// The plan is not going to be carried out: the installation is to be checked, also
    /// where no version to upgrade to is known.
    pub check_only: bool,
    pub one_by_one: bool,
    pub soak_s: u32,
    pub allow_stranded_tenants: bool,
    /// The services are stopped before the backup: a rollback then loses no write.
    pub quiesce: bool,
    pub proof: DumpProof,
    database_service: Option<&'a str>,
    pub migration_table: &'a str,
    pub system_schema: &'a str,
    timeout_s: u32,
}

fn proof(text: Option<&str>) -> Result<DumpProof, String> {
    match text {
        None | Some("quick") => Ok(DumpProof::ReadBack),
        Some("full") => Ok(DumpProof::Restored),
        Some(other) => Err(format!("verify-backup is quick or full, not {other:?}")),
    }
}

impl<'a> Options<'a> {
    /// # Errors
    /// What is wrong with the settings.
    pub fn of(request: &'a Request) -> Result<Self, String> {
        for setting in &request.settings {
            check(&setting.name, &setting.value)?;
        }
        let settings = Settings::of(request);
        Ok(Self {
            services: settings.list("services"),
            check_only: settings.flag("check-only")?,
            one_by_one: settings.flag("one-by-one")?,
            soak_s: settings.number("soak", 10)?,
            timeout_s: settings.number("timeout", 180)?,
            quiesce: settings.flag("quiesce")?,
            proof: proof(settings.get("verify-backup"))?,
            allow_stranded_tenants: settings.flag("allow-stranded-tenants")?,
            database_service: settings.get("database-service"),
            migration_table: settings.get("migration-table").unwrap_or("alembic_version"),
            system_schema: settings.get("system-schema").unwrap_or("tess_system"),
            settings,
        })
    }

    fn of_service(&self, service: &str, what: &str) -> Option<&'a str> {
        self.settings.get(&format!("services.{service}.{what}"))
    }

    /// The image that the operator asks for, whatever the version says.
    pub fn image(&self, service: &str) -> Option<&'a str> {
        self.of_service(service, "image")
    }

    /// The installation's own PostgreSQL, by what the operator says, else by its name or
    /// its image.
    pub fn is_database(&self, service: &str, image: &str) -> bool {
        match self.database_service {
            Some(named) => named == service,
            None => service == "postgres" || Reference::parse(image).name().contains("postgres"),
        }
    }

    /// The services named in settings of their own.
    pub fn named_services(request: &'a Request) -> impl Iterator<Item = &'a str> {
        request.settings.iter().filter_map(|setting| {
            setting.name.strip_prefix("services.")?.rsplit_once('.').map(|(service, _)| service)
        })
    }

    pub fn convention(&self, service: &str) -> Convention {
        let mut convention = Convention::default();
        let one = |value: &str| vec![value.to_owned()];
        if let Some(path) = self.of_service(service, "health") {
            convention.paths = one(path);
        }
        if let Some(healthy) = self.of_service(service, "healthy") {
            convention.healthy = one(healthy);
        }
        if let Some(field) = self.of_service(service, "migration-field") {
            convention.migration_fields = one(field);
        }
        convention
    }

    /// The service is not to be asked over HTTP.
    pub fn never_asked(&self, service: &str) -> bool {
        self.of_service(service, "health") == Some("none")
    }

    /// Where a service may answer: what the operator says, else the documented port
    /// and those of the model.
    ///
    /// # Errors
    /// What is wrong with the setting.
    pub fn ports(&self, service: &str, of_model: &[u16]) -> Result<Vec<u16>, String> {
        if let Some(port) = self.of_service(service, "port") {
            return match port.parse() {
                Ok(port) => Ok(vec![port]),
                Err(_) => Err(format!(
                    "the setting services.{service}.port must be a port number, not {port:?}"
                )),
            };
        }
        let mut ports: Vec<u16> = documented_port(service).into_iter().collect();
        ports.extend(
            of_model.iter().copied().filter(|port| documented_port(service) != Some(*port)),
        );
        Ok(ports)
    }

    pub fn asks_peers(&self, service: &str) -> bool {
        match self.of_service(service, "asks-peers") {
            Some(value) => value == "true",
            None => ASK_PEERS.contains(&service),
        }
    }

    pub fn gate(&self, service: &str, port: Option<u16>) -> Gate {
        let timeout_s = self
            .of_service(service, "timeout")
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(self.timeout_s);
        Gate { port, convention: self.convention(service), timeout_s, ..Gate::new(service) }
    }
}

pub fn documented_port(service: &str) -> Option<u16> {
    DOCUMENTED_PORTS.iter().find(|(name, _)| *name == service).map(|(_, port)| *port)
}

fn check(name: &str, value: &str) -> Result<(), String> {
    check_name(name)?;
    if name.ends_with(".timeout") && value.parse::<u32>().is_err() {
        return Err(format!("the setting {name} must be a whole number of seconds, not {value:?}"));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let known = match name.strip_prefix("services.").and_then(|rest| rest.rsplit_once('.')) {
        Some((_, what)) => KNOWN_PER_SERVICE.contains(&what),
        None => KNOWN.contains(&name),
    };
    if known {
        return Ok(());
    }
    Err(format!(
        "there is no setting {name:?}; there are {}, and services.NAME.{}",
        KNOWN.join(", "),
        KNOWN_PER_SERVICE.join(", services.NAME.")
    ))
}
