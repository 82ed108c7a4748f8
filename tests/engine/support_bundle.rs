//! Support bundles: what is in them, and what must not be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tessallite_up_tests::installation::STATE;
use tessallite_up_tests::process::run;
use tessallite_up_tests::{Installation, Project, Template};

/// In `.env`.
const TOKEN: &str = "planted $token/with+signs&\"quotes\"";
/// The database's own.
const DATABASE: &str = "p@ss w$rd #1 \"quoted\"";
/// In an address of a service's variable, percent-encoded.
const UPSTREAM: &str = "planted@upstream";
/// In a data source name of the configuration.
const REPORTS: &str = "planted-reports";
/// A setting of the run, which the configuration does not have any more.
const SETTING: &str = "planted-setting";
/// Only in a log.
const LOGGED: &str = "planted-logged";
const RUN: &str = "20260101-120000-0001";

/// The secrets as programs write them, but for quotes and escapes.
fn forms(secret: &str) -> Vec<String> {
    let percent = |keep: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte);
        let sign = |byte: u8| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        secret.bytes().map(sign).collect()
    };
    let encoded = [percent("-._~"), percent("-._~!$&'()*+,;="), percent("-._~").to_lowercase()];
    let mut forms = vec![secret.to_owned(), secret.replace('"', "\\\"")];
    forms.extend(encoded.into_iter().chain([percent("-._").replace("%20", "+")]));
    forms.extend([base64(secret), base64(&format!("reader:{secret}"))]);
    forms
}

fn base64(text: &str) -> String {
    run(Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -w0", text]))
}

/// All that a bundle holds, by name.
fn unpack(bundle: &Path, into: &Path) -> Vec<(String, String)> {
    run(Command::new("tar").arg("-C").arg(into).args(["--zstd", "-xf"]).arg(bundle));
    let find = run(Command::new("find").arg(into).args(["-type", "f"]));
    let mut files: Vec<PathBuf> = find.lines().map(PathBuf::from).collect();
    files.sort();
    let name = |path: &Path| {
        let below: PathBuf = path.strip_prefix(into).unwrap().components().skip(1).collect();
        below.display().to_string()
    };
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn plant(installation: &Installation) {
    let env = installation.path(".env");
    let text = fs::read_to_string(&env).unwrap();
    fs::write(&env, format!("{text}\nPLANTED_TOKEN='{TOKEN}'\n")).unwrap();
    let url = "postgresql://reader:planted%40upstream@db.example/x";
    let extra = format!(
        "services:\n  gateway:\n    environment:\n      UPSTREAM: {url}\n      LOGGED_PASSWORD: {LOGGED}\n      TOKEN_OF_ENV: ${{PLANTED_TOKEN}}\n    command: [--token, {LOGGED}]\n"
    );
    fs::write(installation.path("docker-compose.override.yml"), extra).unwrap();
    let config =
        format!("[sql.connections]\nreports = \"postgresql://reader:{REPORTS}@db.example/x\"\n");
    fs::write(installation.path("tessallite-up.toml"), config).unwrap();

    let record = installation.path(STATE).join("runs").join(RUN);
    fs::create_dir_all(&record).unwrap();
    let setting = format!(r#"{{"settings": [{{"name": "hello.token", "value": "{SETTING}"}}]}}"#);
    fs::write(record.join("plan.json"), setting).unwrap();
    let failed = format!("{{\"error\": \"login as reader:{REPORTS} failed, {SETTING}\"}}\n");
    fs::write(record.join("journal.jsonl"), failed).unwrap();
    let backups = installation.path(STATE).join("backups");
    fs::create_dir_all(&backups).unwrap();
    fs::write(backups.join("before.json"), format!(r#"{{"label": "{LOGGED}"}}"#)).unwrap();
    fs::write(backups.join("before.dump.zst"), "the data of others").unwrap();

    for form in [TOKEN, UPSTREAM, LOGGED].into_iter().flat_map(forms) {
        let form = form.replace('\'', "''");
        installation.query(&format!("DO $do$ BEGIN RAISE LOG '%', 'seen: {form} :seen'; END $do$"));
    }
}

#[test]
fn a_bundle_has_what_helps_and_no_secret_in_any_form() {
    let installation = Installation::borrow(Template::Variable);
    plant(&installation);
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle.tar.zst");
    let told = installation.run(&["support-bundle", "--out", bundle.to_str().unwrap()]);
    told.code(0).says("PLANTED_TOKEN").says("LOGGED_PASSWORD").never_says("Missing");
    assert_eq!(fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);

    let into = tempfile::tempdir().unwrap();
    let files = unpack(&bundle, into.path());
    for wanted in [
        "README.txt",
        "backups/before.json",
        "compose.json",
        "containers.json",
        "logs/gateway.log",
        "logs/postgres.log",
        "run/journal.jsonl",
        "run/plan.json",
        "settings.json",
        "versions.json",
    ] {
        assert!(files.iter().any(|(name, text)| name == wanted && !text.is_empty()), "{wanted}");
    }
    assert!(!files.iter().any(|(name, _)| name.contains("dump")), "a dump is in it");
    let of = |wanted: &str| &files.iter().find(|(name, _)| name == wanted).unwrap().1;

    for secret in [TOKEN, UPSTREAM, REPORTS, SETTING, LOGGED, DATABASE] {
        for form in forms(secret) {
            let form = form.trim_end_matches('=');
            for (name, text) in &files {
                assert!(!text.contains(form), "{name} has {form}\n{text}");
            }
        }
    }
    // What is around them is left, and their names are told.
    let log = of("logs/postgres.log");
    let left: Vec<&str> = log.lines().filter(|line| line.contains("seen: ")).collect();
    assert!(left.len() >= forms(TOKEN).len() * 3, "{}", left.join("\n"));
    for line in left.iter().filter(|line| line.contains("LOG:")) {
        assert!(line.contains("seen: [redacted ") && line.contains("] :seen"), "{line}");
    }
    let readme = of("README.txt");
    for name in ["DB_PASS", "PLANTED_TOKEN", "UPSTREAM (its password)", "hello.token"] {
        assert!(readme.contains(name), "{name}: {readme}");
    }
    assert!(of("compose.json").contains("db.example"), "{}", of("compose.json"));
    assert!(of("settings.json").contains("reports"));
}

#[test]
fn a_bundle_is_made_where_nothing_works() {
    let project = Project::copy(Template::Variable);
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle.tar.zst");
    let wanted = ["support-bundle", "--out", bundle.to_str().unwrap()];
    let program = project.program(wanted).env("DOCKER_HOST", "unix:///nonexistent.sock");
    program.run().code(0).says("the engine does not answer").says("none is recorded");
    let into = tempfile::tempdir().unwrap();
    let files = unpack(&bundle, into.path());
    assert!(files.iter().any(|(name, text)| name == "README.txt" && text.contains("nonexistent")));
    assert!(files.iter().any(|(name, _)| name == "versions.json"));
    project.assert_untouched();
}

#[test]
fn a_run_that_is_not_recorded_is_named() {
    let project = Project::copy(Template::Variable);
    let program = project.program(["support-bundle", "../../etc"]);
    let outcome = program.env("DOCKER_HOST", "unix:///nonexistent.sock").run();
    outcome.code(2).says("no run \"../../etc\" is recorded");
    project.assert_untouched();
}
