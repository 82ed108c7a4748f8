//! All that the fake Google Cloud is, and how it moves on as time passes.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::fault::{Faults, Twist};
use crate::record::Recorded;
use crate::registry::Registry;
use crate::run::operation::Operation;
use crate::run::service::Service;
use crate::setup::Setup;
use crate::sql::Database;

pub struct World {
    pub setup: Setup,
    /// Where the fake is reached: `http://127.0.0.1:PORT`.
    pub base: String,
    pub clock: Clock,
    pub services: BTreeMap<String, Service>,
    pub operations: Vec<Operation>,
    pub database: Database,
    pub registry: Registry,
    pub credentials: Credentials,
    /// Pairs of a resource's short name and a permission that the operator does not have.
    pub denied: BTreeSet<(String, String)>,
    pub faults: Faults,
    /// What the faults want of the request that is being handled.
    pub twist: Twist,
    pub recorded: Vec<Recorded>,
    counter: u64,
    chance: u64,
}

impl World {
    #[must_use]
    pub fn new(setup: Setup, base: String) -> Self {
        let clock = Clock::new(setup.speed);
        let mut world = Self {
            base,
            clock,
            services: BTreeMap::new(),
            operations: Vec::new(),
            database: Database::new(&setup),
            registry: Registry::new(&setup),
            credentials: Credentials::new(&setup),
            denied: BTreeSet::new(),
            faults: Faults::default(),
            twist: Twist::default(),
            recorded: Vec::new(),
            counter: 0,
            chance: setup.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            setup,
        };
        for service in world.setup.services.clone() {
            world.install(&service);
        }
        world
    }

    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// `projects/P/locations/L`.
    #[must_use]
    pub fn location(&self) -> String {
        format!("projects/{}/locations/{}", self.setup.project, self.setup.region)
    }

    /// A number that was not there before.
    pub fn serial(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A name in the form of a UUID, unlike all before.
    pub fn uid(&mut self) -> String {
        let number = self.serial();
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.setup.seed;
        format!("{:08x}-{:04x}-4000-8000-{number:012x}", mixed >> 32, mixed & 0xFFFF)
    }

    /// The next of a fixed row of numbers from 0 to 99.
    pub fn draw(&mut self) -> u32 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        u32::try_from(self.chance % 100).unwrap_or_default()
    }

    /// Brings the world to the present, one due thing after the other.
    pub fn advance(&mut self) {
        let now = self.now();
        let mut last = Moment::ZERO;
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.step(due.max(last));
            last = due;
        }
        self.step(now);
    }

    fn next_due(&self) -> Option<Moment> {
        let services = self.services.values().filter_map(Service::next_due);
        services.chain(self.database.next_due()).min()
    }

    fn step(&mut self, now: Moment) {
        self.database.step(now);
        self.start_revisions(now);
        for service in self.services.values_mut() {
            service.settle_revisions(now);
            service.settle_routes(now, self.setup.failed_latest_fails_later);
        }
        self.settle_operations(now);
    }

    /// Containers start: the one of model-service migrates the database, whatever becomes of
    /// its revision.
    fn start_revisions(&mut self, now: Moment) {
        for service in self.services.values_mut() {
            let migrates = service.name == "model-service";
            for revision in &mut service.revisions {
                if revision.started || revision.starts > now {
                    continue;
                }
                revision.started = true;
                if revision.digest.is_none() {
                    continue;
                }
                let failure =
                    if migrates { self.database.started(&revision.release) } else { None };
                if failure.is_some() {
                    revision.release.never_ready = failure;
                }
            }
        }
    }
}
