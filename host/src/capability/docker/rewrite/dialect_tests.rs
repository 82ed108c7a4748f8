//! What Compose makes of templates, env files and several Compose files. The tables were
//! checked against `docker compose config`; the ignored tests check them again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::dialect_tables::{DIALECTS, Dialect, PROCESS, PROJECTS, Project};
use super::files::{Files, Sources};
use super::model::{Model, State};

fn process_env() -> BTreeMap<String, String> {
    PROCESS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn write(directory: &Path, files: &[(&str, &str)]) -> Vec<PathBuf> {
    let mut compose = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if name.contains("compose") {
            compose.push(path);
        }
    }
    compose
}

/// Our reading of the project in a directory.
fn ours(directory: &Path, compose: &[PathBuf]) -> Result<BTreeMap<String, String>, String> {
    let env: Vec<PathBuf> =
        Some(directory.join(".env")).into_iter().filter(|p| p.exists()).collect();
    let sources =
        Sources::read(directory, compose, &env, &process_env()).map_err(|e| e.full_text())?;
    let files = Files::new(&sources, &process_env()).map_err(|e| e.full_text())?;
    let mut images = BTreeMap::new();
    for (name, service) in Model::new(&files).services {
        match service.state {
            State::Set(image) => images.insert(name, image.text.value()),
            State::Unset => None,
            State::Unclear(why) => return Err(why),
        };
    }
    Ok(images)
}

/// The reading of `docker compose` itself.
fn theirs(directory: &Path, compose: &[PathBuf]) -> Result<BTreeMap<String, String>, String> {
    let mut command = Command::new("docker");
    command.arg("compose").current_dir(directory);
    for path in compose {
        command.arg("-f").arg(path);
    }
    command.args(["-p", "cross", "config", "--format", "json"]).env_clear().envs(process_env());
    for kept in ["PATH", "HOME"] {
        command.env(kept, std::env::var_os(kept).unwrap_or_default());
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let model: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let services = model["services"].as_object().unwrap();
    let image = |value: &serde_json::Value| value["image"].as_str().unwrap().replace("$$", "$");
    Ok(services.iter().map(|(name, value)| (name.clone(), image(value))).collect())
}

fn of_template(env: &'static str, template: &str) -> Project {
    let compose = format!("services:\n  a:\n    image: '{}'\n", template.replace('\'', "''"));
    let files = [("compose.yml", &*compose.leak()), (".env", env)];
    Project { files: files.to_vec().leak(), images: &[] }
}

fn each_template(check: impl Fn(&Path, &[PathBuf], &Dialect, &str, Option<&str>)) {
    for dialect in DIALECTS {
        for (template, expected) in dialect.templates {
            let directory = tempfile::tempdir().unwrap();
            let compose = write(directory.path(), of_template(dialect.env, template).files);
            check(directory.path(), &compose, dialect, template, *expected);
        }
    }
}

fn each_project(reading: impl Fn(&Path, &[PathBuf]) -> Result<BTreeMap<String, String>, String>) {
    for project in PROJECTS {
        let directory = tempfile::tempdir().unwrap();
        let compose = write(directory.path(), project.files);
        let found = reading(directory.path(), &compose)
            .unwrap_or_else(|why| panic!("{why}: {:?}", project.files));
        let expected =
            project.images.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, expected, "{:?}", project.files);
    }
}

#[test]
fn templates_and_env_files_are_read_as_compose_reads_them() {
    each_template(|directory, compose, dialect, template, expected| {
        let found = ours(directory, compose).map(|images| images["a"].clone());
        assert_eq!(
            found.as_deref().ok(),
            expected,
            "{template:?} with {:?}: {found:?}",
            dialect.env
        );
    });
}

#[test]
fn projects_are_read_as_compose_reads_them() {
    each_project(ours);
}

#[test]
#[ignore = "needs docker compose"]
fn docker_compose_agrees_about_templates_and_env_files() {
    each_template(|directory, compose, dialect, template, expected| {
        let found = theirs(directory, compose).map(|images| images["a"].clone());
        assert_eq!(
            found.as_deref().ok(),
            expected,
            "{template:?} with {:?}: {found:?}",
            dialect.env
        );
    });
}

#[test]
#[ignore = "needs docker compose"]
fn docker_compose_agrees_about_projects() {
    each_project(theirs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs docker compose"]
    fn docker_compose_agrees_about_anything(
        template in prop::collection::vec(prop::sample::select(vec![
            "${", "}", "${V", "${U", "${V}", "$V", "$U", ":-", "-", ":?", "?", ":+", "+", "$$", "$", "{", "a", ".", ":", "1", "'", "_",
        ]), 0..8),
        env in prop::collection::vec(prop::sample::select(vec![
            "V", "U", "=", "=", ": ", "1.4", "\"", "'", "\\", "\n", "\n", "\r\n", " ", "#", " #", "export ", "$V", "${U", "}", ":-d", "$$", "\t", "-",
            "V=1\n", "U=\"2\"", "\\$", "\\n",
        ]), 0..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let template = format!("x{}", template.concat());
        let env: &str = env.concat().leak();
        let compose = write(directory.path(), of_template(env, &template).files);
        let (ours, theirs) = (ours(directory.path(), &compose), theirs(directory.path(), &compose));
        let image = |images: &Result<BTreeMap<String, String>, String>| images.as_ref().ok().map(|i| i["a"].clone());
        prop_assert_eq!(image(&ours), image(&theirs), "{:?} with {:?}: {:?} {:?}", template, env, ours, theirs);
    }
}
