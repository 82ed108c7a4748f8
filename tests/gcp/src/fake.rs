//! The fake as a test holds it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::environment;
use crate::event::Event;
use crate::fault::Fault;
use crate::glob;
use crate::record::Recorded;
use crate::refusal::Refusal;
use crate::run::traffic::Target;
use crate::server::{self, Shared};
use crate::setup::Setup;
use crate::world::World;

/// A running fake; it ends when it is dropped.
pub struct Fake {
    world: Shared,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Where there is no port, or no thread.
    pub fn start(setup: Setup) -> io::Result<Self> {
        Self::start_at(setup, 0)
    }

    /// Starts one on this port of 127.0.0.1; 0 is a free one.
    ///
    /// # Errors
    ///
    /// Where the port is taken, or there is no thread.
    pub fn start_at(setup: Setup, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(Mutex::new(World::new(setup, url.clone())));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&world);
        let thread = std::thread::Builder::new().name("fake-gcp".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    () = server::serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { world, url, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`, as GCE_METADATA_HOST has it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What points `tessallite-up` at the fake; the metadata server gives it its tokens.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let project = self.with(|world| world.setup.project.clone());
        environment::of_product(&self.url, &project)
    }

    /// What points the gcloud CLI at the fake, with a fresh token; CLOUDSDK_CONFIG is the
    /// caller's to choose.
    #[must_use]
    pub fn gcloud_environment(&self) -> Vec<(&'static str, String)> {
        let project = self.with(|world| world.setup.project.clone());
        environment::of_gcloud(&self.url, &project, &self.token())
    }

    /// Looks at the world, or changes it, while no request is handled.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = server::lock(&self.world);
        world.advance();
        look(&mut world)
    }

    /// All of it as JSON, as `GET /_fake/state` tells it.
    #[must_use]
    pub fn state(&self) -> Value {
        self.with(|world| world.state())
    }

    /// A service as `services.get` tells it; null where there is none.
    #[must_use]
    pub fn service(&self, name: &str) -> Value {
        self.with(|world| {
            let service = world.services.get(name);
            service.map(|one| world.service_view(one)).unwrap_or_default()
        })
    }

    /// The names of a service's revisions, the oldest first.
    #[must_use]
    pub fn revisions(&self, service: &str) -> Vec<String> {
        self.with(|world| {
            let revisions = world.services.get(service).map(|one| &one.revisions);
            let names = revisions.into_iter().flatten();
            names.map(|one| one.name.clone()).collect()
        })
    }

    /// The targets in effect.
    #[must_use]
    pub fn traffic(&self, service: &str) -> Vec<Target> {
        self.with(|world| {
            let found = world.services.get(service);
            found.map(|one| one.told()).unwrap_or_default()
        })
    }

    /// The targets that were asked for.
    #[must_use]
    pub fn wanted_traffic(&self, service: &str) -> Vec<Target> {
        self.with(|world| {
            let found = world.services.get(service);
            found.map(|one| one.wanted()).unwrap_or_default()
        })
    }

    /// The images that have a share of the traffic, with their percentages.
    #[must_use]
    pub fn serving(&self, service: &str) -> Vec<(String, u32)> {
        self.with(|world| {
            let Some(found) = world.services.get(service) else {
                return Vec::new();
            };
            let targets = found.targets.iter().filter(|target| target.percent > 0);
            targets
                .filter_map(|target| {
                    let revision = found.revision(target.revision.as_deref()?)?;
                    Some((revision.image.clone(), target.percent))
                })
                .collect()
        })
    }

    /// The database's `db_migration`.
    #[must_use]
    pub fn migration(&self) -> String {
        self.with(|world| world.database.migration.clone())
    }

    /// Description and status of the backup runs, the oldest first.
    #[must_use]
    pub fn backups(&self) -> Vec<(String, String)> {
        self.with(|world| {
            let all = world.database.backups.iter();
            all.map(|one| (one.description.clone(), one.status.to_owned())).collect()
        })
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.with(|world| world.recorded.clone())
    }

    /// How many requests fit these patterns.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        let fits =
            |one: &&Recorded| glob::matches(method, &one.method) && glob::matches(path, &one.path);
        self.with(|world| world.recorded.iter().filter(fits).count())
    }

    pub fn forget_requests(&self) {
        self.with(|world| world.recorded.clear());
    }

    pub fn fault(&self, fault: Fault) {
        self.with(|world| world.faults.add(fault));
    }

    pub fn clear_faults(&self) {
        self.with(|world| world.faults.clear());
    }

    /// Makes something happen behind the program's back.
    ///
    /// # Errors
    ///
    /// What the real one would say to whoever did it.
    pub fn event(&self, event: Event) -> Result<(), Refusal> {
        self.with(|world| world.happen(event))
    }

    /// A fresh access token.
    #[must_use]
    pub fn token(&self) -> String {
        self.with(|world| world.credentials.mint())
    }

    /// An ID token for this audience.
    #[must_use]
    pub fn identity_token(&self, audience: &str) -> String {
        self.with(|world| world.credentials.identity_token(audience))
    }

    /// Waits until nothing is under way any more; false where that took longer than `within`.
    #[must_use]
    pub fn settles(&self, within: Duration) -> bool {
        let began = Instant::now();
        loop {
            let busy = self.with(|world| {
                world.services.values().any(|one| one.reconciling())
                    || world.database.under_way().is_some()
            });
            if !busy {
                return true;
            }
            if began.elapsed() > within {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
