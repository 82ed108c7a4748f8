//! The Cloud SQL instance: its data (told by one number, `db_migration`), its backup runs, and
//! one administrative operation at a time.

pub mod requests;
pub mod routes;
pub mod view;

use crate::clock::Moment;
use crate::release::Release;
use crate::setup::Setup;

/// From the submission of an operation until it runs.
const QUEUED: Moment = Moment::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Running,
    Done,
}

/// What an operation does when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Backup(u64),
    Restore(u64),
    DeleteBackup(u64),
    /// Somebody else's: it only keeps the instance busy.
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub name: String,
    pub kind: String,
    pub act: Act,
    pub status: Status,
    pub inserted: Moment,
    pub starts: Moment,
    pub ends: Moment,
    /// Why it fails when it ends.
    pub failure: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Backup {
    pub id: u64,
    pub description: String,
    pub automated: bool,
    pub status: &'static str,
    pub enqueued: Moment,
    pub started: Option<Moment>,
    pub ended: Option<Moment>,
    /// The database's migration when the backup was made.
    pub migration: String,
    pub failure: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Database {
    /// Empty where the project has no instance.
    pub instance: String,
    pub version: String,
    pub migration: String,
    pub state: String,
    pub activation: String,
    pub replicas: Vec<String>,
    /// The oldest first.
    pub backups: Vec<Backup>,
    /// The oldest first.
    pub operations: Vec<Operation>,
}

impl Database {
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self {
            instance: setup.instance.clone(),
            version: setup.database_version.clone(),
            migration: setup.migration.clone(),
            state: "RUNNABLE".into(),
            activation: "ALWAYS".into(),
            replicas: Vec::new(),
            backups: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// The operation that keeps the instance busy.
    #[must_use]
    pub fn under_way(&self) -> Option<&Operation> {
        self.operations.iter().find(|one| one.status != Status::Done)
    }

    #[must_use]
    pub fn backup(&self, id: u64) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.id == id)
    }

    /// It can be connected to.
    #[must_use]
    pub fn available(&self) -> bool {
        let restoring = self
            .under_way()
            .is_some_and(|one| one.status == Status::Running && matches!(one.act, Act::Restore(_)));
        self.running() && !restoring
    }

    #[must_use]
    pub fn running(&self) -> bool {
        self.state == "RUNNABLE" && self.activation == "ALWAYS"
    }

    /// A container of model-service starts on the database: it migrates it, and says why it
    /// cannot go on where it cannot.
    pub fn started(&mut self, release: &Release) -> Option<String> {
        if !self.instance.is_empty() && !self.available() {
            return Some("The container exited: could not connect to the database.".into());
        }
        let own = release.migration.as_ref()?;
        if *own < self.migration && !release.runs_on_newer {
            return Some(format!(
                "The container exited: the database is at {}, newer than {own}.",
                self.migration
            ));
        }
        if *own > self.migration {
            self.migration.clone_from(own);
        }
        None
    }

    /// Submits an operation.
    pub fn submit(&mut self, operation: Operation) -> &Operation {
        self.operations.push(operation);
        let last = self.operations.len() - 1;
        &self.operations[last]
    }

    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        let pending = self.operations.iter().filter_map(|one| match one.status {
            Status::Pending => Some(one.starts),
            Status::Running => Some(one.ends),
            Status::Done => None,
        });
        pending.min().filter(|due| *due != Moment::MAX)
    }

    /// Operations start and end.
    pub fn step(&mut self, now: Moment) {
        for index in 0..self.operations.len() {
            let operation = self.operations[index].clone();
            if operation.status == Status::Pending && operation.starts <= now {
                self.operations[index].status = Status::Running;
                self.begins(operation.act, now);
            }
            if self.operations[index].status == Status::Running && operation.ends <= now {
                self.operations[index].status = Status::Done;
                self.ends(&operation, now);
            }
        }
    }

    fn begins(&mut self, act: Act, now: Moment) {
        let present = self.migration.clone();
        if let Act::Backup(id) = act
            && let Some(backup) = self.backup_mut(id)
        {
            backup.status = "RUNNING";
            backup.started = Some(now);
            backup.migration = present;
        }
    }

    fn ends(&mut self, operation: &Operation, now: Moment) {
        match operation.act {
            Act::Backup(id) => {
                if let Some(backup) = self.backup_mut(id) {
                    let failed = operation.failure.is_some();
                    backup.status = if failed { "FAILED" } else { "SUCCESSFUL" };
                    backup.ended = Some(now);
                    backup.failure.clone_from(&operation.failure);
                }
            }
            Act::Restore(id) => {
                let restored = self.backup(id).map(|backup| backup.migration.clone());
                if let (None, Some(migration)) = (&operation.failure, restored) {
                    self.migration = migration;
                }
            }
            Act::DeleteBackup(id) => {
                if operation.failure.is_none() {
                    self.backups.retain(|backup| backup.id != id);
                }
            }
            Act::Nothing => {}
        }
    }

    fn backup_mut(&mut self, id: u64) -> Option<&mut Backup> {
        self.backups.iter_mut().find(|backup| backup.id == id)
    }
}

/// An operation that is submitted now and takes so long; `Moment::MAX` never ends.
#[must_use]
pub fn operation(name: String, kind: &str, act: Act, now: Moment, takes: Moment) -> Operation {
    Operation {
        name,
        kind: kind.to_owned(),
        act,
        status: Status::Pending,
        inserted: now,
        starts: now + QUEUED,
        ends: (now + QUEUED).saturating_add(takes),
        failure: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn with_backup(database: &mut Database, id: u64) {
        database.backups.push(Backup {
            id,
            description: String::new(),
            automated: false,
            status: "ENQUEUED",
            enqueued: at(0),
            started: None,
            ended: None,
            migration: String::new(),
            failure: None,
        });
        let run = operation("o".into(), "BACKUP_VOLUME", Act::Backup(id), at(0), at(100));
        database.submit(run);
    }

    #[test]
    fn a_backup_has_the_state_of_when_it_ran_and_a_restore_brings_it_back() {
        let mut database = Database::new(&Setup::default());
        with_backup(&mut database, 7);
        database.step(at(50));
        assert_eq!(database.backup(7).map(|one| one.status), Some("RUNNING"));
        database.started(&Release::new("2.0.0", Some("0008")));
        assert_eq!(database.migration, "0008");
        database.step(at(110));
        assert_eq!(database.backup(7).map(|one| one.status), Some("SUCCESSFUL"));
        let restore = operation("r".into(), "RESTORE_VOLUME", Act::Restore(7), at(200), at(50));
        database.submit(restore);
        database.step(at(215));
        assert!(!database.available());
        database.step(at(300));
        assert_eq!(database.migration, "0007");
    }

    #[test]
    fn a_container_does_not_migrate_a_database_that_it_cannot_reach() {
        let mut database = Database::new(&Setup::default());
        database.activation = "NEVER".into();
        let new = Release::new("2.0.0", Some("0008"));
        assert!(database.started(&new).is_some());
        assert_eq!(database.migration, "0007");
    }

    #[test]
    fn a_release_may_refuse_a_newer_database() {
        let mut database = Database::new(&Setup::default());
        database.migration = "0008".into();
        let mut old = Release::new("1.4.0", Some("0007"));
        assert!(database.started(&old).is_none());
        old.runs_on_newer = false;
        assert!(database.started(&old).is_some());
        assert_eq!(database.migration, "0008");
    }
}
