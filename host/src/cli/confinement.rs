//! What this process may reach, from what the command line and the settings name.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::{Command, Global, Plan, PolicyArgs, PolicyCommand, SupportBundle, Upgrade};
use super::error::{Failure, Result};
use super::plugin::{self, args::Plugin};
use super::session::{self, user_dir};
use crate::confine::{self, Policy};
use crate::engine::{self, Wanted, record};
use crate::settings::{Flags, Mode, Settings};

/// Credential helpers that write, and where: a variable, else below the home.
const HELPERS: [(&str, &str, &str); 4] = [
    ("gcloud", "CLOUDSDK_CONFIG", ".config/gcloud"),
    ("gcr", "CLOUDSDK_CONFIG", ".config/gcloud"),
    ("ecr-login", "AWS_ECR_CACHE_DIR", ".ecr"),
    ("pass", "GNUPGHOME", ".gnupg"),
];

/// Confines this process, which has one thread yet. Gives the settings, where the command
/// has some.
///
/// # Errors
/// The settings make no sense.
pub fn begin(
    command: Option<&Command>,
    upgrade: &Upgrade,
    global: &Global,
) -> Result<Option<Settings>> {
    let Some(flags) = flags(command, upgrade, global) else {
        confine::leave("this command neither loads a plugin nor asks anybody");
        return Ok(None);
    };
    let settings = Settings::resolve(flags)?;
    if settings.confine.mode == Mode::Off {
        confine::leave("it is switched off: [confine] mode");
        return Ok(Some(settings));
    }
    let mut policy = Policy::default();
    installation(&mut policy, &settings)?;
    if let Some(run) = recorded_run(command, &settings) {
        files(&mut policy, record::replaced_files(&settings.state_dir, &run));
    }
    if docker_is_a_snap() {
        confine::leave("docker is a snap here, and a confined program cannot start one");
        return Ok(Some(settings));
    }
    if let Some(directory) = output(command) {
        policy.allow_if_there(&directory);
    }
    of_the_user(&mut policy);
    confine::process(&policy);
    Ok(Some(settings))
}

/// Those that the command resolves its settings from; absent where it has none.
fn flags(command: Option<&Command>, upgrade: &Upgrade, global: &Global) -> Option<Flags> {
    Some(match command {
        None => upgrade.request.flags(global),
        Some(Command::Plan(plan)) => plan.request.flags(global),
        Some(Command::Doctor(request)) => request.flags(global),
        Some(Command::Resume(resume)) => resume.backups.with(global.flags()),
        Some(Command::Rollback(rollback)) => rollback.backups.with(global.flags()),
        Some(Command::Backup(backup)) => backup.place.flags(global),
        Some(Command::Apply(apply)) => apply.backups.with(global.flags()),
        Some(Command::Policy(PolicyArgs { command: PolicyCommand::Suggest(request) })) => {
            request.flags(global)
        }
        Some(
            Command::Policy(_)
            | Command::Audit(_)
            | Command::Status
            | Command::History
            | Command::Show(_)
            | Command::SupportBundle(_)
            | Command::Unlock(_),
        ) => global.flags(),
        Some(Command::Plugin(Plugin { command })) if loads(command) => global.flags(),
        Some(
            Command::Plugin(_)
            | Command::Approve(_)
            | Command::Completions(_)
            | Command::CompilePlugin(_),
        ) => return None,
    })
}

/// Secret keys and lists take no plugin.
fn loads(command: &plugin::args::Command) -> bool {
    use plugin::args::Command;
    matches!(command, Command::Inspect(_) | Command::Lock(_) | Command::Verify(_))
}

/// The directory of what the command is to write.
fn output(command: Option<&Command>) -> Option<PathBuf> {
    let file = match command? {
        Command::Plan(Plan { out, .. }) => out.clone()?,
        // Without a name it is written here.
        Command::SupportBundle(SupportBundle { out, .. }) => out.clone().unwrap_or("bundle".into()),
        _ => return None,
    };
    let whole = std::path::absolute(&file).unwrap_or(file);
    whole.parent().map(Path::to_owned)
}

/// The run that is taken up: what it has replaced may not be the project's any longer.
fn recorded_run(command: Option<&Command>, settings: &Settings) -> Option<String> {
    let (named, wanted) = match command? {
        Command::Resume(resume) => (&resume.run, Wanted::Resume),
        Command::Rollback(rollback) => (&rollback.run, Wanted::Rollback),
        _ => return None,
    };
    named.clone().or_else(|| engine::newest(&settings.state_dir, wanted).ok())
}

/// Files are replaced, which their directories see.
fn files(policy: &mut Policy, files: Vec<PathBuf>) {
    for file in files {
        // A link is followed: the file that it names is replaced.
        if let Some(directory) = file.canonicalize().ok().as_deref().and_then(Path::parent) {
            policy.allow(directory);
        }
    }
}

fn installation(policy: &mut Policy, settings: &Settings) -> Result<()> {
    policy.allow(&settings.project_dir);
    policy.allow(&settings.state_dir);
    policy.allow(&settings.backup_dir);
    if let Some(directory) = settings.plugin_lock.parent() {
        policy.allow_if_there(directory);
    }
    match &settings.cloud_run {
        None => files(policy, engine::files_of(&session::location(settings))),
        // gcloud, which is asked for tokens, keeps them and its own logs there.
        Some(_) => {
            if let Some(directory) = user_dir("CLOUDSDK_CONFIG", ".config/gcloud") {
                policy.allow_if_there(&directory);
            }
        }
    }
    for path in &settings.confine.write {
        if !path.exists() {
            let text = format!("{}, which [confine] write names, is not there", path.display());
            return Err(Failure::usage(text));
        }
        policy.allow(path);
    }
    Ok(())
}

fn of_the_user(policy: &mut Policy) {
    if let Some(cache) = session::cache() {
        // What it stands in is the user's whole home, maybe. One that cannot be made is not
        // used either.
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache);
        policy.allow_if_there(&cache);
    }
    policy.allow_if_there(&std::env::temp_dir());
    // Compose keeps projects there that are included from elsewhere.
    if let Some(cache) = user_dir("XDG_CACHE_HOME", ".cache") {
        policy.allow_if_there(&cache.join("docker-compose"));
    }
    let helpers = helpers();
    for (name, variable, below_home) in HELPERS {
        if let Some(directory) = user_dir(variable, below_home).filter(|_| helpers.contains(name)) {
            policy.allow_if_there(&directory);
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DockerConfig {
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// The credential helpers that `docker` is configured with.
fn helpers() -> BTreeSet<String> {
    let directory = user_dir("DOCKER_CONFIG", ".docker");
    let text = directory.and_then(|dir| std::fs::read_to_string(dir.join("config.json")).ok());
    text.map(|text| named_in(&text)).unwrap_or_default()
}

fn named_in(text: &str) -> BTreeSet<String> {
    // What is wrong with it is for docker to say.
    let config: DockerConfig = serde_json::from_str(text).unwrap_or_default();
    config.creds_store.into_iter().chain(config.cred_helpers.into_values()).collect()
}

/// A snap is started by a program that mounts and has privileges of its own: a process that
/// confines itself keeps all that it starts from both.
fn docker_is_a_snap() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("docker")).find(|p| p.is_file());
    found.and_then(|docker| docker.canonicalize().ok()).is_some_and(|docker| is_snap(&docker))
}

fn is_snap(program: &Path) -> bool {
    program.starts_with("/snap") || program.file_name().is_some_and(|name| name == "snap")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;

    fn parsed(line: &[&str]) -> Args {
        let line = ["tessallite-up"].iter().chain(line).map(std::ffi::OsString::from);
        Args::parse_from_line(line).unwrap()
    }

    #[test]
    fn a_command_may_write_where_its_output_goes() {
        let of = |line: &[&str]| output(parsed(line).command.as_ref());
        assert_eq!(of(&["plan", "--out", "/x/y.json"]), Some("/x".into()));
        assert_eq!(of(&["support-bundle"]), std::env::current_dir().ok());
        assert_eq!(of(&["plan"]), None);
        assert_eq!(of(&["status"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn every_command_of_an_installation_has_settings() {
        let of = |line: &[&str]| {
            let Args { command, upgrade, global } = parsed(line);
            flags(command.as_ref(), &upgrade, &global)
        };
        let (place, backups) = (["--project-dir", "/x"], ["--backup-dir", "/b"]);
        for command in [
            &["status"][..],
            &["history"],
            &["show", "1"],
            &["support-bundle"],
            &["unlock", "1"],
            &["plan"],
            &["doctor"],
            &["resume"],
            &["rollback"],
            &["backup", "list"],
            &[],
        ] {
            let flags = of(&[&place, command].concat()).unwrap();
            assert_eq!(flags.project_dir, Some("/x".into()), "{command:?}");
        }
        for command in [&["resume"][..], &["rollback"], &["plan"], &[]] {
            let flags = of(&[command, &backups].concat()).unwrap();
            assert_eq!(flags.backup_dir, Some("/b".into()), "{command:?}");
        }
        assert!(of(&["plugin", "list"]).is_none());
    }

    #[test]
    fn what_compose_files_name_elsewhere_may_be_written_and_a_typing_error_is_told() {
        let [project, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let other = elsewhere.path().canonicalize().unwrap();
        let resolve = |config: &str| {
            let compose =
                format!("include: [{}]\nservices: {{}}\n", other.join("b/more.yml").display());
            std::fs::write(project.path().join("compose.yaml"), compose).unwrap();
            std::fs::write(project.path().join("tessallite-up.toml"), config).unwrap();
            let project_dir = Some(project.path().to_owned());
            Settings::resolve(Flags { project_dir, ..Flags::default() }).unwrap()
        };
        std::fs::create_dir(other.join("b")).unwrap();
        std::fs::write(other.join("b/more.yml"), "services: {a: {image: 'x:1'}}\n").unwrap();
        let mut policy = Policy::default();
        installation(&mut policy, &resolve("")).unwrap();
        assert!(policy.allows(&other.join("b")));
        assert!(!policy.allows(&other));

        let config = format!("[confine]\nwrite = [{:?}]\n", other);
        installation(&mut policy, &resolve(&config)).unwrap();
        assert!(policy.allows(&other));

        let error = installation(&mut policy, &resolve("[confine]\nwrite = ['gone']\n"));
        assert!(error.unwrap_err().text.contains("gone"));
        let settings = resolve("[confine]\nmode = \"off\"\n");
        assert_eq!(settings.confine.mode, Mode::Off);
    }

    #[test]
    fn what_a_run_has_replaced_may_be_put_back() {
        let [state, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let file = elsewhere.path().canonicalize().unwrap().join("more.yml");
        std::fs::write(&file, "").unwrap();
        let record = state.path().join("runs/r-1/files");
        std::fs::create_dir_all(&record).unwrap();
        let index = serde_json::json!({"files": [{"path": file, "copy": "0", "sha256": ""}]});
        std::fs::write(record.join("index.json"), index.to_string()).unwrap();
        let flags = Flags { state: Some(state.path().to_owned()), ..Flags::default() };
        let settings = Settings::resolve(flags).unwrap();
        for line in [["rollback", "r-1"], ["resume", "r-1"]] {
            let run = recorded_run(parsed(&line).command.as_ref(), &settings).unwrap();
            let mut policy = Policy::default();
            files(&mut policy, record::replaced_files(&settings.state_dir, &run));
            assert!(policy.allows(&file), "{policy:?}");
        }
        assert_eq!(recorded_run(parsed(&["status"]).command.as_ref(), &settings), None);
    }

    #[test]
    fn the_helpers_of_docker_are_known() {
        let text = r#"{"auths": {}, "credsStore": "pass", "credHelpers": {"europe-docker.pkg.dev": "gcloud"}}"#;
        assert_eq!(named_in(text), BTreeSet::from(["gcloud".to_owned(), "pass".to_owned()]));
        assert_eq!(named_in("not JSON"), BTreeSet::new());
    }

    #[test]
    fn a_snap_is_known_by_where_it_leads() {
        assert!(is_snap(Path::new("/usr/bin/snap")));
        assert!(is_snap(Path::new("/snap/docker/current/bin/docker")));
        assert!(!is_snap(Path::new("/usr/bin/docker")));
    }
}
