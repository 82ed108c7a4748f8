//! Gathering, secrets and all. Nothing of it leaves this module but through the redactor.

use std::fmt::Display;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::secrets::Secrets;
use crate::capability::docker::client::Client as Docker;
use crate::capability::docker::types::{Container, Diagnosis, Engine, Service};
use crate::engine::Installation;

const LOG_LINES: u32 = 2000;
/// Of one file that is taken in.
const LARGEST_FILE: u64 = 64 << 20;
/// Of a file that is a secret.
const LARGEST_SECRET: u64 = 64 << 10;

/// Files of the bundle, by name.
pub(super) struct Gathered {
    pub(super) texts: Vec<(String, String)>,
    pub(super) values: Vec<(String, Value)>,
    pub(super) missing: Vec<String>,
    pub(super) secrets: Secrets,
}

impl Gathered {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { texts: Vec::new(), values: Vec::new(), missing: Vec::new(), secrets }
    }

    pub(super) fn missing(&mut self, what: &str, why: &dyn Display) {
        self.missing.push(format!("{what}: {why}").replace('\n', " "));
    }

    pub(super) fn settings(&mut self, settings: Value) {
        self.values.push(("settings.json".to_owned(), settings));
    }

    /// What stands in the run's directory itself: the plan, the journal.
    pub(super) fn run(&mut self, directory: &Path) {
        self.records(directory, "run", &[".json", ".jsonl"]);
    }

    /// The manifests; a dump itself is the data of others.
    pub(super) fn backups(&mut self, directory: &Path) {
        if directory.is_dir() {
            self.records(directory, "backups", &[".json"]);
        }
    }

    fn records(&mut self, directory: &Path, below: &str, endings: &[&str]) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(why) => return self.missing(&format!("{below}/"), &why),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths.iter().filter(|path| path.is_file()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !endings.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            let name = format!("{below}/{name}");
            match read(path, LARGEST_FILE) {
                Ok(text) => {
                    // The settings of that run, and what its steps have found out.
                    for line in std::iter::once(text.as_str()).chain(text.lines()) {
                        if let Ok(value) = serde_json::from_str(line) {
                            self.secrets.add_pairs(&value);
                        }
                    }
                    self.texts.push((name, text));
                }
                Err(why) => self.missing(&name, &why),
            }
        }
    }

    pub(super) fn env_files(&mut self, files: &[PathBuf]) {
        for text in files.iter().filter_map(|file| read(file, LARGEST_SECRET).ok()) {
            self.secrets.add_env_file(&text);
        }
    }

    /// What the engine and Compose say. Where the secrets are not known, nothing is taken
    /// in that may contain them.
    pub(super) async fn installation(&mut self, installation: &Installation) {
        let Ok(docker) = installation.services.docker() else {
            self.versions(None);
            return self.missing("compose.json, containers.json, logs/", &"not a Compose project");
        };
        self.env_files(&docker.env_files());
        match docker.engine().await {
            Ok(engine) => self.versions(Some(&engine)),
            Err(why) => {
                self.versions(None);
                self.missing("the engine in versions.json", &why.full_text());
            }
        }
        let (variables, config) = (docker.all_variables().await, docker.resolved_config().await);
        let (variables, config) = match (variables, config) {
            (Ok(variables), Ok(config)) => (variables, config),
            (Err(why), _) | (_, Err(why)) => {
                return self.missing("compose.json, containers.json, logs/", &why.full_text());
            }
        };
        for (name, value) in &variables {
            self.secrets.add(name, value);
        }
        self.add_secrets_of_compose(&config);
        self.values.push(("compose.json".to_owned(), config));
        match docker.services().await {
            Ok(services) => self.services(docker, &services).await,
            Err(why) => self.missing("containers.json, logs/", &why.full_text()),
        }
    }

    /// `secrets:` of the project: the content of a file or of a variable.
    fn add_secrets_of_compose(&mut self, config: &Value) {
        let Some(secrets) = config.get("secrets").and_then(Value::as_object) else { return };
        for (name, secret) in secrets {
            let said = |key: &str| secret.get(key).and_then(Value::as_str);
            let variable = said("environment").and_then(|name| std::env::var(name).ok());
            let file = said("file").and_then(|path| read(Path::new(path), LARGEST_SECRET).ok());
            let content = said("content").map(str::to_owned);
            for value in [variable, file, content].into_iter().flatten() {
                self.secrets.insert(name, &value);
            }
        }
    }

    async fn services(&mut self, docker: &Docker, services: &[Service]) {
        let mut states = Vec::new();
        for service in services {
            let diagnoses = match docker.diagnose(&service.name).await {
                Ok(diagnoses) => diagnoses,
                Err(why) => {
                    let what = format!("health checks of {} in containers.json", service.name);
                    self.missing(&what, &why.full_text());
                    Vec::new()
                }
            };
            states.push(state(service, &diagnoses));
            let name = format!("logs/{}.log", service.name);
            match docker.long_logs(&service.name, LOG_LINES).await {
                Ok(log) => self.texts.push((name, log)),
                Err(why) => self.missing(&name, &why.full_text()),
            }
        }
        self.values.push(("containers.json".to_owned(), Value::Array(states)));
    }

    pub(super) fn versions(&mut self, engine: Option<&Engine>) {
        let system = rustix::system::uname();
        let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let versions = json!({
            "made_at": jiff::Timestamp::now().to_string(),
            "program": env!("CARGO_PKG_VERSION"),
            "system": {
                "name": pretty.map(|name| name.trim_matches('"')),
                "kernel": text(system.sysname()),
                "kernel_release": text(system.release()),
                "machine": text(system.machine()),
            },
            "engine": engine.map(|engine| json!({
                "version": engine.version,
                "api_version": engine.api_version,
                "compose_version": engine.compose_version,
                "platform": engine.platform,
                "project": engine.project,
                "files": engine.files,
                "free_bytes": engine.free_bytes,
                "is_local": engine.is_local,
            })),
        });
        self.values.push(("versions.json".to_owned(), versions));
    }
}

fn read(path: &Path, most: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn state(service: &Service, diagnoses: &[Diagnosis]) -> Value {
    let containers = service.containers.iter().map(|container: &Container| {
        let diagnosis = diagnoses.iter().find(|diagnosis| diagnosis.container == container.name);
        json!({
            "name": container.name,
            "id": container.id,
            "image_id": container.image_id,
            "state": format!("{:?}", container.state).to_lowercase(),
            "health": format!("{:?}", container.health).to_lowercase(),
            "restarts": container.restarts,
            "exit_code": container.exit_code,
            "out_of_memory": diagnosis.map(|diagnosis| diagnosis.out_of_memory),
            "health_log": diagnosis.map(|diagnosis| &diagnosis.health_log),
        })
    });
    json!({
        "service": service.name,
        "image": service.image,
        "digests": service.digests,
        "ports": service.ports,
        "mounts": service.mounts,
        "active": service.active,
        "containers": containers.collect::<Vec<_>>(),
    })
}
