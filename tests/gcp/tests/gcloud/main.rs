//! The real gcloud CLI, where it is installed, works against the fake: that keeps the fake
//! honest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tessallite_up_gcp::{Event, Fake, Fault, Kind, Release, Setup, Target};

const REPOSITORY: &str = "europe-west1-docker.pkg.dev/tessallite-demo/tessallite";

/// gcloud against a fake of its own, with a configuration of its own.
struct Gcloud {
    fake: Fake,
    home: PathBuf,
}

/// Nothing where there is no gcloud: the test is skipped, and says so.
fn gcloud(setup: Setup) -> Option<Gcloud> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if Command::new("gcloud").arg("--version").output().is_err() {
        println!("skipped: gcloud is not installed here");
        return None;
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let home = std::env::temp_dir().join(format!("fake-gcp-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let fake = Fake::start(setup).unwrap();
    Some(Gcloud { fake, home })
}

impl Gcloud {
    fn run(&self, line: &str) -> Output {
        let mut command = Command::new("gcloud");
        command.args(line.split_whitespace()).env_clear();
        for name in ["PATH", "LANG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", &self.home)
            .env("CLOUDSDK_CONFIG", &self.home)
            .envs(self.fake.gcloud_environment())
            .output()
            .unwrap()
    }

    /// What it printed, where it succeeded.
    fn does(&self, line: &str) -> String {
        let output = self.run(line);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "gcloud {line}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &told
    }

    fn fails(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(!output.status.success(), "gcloud {line} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Gcloud {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn update(service: &str, tag: &str) -> String {
    format!(
        "run services update {service} --region europe-west1 --image {REPOSITORY}/{service}:{tag}"
    )
}

#[test]
fn gcloud_takes_and_lists_and_restores_backups() {
    let Some(gcloud) = gcloud(Setup::default()) else {
        return;
    };
    gcloud.does("sql backups create --instance tessallite --description before");
    assert_eq!(gcloud.fake.backups(), [("before".to_owned(), "SUCCESSFUL".to_owned())]);
    let id = gcloud.does("sql backups list --instance tessallite --format value(id,status)");
    let (id, status) = id.trim().split_once(char::is_whitespace).unwrap();
    assert_eq!(status, "SUCCESSFUL");
    let migrate = Event::Migrate { migration: "0008".into() };
    gcloud.fake.event(migrate).unwrap();
    gcloud.does(&format!("sql backups restore {id} --restore-instance tessallite"));
    assert_eq!(gcloud.fake.migration(), "0007");
    let message = "no space".to_owned();
    gcloud.fake.fault(Fault::on("POST", "*/backupRuns", Kind::SqlFailure { message }));
    let told = gcloud.fails("sql backups create --instance tessallite");
    assert!(told.contains("INTERNAL_ERROR"), "{told}");
    let start = Event::StartOperation { kind: "UPDATE".into(), ms: None };
    gcloud.fake.event(start).unwrap();
    let told = gcloud.fails("sql backups create --instance tessallite");
    assert!(told.contains("another operation was already in progress"), "{told}");
}

#[test]
fn gcloud_updates_a_service_and_describes_it() {
    let Some(gcloud) = gcloud(Setup::default()) else {
        return;
    };
    let before = gcloud.fake.service("frontend");
    let told = gcloud.does(&update("frontend", "1.5.0"));
    assert!(told.contains("100") && told.contains("percent of traffic"), "{told}");
    let image = format!("{REPOSITORY}/frontend:1.5.0");
    assert_eq!(gcloud.fake.serving("frontend"), [(image.clone(), 100)]);
    let mut after = gcloud.fake.service("frontend")["template"].clone();
    let revision = gcloud.fake.revisions("frontend").pop().unwrap();
    let described =
        gcloud.does("run services describe frontend --region europe-west1 --format json");
    assert!(described.contains(&image) && described.contains(&revision), "{described}");
    // What gcloud does not show or set is as it was.
    after["containers"][0]["image"] = before["template"]["containers"][0]["image"].clone();
    for own in ["client", "clientVersion", "labels"] {
        after.as_object_mut().unwrap().remove(own);
    }
    assert_eq!(after, before["template"]);
    assert_eq!(gcloud.fake.service("frontend")["labels"], before["labels"]);
}

#[test]
fn gcloud_moves_traffic_and_falls_into_the_trap_of_a_pin() {
    let Some(gcloud) = gcloud(Setup::default()) else {
        return;
    };
    let traffic = "run services update-traffic frontend --region europe-west1";
    gcloud.does(&format!("{traffic} --to-revisions frontend-00002-def=100"));
    assert_eq!(gcloud.fake.traffic("frontend"), [Target::pinned("frontend-00002-def")]);
    let told = gcloud.does(&update("frontend", "1.5.0"));
    assert!(told.contains("serving") && told.contains("percent of traffic"), "{told}");
    assert_eq!(gcloud.fake.traffic("frontend"), [Target::pinned("frontend-00002-def")]);
    gcloud.does(&format!("{traffic} --update-tags probe=frontend-00001-abc"));
    gcloud.does(&format!("{traffic} --to-latest"));
    assert_eq!(gcloud.fake.serving("frontend"), [(format!("{REPOSITORY}/frontend:1.5.0"), 100)]);
    let tags = gcloud.fake.wanted_traffic("frontend");
    assert!(tags.contains(&Target::tagged("probe", "frontend-00001-abc")), "{tags:?}");
}

#[test]
fn gcloud_is_told_why_a_deployment_failed() {
    let mut setup = Setup::default();
    setup.releases.push(Release {
        never_ready: Some("The container ran away.".into()),
        ..Release::new("3.0.0", None)
    });
    let Some(gcloud) = gcloud(setup) else {
        return;
    };
    let told = gcloud.fails(&update("gateway", "3.0.0"));
    assert!(told.contains("The container ran away."), "{told}");
    let slip = update("gateway", "1.5.0").replace("europe-west1 ", "europe-wset1 ");
    gcloud.fails(&slip);
    let deny = Event::Deny { resource: "gateway".into(), permission: "run.services.update".into() };
    gcloud.fake.event(deny).unwrap();
    let told = gcloud.fails(&update("gateway", "1.5.0"));
    assert!(told.contains("run.services.update"), "{told}");
    assert_eq!(gcloud.fake.serving("gateway"), [(format!("{REPOSITORY}/gateway:1.4.0"), 100)]);
}
