//! Which backups stay.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;

use super::properties::identifier;
use super::{Dumps, blocking};
use crate::capability::error::{Error, Result};
use crate::capability::sql::manifest;
use crate::capability::sql::types::{Backup, Keep, Pruned};

/// What is this old is nobody's work any longer.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);

impl Dumps {
    /// Removes the backups that `keep` does not keep, and what dumps that were given up
    /// have left. `protected` are the labels that a rollback still needs. With `is_dry`, nothing is removed.
    pub async fn prune(
        &self,
        keep: Keep,
        protected: BTreeSet<String>,
        is_dry: bool,
    ) -> Result<Pruned> {
        let directory = self.directory.clone();
        blocking(move || {
            let opened = match Dir::open_ambient_dir(&directory, ambient_authority()) {
                Ok(opened) => opened,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Pruned::default()),
                Err(e) => {
                    let place = directory.display();
                    return Err(
                        Error::failed(format!("opening the backup directory {place}")).because(e)
                    );
                }
            };
            let listing = manifest::list(&opened)?;
            let doomed = doomed(&listing.backups, keep, &protected, Timestamp::now());
            let leftovers = leftovers(&opened)?;
            if !is_dry {
                for label in doomed.iter().map(|backup| backup.label.as_str()) {
                    // Without its manifest, what is left is no backup any longer.
                    remove(&opened, &manifest::file_name(label))?;
                    for is_encrypted in [false, true] {
                        remove(&opened, &manifest::dump_name(label, is_encrypted))?;
                    }
                }
                leftovers.iter().try_for_each(|name| remove(&opened, name))?;
            }
            let kept = listing.backups.into_iter().filter(|b| !doomed.contains(b)).collect();
            Ok(Pruned { removed: doomed, kept, leftovers, warnings: listing.warnings })
        })
        .await
    }

    /// Drops databases that were kept beside the installation's own, unless someone works in them.
    ///
    /// Errors: `NotFound` where there is none of this name, `Invalid` where it is not one that
    /// a restore has kept.
    pub async fn drop_databases(&self, names: &[String], is_dry: bool) -> Result<()> {
        if let Some(name) = names.iter().find(|name| !is_kept(name)) {
            return Err(Error::invalid(format!("{name:?} is no database that a restore has kept"))
                .hint("tessallite-up names them when it keeps them: …_replaced_RUN, or kept_…"));
        }
        let neutral = self.neutral().await?;
        let there = self.run(&neutral, &["SELECT datname FROM pg_database"]).await?;
        if let Some(name) = names.iter().find(|name| !there.lines().any(|line| line == *name)) {
            return Err(Error::not_found(format!("there is no database {name:?}")));
        }
        for name in names.iter().filter(|_| !is_dry) {
            self.run(&neutral, &[&format!("DROP DATABASE {}", identifier(name))]).await.map_err(
                |error| error.reworded(|why| format!("dropping the database {name:?}: {why}")),
            )?;
        }
        Ok(())
    }
}

/// As restores name what they keep: a rollback, and `backup restore`.
fn is_kept(name: &str) -> bool {
    name.contains("_replaced_") || name.starts_with("kept_")
}

/// Those that go: neither among the newest nor young nor protected. A backup that was not
/// verified takes nobody's place among the newest, and stays while it is newer than they.
fn doomed(
    backups: &[Backup],
    keep: Keep,
    protected: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<Backup> {
    if keep == Keep::default() {
        return Vec::new();
    }
    // By age alone, the last good one stays too.
    let newest = keep.newest.unwrap_or(1);
    let mut verified = 0;
    let mut doomed = Vec::new();
    for backup in backups {
        let is_among_newest = verified < newest;
        verified += usize::from(backup.verified.is_some());
        let is_young = keep.younger_than.is_some_and(|age| is_younger(backup, age, now));
        if !(is_among_newest || is_young || protected.contains(&backup.label)) {
            doomed.push(backup.clone());
        }
    }
    doomed
}

fn is_younger(backup: &Backup, age: Duration, now: Timestamp) -> bool {
    // When it was made is not known: it stays.
    let Ok(made) = backup.started_at.parse::<Timestamp>() else { return true };
    now.duration_since(made).unsigned_abs() < age || made > now
}

fn leftovers(directory: &Dir) -> Result<Vec<String>> {
    let doing = "looking for leftovers in the backup directory";
    let mut names = Vec::new();
    for entry in directory.entries().map_err(|e| Error::failed(doing).because(e))? {
        let entry = entry.map_err(|e| Error::failed(doing).because(e))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let modified = entry.metadata().and_then(|found| found.modified());
        let is_old = modified.is_ok_and(|at| {
            SystemTime::now().duration_since(at.into_std()).is_ok_and(|age| age > LEFTOVER)
        });
        let endings = [".dump.zst.partial", ".dump.zst.age.partial", ".json.partial"];
        if is_old && endings.iter().any(|ending| name.ends_with(ending)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn remove(directory: &Dir, name: &str) -> Result<()> {
    match directory.remove_file(name) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::failed(format!("removing {name}")).because(e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::sql::types::{Check, Verified};

    const NOW: &str = "2026-02-01T00:00:00Z";

    /// Newest first, as a listing is.
    fn backups(days: &[(u32, bool)]) -> Vec<Backup> {
        let backup = |(day, is_verified): &(u32, bool)| {
            let started_at = format!("2026-01-{day:02}T00:00:00Z");
            let verified = Verified { at: started_at.clone(), how: Check::Quick };
            Backup {
                label: format!("day-{day}"),
                bytes: 1,
                sha256: String::new(),
                tables: 1,
                encrypted: false,
                verified: is_verified.then_some(verified),
                started_at,
            }
        };
        days.iter().map(backup).collect()
    }

    fn go(days: &[(u32, bool)], newest: Option<usize>, age: Option<u64>) -> Vec<String> {
        let younger_than = age.map(|days| Duration::from_secs(days * 86_400));
        let protected = BTreeSet::from(["day-1".to_owned()]);
        let keep = Keep { newest, younger_than };
        let doomed = doomed(&backups(days), keep, &protected, NOW.parse().unwrap());
        doomed.into_iter().map(|backup| backup.label).collect()
    }

    #[test]
    fn the_newest_and_the_protected_stay() {
        let days = [(30, true), (20, true), (10, true), (1, true)];
        assert_eq!(go(&days, Some(1), None), ["day-20", "day-10"]);
        assert_eq!(go(&days, Some(0), None), ["day-30", "day-20", "day-10"]);
        assert!(go(&days, Some(4), None).is_empty());
        assert!(go(&days, None, None).is_empty());
    }

    #[test]
    fn an_unverified_backup_is_not_one_of_the_kept() {
        let days = [(30, false), (20, true), (15, false), (10, true), (5, true)];
        assert_eq!(go(&days, Some(2), None), ["day-5"]);
        assert_eq!(go(&days, Some(1), None), ["day-15", "day-10", "day-5"]);
        assert!(go(&[(30, false), (20, false)], Some(1), None).is_empty());
    }

    #[test]
    fn by_age_the_last_good_one_stays() {
        let days = [(20, true), (15, true), (10, true)];
        assert_eq!(go(&days, None, Some(1)), ["day-15", "day-10"]);
        assert_eq!(go(&days, None, Some(20)), ["day-10"]);
        assert_eq!(go(&days, Some(2), Some(1)), ["day-10"]);
        assert_eq!(go(&[(20, false), (15, true)], None, Some(1)), [""; 0]);
    }
}
