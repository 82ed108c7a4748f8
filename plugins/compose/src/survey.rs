//! What the installation is before anything is touched.

use std::collections::BTreeMap;

use tessallite_up_sdk::docker::{self, Container, ContainerState, Engine, Service};
use tessallite_up_sdk::health::{self, Answer};
use tessallite_up_sdk::host::{self, Level};
use tessallite_up_sdk::schemas::{self, Revisions};
use tessallite_up_sdk::sql::{self, Database, DumpTarget};
use tessallite_up_sdk::{Error, Refusal};

use crate::options::{INTERNAL, Options, documented_port};

/// How long a health check that has just begun may take to come to its first verdict.
const PATIENCE_MS: u64 = 60_000;
const PAUSE_MS: u32 = 250;

/// Where a service answers its health, and what it says.
pub struct Health {
    pub port: u16,
    pub answer: Answer,
}

pub struct Survey {
    pub engine: Engine,
    /// All services of the project, dependencies first.
    pub services: Vec<Service>,
    pub health: BTreeMap<String, Health>,
    /// Why a service that should answer HTTP does not.
    pub silent: BTreeMap<String, String>,
    pub database: Result<Database, Error>,
    pub schemas: Result<Revisions, Error>,
    pub dump_target: Result<DumpTarget, Error>,
}

impl Survey {
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// # Errors
/// Only where nothing can be said at all: no engine, no valid project.
pub fn look(options: &Options) -> Result<Survey, Refusal> {
    let engine = docker::get_engine()?;
    let services = settled_services()?;
    let mut survey = Survey {
        engine,
        services,
        health: BTreeMap::new(),
        silent: BTreeMap::new(),
        database: sql::get_database(INTERNAL),
        schemas: schemas::read(INTERNAL, options.migration_table),
        dump_target: sql::get_dump_target(),
    };
    for service in survey.services.iter().filter(|service| !service.containers.is_empty()) {
        if options.is_database(&service.name, &service.image) || options.never_asked(&service.name)
        {
            continue;
        }
        match find_health(service, options).map_err(Refusal::Usage)? {
            Found::Answer(health) => {
                survey.health.insert(service.name.clone(), health);
            }
            Found::Silent(why) => {
                survey.silent.insert(service.name.clone(), why);
            }
            Found::NotHttp => {}
        }
    }
    Ok(survey)
}

/// The services, once no health check of theirs is about to come to a verdict.
fn settled_services() -> Result<Vec<Service>, Error> {
    let deadline = host::elapsed() + PATIENCE_MS;
    let mut told = false;
    loop {
        let services = docker::list_services()?;
        let starting = services.iter().find(|service| is_starting(service));
        let Some(starting) = starting.filter(|_| host::elapsed() < deadline) else {
            return Ok(services);
        };
        if !told {
            host::log(Level::Info, &format!("waiting for the health check of {}", starting.name));
            told = true;
        }
        host::sleep(PAUSE_MS);
    }
}

/// Its health check has given no verdict yet, and does not pass when it is run.
fn is_starting(service: &Service) -> bool {
    let is_early = |container: &Container| {
        container.state == ContainerState::Running && container.health == docker::Health::Starting
    };
    service.containers.iter().any(is_early)
        && !matches!(docker::check_health(&service.name), Ok(docker::Health::Healthy))
}

enum Found {
    Answer(Health),
    Silent(String),
    /// Nothing says that it should answer HTTP.
    NotHttp,
}

fn find_health(service: &Service, options: &Options) -> Result<Found, String> {
    let convention = options.convention(&service.name);
    let ports = options.ports(&service.name, &service.ports)?;
    let mut silence: Vec<String> = Vec::new();
    for port in ports {
        match health::ask(&service.name, port, &convention) {
            Ok(Some(answer)) => return Ok(Found::Answer(Health { port, answer })),
            Ok(None) => silence.push(format!("port {port} knows no health path")),
            Err(error) => silence.push(error.text().to_owned()),
        }
    }
    let expected = documented_port(&service.name).is_some();
    Ok(if expected { Found::Silent(silence.join("; ")) } else { Found::NotHttp })
}
