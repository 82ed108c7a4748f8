//! What somebody who helps wants to see of an installation and of a run, in one file and
//! without secrets.

mod archive;
mod gather;
mod redact;
mod secrets;

use std::io;
use std::path::{Path, PathBuf};

use self::archive::Archive;
use self::gather::Gathered;
use self::redact::Redactor;
pub use self::secrets::Secrets;
use super::history::{self, Recorded};
use super::{Error, Installation, Result};
use crate::files::write_whole;

/// What the bundle is to be about.
pub struct Subject {
    /// `None`: the newest.
    pub run: Option<String>,
    pub state_dir: PathBuf,
    pub backup_dir: PathBuf,
    /// What is in effect, for a person.
    pub settings: serde_json::Value,
    /// Those that the settings have, and the process's own.
    pub secrets: Secrets,
    /// To be read for secrets where the engine cannot be asked which they are.
    pub env_files: Vec<PathBuf>,
}

/// A bundle that is not written yet.
pub struct Bundle {
    /// Nothing where none is recorded.
    pub run: Option<String>,
    bytes: Vec<u8>,
    /// What was redacted, and what is missing.
    pub notes: String,
}

const INTRODUCTION: &str = "\
What tessallite-up knows of an installation, for whoever helps with it.

  run/                 the plan and the journal of the run
  versions.json        of this program, the engine, Compose and the system
  settings.json        what was in effect when this was made
  compose.json         what `docker compose config` resolves
  containers.json      the services and the states of their containers
  logs/SERVICE.log     the last 2000 lines of each container
  backups/LABEL.json   what is known of each backup; not the backups

Passwords and other secrets are replaced by [redacted NAME]: the values of variables and
settings whose name has PASS, SECRET, TOKEN, KEY, CREDENTIAL or DSN, and passwords in
addresses, wherever these values occur, also encoded. So the checksums of a journal may be
wrong here. Look through it before you give it away: what nobody has called a secret is
still in it.
";

impl Bundle {
    /// Gathers what there is; what cannot be had is noted. `installation` is why it is not
    /// there, where it is not.
    ///
    /// # Errors
    /// `Usage` where there is no such run.
    pub async fn gather(
        subject: Subject,
        installation: Result<Installation, String>,
    ) -> Result<Self> {
        let run = find(&subject)?;
        let name = run.as_ref().map(|run| run.name.clone());
        let Subject { state_dir, backup_dir, settings, secrets, env_files, .. } = subject;
        let mut gathered = Gathered::new(secrets);
        gathered.settings(settings);
        match &run {
            Some(run) => gathered.run(&run.directory),
            None => {
                gathered.missing("run/", &format!("none is recorded in {}", state_dir.display()))
            }
        }
        gathered.backups(&backup_dir);
        gathered.env_files(&env_files);
        match &installation {
            Ok(installation) => gathered.installation(installation).await,
            Err(why) => {
                gathered.versions(None);
                gathered.missing("compose.json, containers.json and logs/", why);
            }
        }
        let defect = |error: regex::Error| Error::State {
            doing: "looking for secrets in",
            path: state_dir.clone(),
            source: io::Error::other(error),
        };
        let mut redactor = Redactor::new(&gathered.secrets).map_err(defect)?;
        let directory =
            format!("tessallite-up-support-{}", name.as_deref().unwrap_or("without-a-run"));
        let packed = pack(gathered, &mut redactor, directory);
        let (bytes, notes) = packed.map_err(|source| Error::State {
            doing: "packing what is known of",
            path: state_dir.clone(),
            source,
        })?;
        Ok(Self { run: name, bytes, notes })
    }

    /// The file is complete under its name, for its owner only, or not there.
    ///
    /// # Errors
    /// `State`.
    pub fn write(&self, path: &Path) -> Result<()> {
        // Its directory is asked for, and a bare name has an empty one.
        let whole = std::path::absolute(path);
        whole.and_then(|whole| write_whole(&whole, &self.bytes)).map_err(|source| Error::State {
            doing: "writing the support bundle",
            path: path.to_owned(),
            source,
        })
    }
}

fn find(subject: &Subject) -> Result<Option<Recorded>> {
    let mut runs = history::runs(&subject.state_dir)?.into_iter();
    let Some(wanted) = &subject.run else { return Ok(runs.next()) };
    match runs.find(|run| run.name == *wanted) {
        Some(run) => Ok(Some(run)),
        None => Err(Error::Usage(format!(
            "no run {wanted:?} is recorded in {}",
            subject.state_dir.display()
        ))),
    }
}

/// The archive, and what there is to say of it.
fn pack(
    gathered: Gathered,
    redactor: &mut Redactor,
    directory: String,
) -> io::Result<(Vec<u8>, String)> {
    let mut archive = Archive::new(directory)?;
    for (name, content) in gathered.texts {
        archive.add(&name, redactor.text(&content).as_bytes())?;
    }
    for (name, mut content) in gathered.values {
        redactor.json(&mut content);
        archive.add(&name, &serde_json::to_vec_pretty(&content)?)?;
    }
    let missing: Vec<String> =
        gathered.missing.iter().map(|line| format!("  {}\n", redactor.text(line))).collect();
    let mut notes = format!("Redacted:\n{}", redactor.report());
    if !missing.is_empty() {
        notes.push_str(&format!("Missing:\n{}", missing.concat()));
    }
    archive.add("README.txt", format!("{INTRODUCTION}\n{notes}").as_bytes())?;
    Ok((archive.finish()?, notes))
}
