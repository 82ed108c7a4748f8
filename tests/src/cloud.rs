//! An installation on a Google Cloud that is not the real one, and the directory that it is
//! operated from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tessallite_up_gcp::setup::SERVICES;
use tessallite_up_gcp::{Fake, Setup, Target};

use crate::place;
use crate::program::{Outcome, Program};

/// Nothing takes as long as on the real one.
const SETTLED: Duration = Duration::from_secs(10);

const CONFIGURATION: &str = r#"
[cloudrun]
project = "tessallite-demo"
region = "europe-west1"
instance = "tessallite"
repository = "europe-west1-docker.pkg.dev/tessallite-demo/tessallite"
timeouts = { revision = 20, database = 20, busy = 5, request = 10 }
"#;

pub struct Cloud {
    pub fake: Fake,
    dir: TempDir,
}

impl Cloud {
    pub fn usual() -> Self {
        Self::with(Setup::default())
    }

    /// # Panics
    /// There is no port, or no directory.
    pub fn with(setup: Setup) -> Self {
        let cloud = Self {
            fake: Fake::start(setup).expect("a port on loopback"),
            dir: tempfile::tempdir().expect("a directory"),
        };
        cloud.configure("");
        cloud
    }

    /// Adds these lines to the usual configuration, in its table `[cloudrun]`.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn configure(&self, more: &str) {
        let text = format!("{CONFIGURATION}{more}\n");
        std::fs::write(self.path("tessallite-up.toml"), text).expect("it can be written");
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The program, as an operator of this project starts it.
    pub fn program(&self, args: &[&str]) -> Program {
        self.program_in(self.dir.path(), args).env("CLOUDSDK_AUTH_ACCESS_TOKEN", self.token())
    }

    /// In another directory, and not logged in.
    pub fn program_in(&self, dir: &Path, args: &[&str]) -> Program {
        let url = format!("{}/", self.fake.url());
        let mut program = Program::new(dir).args(args);
        for variable in [
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER",
            "TESSALLITE_UP_REGISTRY_ENDPOINT",
        ] {
            program = program.env(variable, &url);
        }
        // The compiled procedure, once for all tests.
        let cache = place::built().join("cloudrun-cache");
        program.env("GCE_METADATA_HOST", self.fake.host()).env("XDG_CACHE_HOME", cache)
    }

    pub fn token(&self) -> String {
        self.fake.token()
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        self.program(args).run()
    }

    /// To this version, without asking.
    pub fn upgrade(&self, version: &str, more: &[&str]) -> Outcome {
        let wanted = ["--yes", "--soak", "0", "--to", version];
        self.run(&[&wanted, more].concat())
    }

    /// The version that all requests to a service get.
    ///
    /// # Panics
    /// They get several.
    #[track_caller]
    pub fn version(&self, service: &str) -> String {
        let serving = self.fake.serving(service);
        let [(image, 100)] = &serving[..] else { panic!("{service}: {serving:?}") };
        let name = image.split('@').next().unwrap_or_default();
        name.rsplit_once(':').map_or(image.as_str(), |(_, tag)| tag).to_owned()
    }

    /// # Panics
    /// Some service serves another version.
    #[track_caller]
    pub fn assert_serves(&self, version: &str) {
        for service in SERVICES {
            assert_eq!(self.version(service), version, "{service}");
        }
    }

    /// What is asked for of a service is what is in effect, and nothing of ours stays behind:
    /// no tag, no lock.
    ///
    /// # Panics
    /// Something does.
    #[track_caller]
    pub fn assert_tidy(&self) {
        assert!(self.fake.settles(SETTLED), "something is still under way");
        for service in SERVICES {
            let ours =
                |target: &Target| target.tag.as_deref().is_some_and(|tag| tag.starts_with("up-"));
            let wanted = self.fake.wanted_traffic(service);
            assert!(!wanted.iter().any(ours), "{service}: {wanted:?}");
            let annotations = &self.fake.service(service)["annotations"];
            assert!(annotations["tessallite-up/lock"].is_null(), "{service}: {annotations}");
        }
    }

    /// All is as an installation at 1.4.0 that nobody has touched, but for revisions without
    /// traffic and backups.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn assert_as_before(&self) {
        self.assert_serves("1.4.0");
        assert_eq!(self.fake.migration(), "0007");
        self.assert_tidy();
    }

    /// Nothing was changed but the lock, which came and went.
    ///
    /// # Panics
    /// Something was.
    #[track_caller]
    pub fn assert_untouched(&self) {
        self.assert_as_before();
        assert!(self.fake.backups().is_empty(), "{:?}", self.fake.backups());
        for service in SERVICES {
            assert_eq!(self.fake.revisions(service).len(), 2, "{service} has a new revision");
        }
    }

    /// No request was answered with a refusal, but for those that faults made.
    ///
    /// # Panics
    /// One was: method, path and why.
    #[track_caller]
    pub fn assert_nothing_refused(&self) {
        let refused: Vec<String> = self
            .fake
            .requests()
            .into_iter()
            .filter(|request| request.faults == 0)
            .filter_map(|request| {
                Some(format!("{} {}: {}", request.method, request.path, request.refusal?))
            })
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }

    /// Records of this kind in the journals of all runs.
    ///
    /// # Panics
    /// A journal cannot be read.
    pub fn recorded(&self, kind: &str) -> usize {
        let runs = std::fs::read_dir(self.path(".tessallite-up/runs"));
        let runs = runs.into_iter().flatten().flatten();
        let journals = runs.map(|run| {
            std::fs::read_to_string(run.path().join("journal.jsonl")).expect("a journal")
        });
        journals.map(|journal| journal.matches(&format!("\"{kind}\"")).count()).sum()
    }

    /// Of an image in the project's repository.
    pub fn image(&self, service: &str, tag: &str) -> String {
        self.fake.with(|world| world.setup.image(service, tag))
    }

    /// The service as `services.get` tells it.
    pub fn service(&self, name: &str) -> Value {
        self.fake.service(name)
    }
}
