//! What the engine and the project are.

use super::Client;
use super::endpoint::Endpoint;
use super::{failure, files};
use crate::capability::docker::types::Engine;
use crate::capability::error::{Error, Result};
use crate::text::printable;

/// The oldest API that everything here was tried with: that of Engine 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// What does not change while this program runs.
pub(super) struct Facts {
    version: String,
    api_version: String,
    compose_version: String,
    platform: String,
    /// Its directories and networks are those of this machine.
    pub(super) is_local: bool,
    root_dir: String,
}

impl Facts {
    /// Errors: `Unavailable` when the engine does not answer, `Failed` when it
    /// refuses this user or is too old.
    pub(super) async fn learn(endpoint: &Endpoint, compose_version: String) -> Result<Self> {
        let docker = &endpoint.docker;
        let doing = "asking the engine what it is";
        let version = docker.version().await.map_err(|error| failure::engine(doing, error))?;
        let api_version = version.api_version.unwrap_or_default();
        check_api(&api_version)?;
        let info = docker.info().await.map_err(|error| failure::engine(doing, error))?;
        let is_local = endpoint.is_socket && is_this_machine(info.name.as_deref());
        Ok(Self {
            version: printable(&version.version.unwrap_or_default()),
            api_version,
            compose_version,
            platform: printable(&format!(
                "{}/{}",
                version.os.unwrap_or_default(),
                version.arch.unwrap_or_default()
            )),
            is_local,
            root_dir: info.docker_root_dir.unwrap_or_default(),
        })
    }

    fn free_bytes(&self) -> Option<u64> {
        if !self.is_local {
            return None;
        }
        let space = rustix::fs::statvfs(self.root_dir.as_str()).ok()?;
        space.f_bavail.checked_mul(space.f_frsize)
    }
}

fn check_api(version: &str) -> Result<()> {
    let parts = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parts {
        Some(version) if version >= OLDEST_API => Ok(()),
        _ => Err(Error::failed(format!(
            "the engine speaks API {}, and {}.{} is needed",
            printable(version),
            OLDEST_API.0,
            OLDEST_API.1
        ))
        .hint("upgrade the Docker Engine to 20.10 or later")),
    }
}

/// A socket may lead into a virtual machine (Docker Desktop, Colima) or, forwarded,
/// to another host: the engine then bears another name than this machine.
fn is_this_machine(engine: Option<&str>) -> bool {
    let uname = rustix::system::uname();
    let own = uname.nodename().to_str().unwrap_or_default();
    engine.is_some_and(|engine| engine.eq_ignore_ascii_case(own))
}

impl Client {
    /// What the engine and the project are.
    ///
    /// Errors: `Invalid` when there is no Compose project here or its files are not
    /// valid.
    pub async fn engine(&self) -> Result<Engine> {
        let model = self.model().await?;
        let facts = &self.inner.facts;
        let files = files::with_includes(self.files()?);
        Ok(Engine {
            version: facts.version.clone(),
            api_version: facts.api_version.clone(),
            compose_version: facts.compose_version.clone(),
            platform: facts.platform.clone(),
            project: model.project.clone(),
            files: files.iter().map(|file| file.display().to_string()).collect(),
            free_bytes: facts.free_bytes(),
            is_local: facts.is_local,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_engines_are_refused() {
        assert!(check_api("1.41").is_ok());
        assert!(check_api("1.53").is_ok());
        assert!(check_api("2.0").is_ok());
        assert!(check_api("1.40").is_err());
        assert!(check_api("").is_err());
    }
}
