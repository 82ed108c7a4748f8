//! The installation: the capabilities, connected to one another.
//!
//! Capabilities do not know each other. Where one needs what another has (the way to the
//! database's container, to a service's port), it asks through a trait of its own, and
//! this module answers with the docker client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{OnceCell, oneshot};

use crate::capability::docker::FormerFiles;
use crate::capability::docker::client::{
    Client as Docker, ExecStream, Input, Throw, Throwaway, Watch,
};
use crate::capability::docker::types::{ContainerRoutes, Location, Probed, Route};
use crate::capability::gcloud::client::Client as Gcloud;
use crate::capability::gcloud::types::Place;
use crate::capability::http::client::locate::{Directory, Probe, Replica, Route as Way};
use crate::capability::sql::locate::{
    Address, Command, Environment, Exec, Exit, Server, Spare, Spared, Wanted,
};
use crate::capability::{Error, Platform, Result, Services, http, sql};

/// The PostgreSQL of a documented installation.
const DATABASE_SERVICE: &str = "postgres";
const DATABASE_PORT: u16 = 5432;

/// What the operator's settings say of the installation.
#[derive(Clone)]
pub struct Target {
    pub kind: Kind,
    /// Where it is operated from.
    pub project_dir: PathBuf,
    pub state_dir: PathBuf,
    pub backup_dir: PathBuf,
    /// Whom backups are encrypted to with age; nobody leaves them as they are.
    pub recipients: Vec<String>,
    /// The file of the identity that opens them.
    pub identity: Option<PathBuf>,
    /// Data source names, with their passwords: this type has no `Debug`.
    pub connections: BTreeMap<String, String>,
    pub database_service: Option<String>,
}

/// What it runs on, and where.
#[derive(Clone)]
pub enum Kind {
    Compose(Location),
    CloudRun(Place),
}

pub struct Installation {
    pub services: Arc<Services>,
    pub target: Target,
}

impl Installation {
    /// # Errors
    /// There is no engine that can be worked with, or an address makes no sense.
    pub async fn connect(target: Target) -> Result<Self> {
        match target.kind.clone() {
            Kind::Compose(location) => Self::compose(target, location).await,
            Kind::CloudRun(place) => Self::cloud_run(target, place),
        }
    }

    fn cloud_run(target: Target, place: Place) -> Result<Self> {
        let platform = Platform::CloudRun(Gcloud::new(place)?);
        let named = connections(&target)?;
        let sql = sql::client::Client::new(None, named, Default::default());
        let http = http::client::Client::new(None)?;
        let seal = sql::dump::Seal::new(&target.recipients, target.identity.clone())?;
        let backups = sql::dump::Dumps::new(None, target.backup_dir.clone()).encrypted(seal);
        let former_files = FormerFiles::new(target.state_dir.join("runs"));
        let services = Services { platform, former_files, sql, backups, http };
        Ok(Self { services: Arc::new(services), target })
    }

    async fn compose(target: Target, location: Location) -> Result<Self> {
        let docker = Docker::connect(location).await?;
        let named = target.database_service.clone();
        let found = OnceCell::new();
        let postgres = Arc::new(Postgres { docker: docker.clone(), named, found });
        let server: Arc<dyn Server> = postgres.clone();
        let named = connections(&target)?;
        let sql = sql::client::Client::new(Some(Arc::clone(&server)), named, Default::default());
        let ports: Arc<dyn Directory> = Arc::new(Ports { docker: docker.clone() });
        let http = http::client::Client::new(Some(ports))?;
        let seal = sql::dump::Seal::new(&target.recipients, target.identity.clone())?;
        let backups = sql::dump::Dumps::new(Some(server), target.backup_dir.clone())
            .with_spare(postgres)
            .encrypted(seal);
        let former_files = FormerFiles::new(target.state_dir.join("runs"));
        let platform = Platform::Compose(docker);
        let services = Services { platform, former_files, sql, backups, http };
        Ok(Self { services: Arc::new(services), target })
    }

    /// Names the installation, to people and to its own records.
    ///
    /// # Errors
    /// The Compose model cannot be read.
    pub async fn project(&self) -> Result<String> {
        match &self.services.platform {
            Platform::Compose(docker) => Ok(docker.engine().await?.project),
            Platform::CloudRun(gcloud) => {
                let Place { project, region, instance, .. } = gcloud.place();
                let instance = instance.iter().map(|instance| format!("/{instance}"));
                Ok(format!("{project}/{region}{}", instance.collect::<String>()))
            }
        }
    }

    /// To be called where others may have had the time to change it.
    pub(super) async fn look_again(&self) {
        match &self.services.platform {
            Platform::Compose(docker) => docker.refresh_model().await,
            Platform::CloudRun(_) => {}
        }
    }

    /// Follows its containers, where it has some.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) async fn watch(&self) -> Result<Option<Watch>> {
        match &self.services.platform {
            Platform::Compose(docker) => docker.watch().await.map(Some),
            Platform::CloudRun(_) => Ok(None),
        }
    }
}

fn connections(target: &Target) -> Result<BTreeMap<String, sql::client::Dsn>> {
    let one =
        |(name, text): (&String, &String)| Ok((name.clone(), sql::client::Dsn::parse(text, None)?));
    target.connections.iter().map(one).collect()
}

/// The ports of the project's services.
struct Ports {
    docker: Docker,
}

impl Directory for Ports {
    fn replicas<'a>(&'a self, service: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<Replica>>> {
        async move {
            let containers = self.docker.routes(service, port).await?;
            let way = |route| match route {
                Route::Published { host, port } => Way::Address { host, port },
                Route::Network { address, port } => {
                    Way::Address { host: address.to_string(), port }
                }
                Route::Inside => Way::Inside,
            };
            let replica = |container: ContainerRoutes| Replica {
                id: container.id,
                name: container.name,
                routes: container.routes.into_iter().map(way).collect(),
            };
            Ok(containers.into_iter().map(replica).collect())
        }
        .boxed()
    }

    fn probe<'a>(&'a self, id: &'a str, argv: Vec<String>) -> BoxFuture<'a, Result<Probe>> {
        async move {
            let Probed { exit_code, stdout, stderr } = self.docker.probe(id, &argv).await?;
            Ok(Probe { code: exit_code, stdout, stderr })
        }
        .boxed()
    }
}

/// The PostgreSQL of the project.
struct Postgres {
    docker: Docker,
    /// Where the operator says which service it is.
    named: Option<String>,
    found: OnceCell<String>,
}

impl Postgres {
    /// The service that the operator names, else the one of the documented name, else
    /// the only one that runs a PostgreSQL image.
    async fn service(&self) -> Result<&str> {
        let find = async {
            if let Some(named) = &self.named {
                return Ok(named.clone());
            }
            let services = self.docker.services().await?;
            let names: Vec<&str> = services
                .iter()
                .filter(|service| is_postgres(&service.image))
                .map(|service| service.name.as_str())
                .collect();
            if services.iter().any(|service| service.name == DATABASE_SERVICE) {
                return Ok(DATABASE_SERVICE.to_owned());
            }
            match names[..] {
                [only] => Ok(only.to_owned()),
                [] => Err(Error::not_found("no service of the project is a PostgreSQL")
                    .hint("name it: --set database-service=NAME")),
                _ => Err(Error::invalid(format!(
                    "several services run a PostgreSQL image: {}",
                    names.join(", ")
                ))
                .hint("say which is Tessallite's: --set database-service=NAME")),
            }
        };
        self.found.get_or_try_init(|| find).await.map(String::as_str)
    }
}

/// By the last component of the repository.
fn is_postgres(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split([':', '@']).next().unwrap_or_default().contains("postgres")
}

impl Server for Postgres {
    fn routes(&self) -> BoxFuture<'_, Result<Vec<Address>>> {
        async {
            let containers = self.docker.routes(self.service().await?, DATABASE_PORT).await?;
            let address = |route| match route {
                Route::Published { host, port } => Some(Address { host, port }),
                Route::Network { address, port } => {
                    Some(Address { host: address.to_string(), port })
                }
                Route::Inside => None,
            };
            Ok(containers.into_iter().flat_map(|c| c.routes).filter_map(address).collect())
        }
        .boxed()
    }

    fn exec(&self, command: Command) -> BoxFuture<'_, Result<Exec>> {
        async move {
            let Command { argv, env, stdin } = command;
            let service = self.service().await?;
            Ok(exec(self.docker.exec_stream(service, &argv, &env, stdin.map(input)).await?))
        }
        .boxed()
    }

    fn environment(&self) -> BoxFuture<'_, Result<Environment>> {
        async {
            // What the product's services log in with first; the server's own then wins
            // for its own names.
            let database = self.service().await?;
            let mut pairs = BTreeMap::new();
            for service in self.docker.services().await? {
                let environment = self.docker.environment(&service.name).await?;
                let of_server = service.name == database;
                pairs.extend(environment.into_iter().filter(|(name, _)| {
                    name.starts_with("DB_") || (of_server && name.starts_with("POSTGRES_"))
                }));
            }
            Ok(pairs.into_iter().collect())
        }
        .boxed()
    }

    fn mounts(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>> {
        async { self.docker.mount_sources(self.service().await?).await }.boxed()
    }

    fn describe(&self) -> String {
        let name = self.found.get().or(self.named.as_ref());
        format!("service {:?}", name.map_or(DATABASE_SERVICE, String::as_str))
    }
}

impl Spare for Postgres {
    fn start(&self, wanted: Wanted) -> BoxFuture<'_, Result<Arc<dyn Spared>>> {
        async move {
            let Wanted { user, password, arguments, memory } = wanted;
            let env = [("POSTGRES_USER", user.as_str()), ("POSTGRES_PASSWORD", password.reveal())];
            let env: Vec<(String, String)> =
                env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let service = self.service().await?;
            let throw = Throw { service, env: env.clone(), arguments, memory };
            let container = self.docker.throwaway(throw).await?;
            Ok(Arc::new(SparePostgres { container, env }) as Arc<dyn Spared>)
        }
        .boxed()
    }
}

/// A server in a container of its own.
struct SparePostgres {
    container: Throwaway,
    env: Vec<(String, String)>,
}

impl Server for SparePostgres {
    fn routes(&self) -> BoxFuture<'_, Result<Vec<Address>>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn exec(&self, command: Command) -> BoxFuture<'_, Result<Exec>> {
        async move {
            let Command { argv, env, stdin } = command;
            Ok(exec(self.container.exec_stream(&argv, &env, stdin.map(input)).await?))
        }
        .boxed()
    }

    fn environment(&self) -> BoxFuture<'_, Result<Environment>> {
        async { Ok(self.env.iter().cloned().collect()) }.boxed()
    }

    fn mounts(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn describe(&self) -> String {
        "the throwaway server".to_owned()
    }
}

impl Spared for SparePostgres {
    fn end(&self) -> BoxFuture<'_, Result<()>> {
        self.container.remove().boxed()
    }
}

/// What a program reads, for the docker client.
fn input(bytes: sql::locate::Input) -> Input {
    Box::new(tokio_util::io::StreamReader::new(bytes.map(Ok::<_, std::io::Error>)))
}

/// A program's output, and its end once that has been read.
fn exec(stream: ExecStream) -> Exec {
    let (sender, receiver) = oneshot::channel();
    let stdout = stream::unfold(Some((stream, sender)), |state| async {
        let (mut stream, sender) = state?;
        if let Some(chunk) = stream.next().await {
            return Some((chunk, Some((stream, sender))));
        }
        let end = stream.finish().await;
        // Whoever does not wait for the end need not be told.
        let _ = sender.send(end.map(|end| Exit { code: end.exit_code, stderr: end.stderr }));
        None
    });
    let end = receiver.map(|end| {
        end.unwrap_or_else(|_| Err(Error::failed("a program's output was not read to its end")))
    });
    Exec { stdout: stdout.boxed(), end: end.boxed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgres_is_known_by_the_name_of_its_image() {
        for yes in
            ["postgres", "postgres:15", "r:5000/x/postgres@sha256:0", "bitnami/postgresql:15"]
        {
            assert!(is_postgres(yes), "{yes}");
        }
        for no in ["", "r/postgres-tools/app:1", "redis:7"] {
            assert!(!is_postgres(no), "{no}");
        }
    }
}
