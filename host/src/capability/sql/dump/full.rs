//! Proving a backup: restored into a server that is made for it, and compared with what
//! the manifest says.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;

use super::compare::contents;
use super::partial::record;
use super::restore::{Archive, How, Made, fill, make_roles, verify_contents};
use super::{Dumps, blocking, verify, whole_seconds};
use crate::capability::error::{Error, Kind, Result};
use crate::capability::sql::census::{Contents, Properties};
use crate::capability::sql::client::console::Console;
use crate::capability::sql::client::inside::Access;
use crate::capability::sql::client::login::{self, Login};
use crate::capability::sql::locate::{Spared, Wanted};
use crate::capability::sql::manifest::{self, Manifest};
use crate::capability::sql::types::{Check, Password, Progress, Verified};

const SESSION: &str = "tessallite-up verification";
/// The database of the throwaway server.
const DATABASE: &str = "backup";
/// Making a cluster takes seconds.
const READY: Duration = Duration::from_secs(120);
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
        let (directory, manifest) = self.whole(label).await?;
        self.check_file(&directory, &manifest).await?;
        if let Some(server) = &self.server
            && let Ok(environment) = server.environment().await
            && let Ok((access, _)) =
                Access::find(server.as_ref(), login::for_dumps(&environment), &["SELECT 1"]).await
        {
            let file = directory.open(manifest::dump_name(label)).map_err(unread)?.into_std();
            let tables = verify::tables(server.as_ref(), &access, file).await?;
            if tables != manifest.tables {
                return Err(Error::failed(format!(
                    "the backup {label:?} has {tables} tables instead of {}",
                    manifest.tables
                )));
            }
        }
        // Reading it back proves less than what may be known already.
        let known = manifest.verified.clone().filter(|known| known.how == Check::Full);
        let verified = known.unwrap_or_else(|| now(Check::Quick));
        self.note(directory, manifest, Some(verified)).await
    }

    /// Restores a backup into a throwaway server of the same image and compares every
    /// table's rows and digest, sequences and large objects with the manifest, where the
    /// result is noted.
    ///
    /// Errors: `NotFound` when there is none, `Failed` when it is not what its manifest says.
    pub async fn verify_full(
        &self,
        label: &str,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Verified> {
        let (directory, manifest) = self.whole(label).await?;
        contents(&manifest)?;
        self.check_file(&directory, &manifest).await?;
        let file = directory.open(manifest::dump_name(label)).map_err(unread)?.into_std();
        let archive = Archive { file, bytes: manifest.raw_bytes };
        match self.prove(&manifest, archive, progress).await {
            Ok(()) => self.note(directory, manifest, Some(now(Check::Full))).await,
            Err(error) => {
                if error.message.starts_with(verify::OTHER) {
                    self.note(directory, manifest, None).await?;
                }
                let message = format!("verifying the backup {label:?}: {}", error.message);
                Err(Error { message, ..error })
            }
        }
    }

    async fn prove(
        &self,
        manifest: &Manifest,
        archive: Archive,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        let spare = self.spare.as_ref().ok_or_else(|| {
            Error::failed("there is no engine on which to start a throwaway server")
        })?;
        let then = contents(manifest)?;
        let password = blocking(password).await?;
        let mut arguments: Vec<String> = FAST.map(str::to_owned).to_vec();
        if let Some(libraries) = then.database.preloaded.as_ref().filter(|names| !names.is_empty())
        {
            arguments.extend(["-c".to_owned(), format!("shared_preload_libraries={libraries}")]);
        }
        let user = then.database.made_by.clone();
        let wanted =
            Wanted { user: user.clone(), password: password.clone(), arguments, memory: MEMORY };
        let spared = spare.start(wanted).await?;
        let login = Login { user, password: Some(password), database: "postgres".to_owned() };
        let access = Access::over_loopback(login);
        let proved = restored(&spared, &access, then, archive, progress).await;
        spared.end().await?;
        proved
    }

    async fn check_file(&self, directory: &cap_std::fs::Dir, manifest: &Manifest) -> Result<()> {
        let file = directory.open(manifest::dump_name(&manifest.label)).map_err(unread)?;
        let damaged = || Error::failed(format!("the backup {:?} is damaged", manifest.label));
        match verify::read_back(file.into_std()).await {
            Ok(found) if found.sha256 == manifest.sha256 => Ok(()),
            Ok(_) => Err(damaged().because("its checksum is another")),
            Err(error) => Err(damaged().because(error)),
        }
    }

    async fn note(
        &self,
        directory: cap_std::fs::Dir,
        manifest: Manifest,
        verified: Option<Verified>,
    ) -> Result<Verified> {
        let manifest = Manifest { verified, ..manifest };
        let doing = format!("noting the result in the manifest of {:?}", manifest.label);
        blocking(move || {
            record(&directory, &manifest).map_err(|e| Error::failed(doing).because(e))?;
            Ok(manifest.verified.unwrap_or_else(|| now(Check::Quick)))
        })
        .await
    }
}

async fn restored(
    spared: &Arc<dyn Spared>,
    access: &Access,
    then: &Contents,
    archive: Archive,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<()> {
    let server: &dyn crate::capability::sql::locate::Server = spared.as_ref();
    ready(spared, access).await?;
    let mut console = Console::open(access, server, SESSION).await?;
    make_roles(&mut console, &then.database).await?;
    // Tablespaces belong to the cluster, and lead to directories that are not here.
    let properties = Properties { tablespace: "pg_default".to_owned(), ..then.database.clone() };
    let made = Made { name: DATABASE, properties: &properties };
    made.create(&mut console).await?;
    console.close().await?;
    let target = access.to(DATABASE);
    made.empty(server, &target).await?;
    let how = How { one_transaction: false, tablespaces: false };
    fill(server, &target, archive, how, progress).await?;
    verify_contents(server, &target, then, false).await
}

/// Until the cluster is made, it listens on no network.
async fn ready(spared: &Arc<dyn Spared>, access: &Access) -> Result<()> {
    let begun = Instant::now();
    loop {
        let asked = access.psql(spared.as_ref(), &["SELECT 1"], "", 1 << 10).await;
        match asked {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() >= READY => {
                return Err(Error::new(
                    Kind::TimedOut,
                    format!("the throwaway server does not serve: {}", error.message),
                ));
            }
            Err(_) => sleep(Duration::from_millis(300)).await,
        }
    }
}

fn now(how: Check) -> Verified {
    Verified { at: whole_seconds(Timestamp::now()), how }
}

fn unread(error: std::io::Error) -> Error {
    Error::failed("opening the dump").because(error)
}

/// Nobody has to know it.
fn password() -> Result<Password> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|e| Error::failed("making a password for the throwaway server").because(e))?;
    Ok(Password::new(super::compress::hex(&bytes)))
}
