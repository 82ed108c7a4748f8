//! Proving a backup: restored into a server that is made for it, and compared with what
//! the manifest says.

use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use tokio::time::sleep;

use super::compare::contents_of;
use super::partial::record;
use super::properties::{self, identifier};
use super::restore::{MOST_PRINTED, pg_restore};
use super::verify::{self, Archive};
use super::{Dumps, blocking, survey, whole_seconds};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login::Login;
use crate::capability::sql::contents::Properties;
use crate::capability::sql::locate::{Server, Spared, Wanted};
use crate::capability::sql::manifest::Manifest;
use crate::capability::sql::types::{Check, Password, Progress, Verified};
use crate::text::shortened;

/// The database of the throwaway server.
const DATABASE: &str = "backup";
/// Making a cluster takes seconds.
const READY: Duration = Duration::from_secs(120);
/// Between two looks whether it serves.
const PAUSE: Duration = Duration::from_millis(300);
const MEMORY: u64 = 1 << 30;

/// What a crash would lose is nobody's here.
const FAST: [&str; 6] =
    ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"];

impl Dumps {
    /// Reads a backup back: checksum, compression and, where the server runs, the table of
    /// contents. The result is noted in its manifest.
    ///
    /// Errors: `NotFound` when there is none, `Failed` when it is damaged.
    pub async fn verify(&self, label: &str) -> Result<Verified> {
        let manifest = self.manifest(label).await?;
        let archive = self.proven(&manifest).await?;
        if let Ok((access, _)) = self.log_in(&["SELECT 1"]).await {
            let tables = verify::tables(self.server()?.as_ref(), &access, archive).await?;
            if tables != manifest.tables {
                let error = format!(
                    "the backup {label:?} has {tables} tables instead of {}",
                    manifest.tables
                );
                return self.refuted(manifest, Error::failed(error)).await;
            }
        }
        // Reading it back proves less than what may be known already.
        let known = manifest.verified.clone().filter(|known| known.how == Check::Full);
        self.note(manifest, known.unwrap_or_else(|| now(Check::Quick))).await
    }

    /// Restores a backup into a throwaway server of the same image, and compares the rows
    /// and the digest of every table, the schema, sequences and large objects with the
    /// manifest, where the result is noted. The server is gone afterwards, also when
    /// `given_up` ends first.
    ///
    /// Errors: `NotFound` when there is none, `Failed` when it is not what its manifest says,
    /// `TimedOut` when the server does not come up, `Denied` when it was given up.
    pub async fn verify_full(
        &self,
        label: &str,
        given_up: impl Future<Output = ()> + Send,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Verified> {
        let manifest = self.manifest(label).await?;
        let contents = contents_of(&manifest)?;
        let archive = self.proven(&manifest).await?;
        let (spared, access) = self.spare(&contents.properties).await?;
        let restored = async {
            ready(&spared, &access).await?;
            let target = made(spared.as_ref(), &access, &contents.properties).await?;
            let archive = (&manifest, archive);
            let how = &["--no-tablespaces"];
            match pg_restore(spared.as_ref(), &target, archive, how, progress).await? {
                Ok(()) => survey::contents(spared.as_ref(), &target).await.map(Ok),
                Err(refused) => Ok(Err(refused)),
            }
        };
        let restored = tokio::select! {
            restored = restored => restored,
            () = given_up => Err(Error::denied(format!("verifying {label} was given up"))),
        };
        spared.end().await?;
        let restored = match restored? {
            Ok(restored) => restored,
            Err(refused) => {
                let told =
                    refused.hint("it is no backup: tessallite-up backup create makes a new one");
                return self.refuted(manifest, told).await;
            }
        };
        let differences = contents.differences(&restored);
        if differences.is_empty() {
            return self.note(manifest, now(Check::Full)).await;
        }
        let told = shortened(&differences.join("; "), 2000);
        let error = format!("the backup {label:?} is not what its manifest says: {told}");
        self.refuted(manifest, Error::failed(error)).await
    }

    /// The file, once all of it was read and found whole.
    async fn proven(&self, manifest: &Manifest) -> Result<Archive> {
        match self.open_and_read(manifest).await? {
            Ok(archive) => Ok(archive),
            Err(damage) => self.refuted(manifest.clone(), damage).await,
        }
    }

    /// It does not count as verified any longer.
    async fn refuted<T>(&self, manifest: Manifest, error: Error) -> Result<T> {
        self.record(Manifest { verified: None, ..manifest }).await?;
        Err(error)
    }

    async fn note(&self, manifest: Manifest, verified: Verified) -> Result<Verified> {
        self.record(Manifest { verified: Some(verified.clone()), ..manifest }).await?;
        Ok(verified)
    }

    async fn record(&self, manifest: Manifest) -> Result<()> {
        let directory = self.directory.clone();
        let doing = format!("noting the result in the manifest of {:?}", manifest.label);
        blocking(move || {
            Dir::open_ambient_dir(&directory, ambient_authority())
                .and_then(|opened| record(&opened, &manifest))
                .map_err(|e| Error::failed(doing).because(e))
        })
        .await
    }

    async fn spare(&self, then: &Properties) -> Result<(Arc<dyn Spared>, Access)> {
        let spare = self.spare.as_ref().ok_or_else(|| {
            Error::failed("there is no engine on which to start a throwaway server")
        })?;
        let password = blocking(password).await?;
        let mut arguments: Vec<String> = FAST.map(str::to_owned).to_vec();
        if let Some(libraries) = then.preloaded.as_ref().filter(|names| !names.is_empty()) {
            arguments.extend(["-c".to_owned(), format!("shared_preload_libraries={libraries}")]);
        }
        let user = then.first_role.clone();
        let wanted =
            Wanted { user: user.clone(), password: password.clone(), arguments, memory: MEMORY };
        let spared = spare.start(wanted).await?;
        let login = Login { user, password: Some(password), database: "postgres".to_owned() };
        Ok((spared, Access::over_loopback(login)))
    }
}

/// Until the cluster is made, it listens on no network.
async fn ready(spared: &Arc<dyn Spared>, access: &Access) -> Result<()> {
    let begun = Instant::now();
    loop {
        match access.psql(spared.as_ref(), &["SELECT 1"], "", MOST_PRINTED).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() >= READY => {
                let message = format!("the throwaway server does not serve: {}", error.message);
                return Err(Error::new(Kind::TimedOut, message));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// An empty database like that of the backup, with the roles that it needs.
async fn made(server: &dyn Server, access: &Access, then: &Properties) -> Result<Access> {
    let roles = then.roles.iter().filter(|role| **role != then.first_role);
    let mut statements: Vec<String> =
        roles.map(|role| format!("CREATE ROLE {}", identifier(role))).collect();
    // Tablespaces belong to the cluster, and lead to directories that are not here.
    let properties = Properties { tablespace: "pg_default".to_owned(), ..then.clone() };
    statements.push(properties::create(DATABASE, &properties));
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    access.psql(server, &statements, "", MOST_PRINTED).await?;
    let target = access.elsewhere(DATABASE);
    if !then.has_public {
        target.psql(server, &["DROP SCHEMA public"], "", MOST_PRINTED).await?;
    }
    Ok(target)
}

pub(super) fn now(how: Check) -> Verified {
    Verified { at: whole_seconds(Timestamp::now()), how }
}

/// Nobody has to know it.
fn password() -> Result<Password> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|e| Error::failed("making a password for the throwaway server").because(e))?;
    Ok(Password::new(super::compress::hex(&bytes)))
}
