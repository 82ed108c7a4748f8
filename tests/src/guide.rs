//! What a vendor does: follows `plugins/README.md` word for word, and builds plugins as it
//! says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Cloud, place, process};

/// Where the guide assumes the SDK, seen from the new crate.
const SDK: &str = "../tessallite-up/plugins/sdk";
const TARGET: &str = "wasm32-wasip2";

/// One fenced block. The words behind the language say what is done with it:
/// `sh` is run, `sh installation` only where there is an installation, `sh cloud` where there is
/// one on Google Cloud, `sh once` never;
/// `rust FILE` and `toml FILE` are written, `rust FILE append` at the file's end; the lines
/// of `text` (`text installation`) have to be in the output of the last command, in this
/// order, where `…` stands for anything. Everything else is there to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub words: Vec<String>,
    pub text: String,
}

pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(words), None) => {
                let words = words.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { words, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Somebody with an empty directory, the program, and this repository.
pub struct Vendor {
    home: TempDir,
    /// Where the commands have led to.
    at: PathBuf,
    /// What the blocks are called that are for the installation there is, and what leads to it.
    kind: Option<&'static str>,
    env: Vec<(String, String)>,
    last_output: String,
    /// How many blocks were run, written or compared.
    pub done: usize,
}

impl Vendor {
    /// With a running installation, or without.
    pub fn new(installation: Option<&Path>) -> Self {
        let home = tempfile::tempdir().expect("a home");
        let at = home.path().join("empty");
        fs::create_dir(&at).expect("a place to begin at");
        let programs = home.path().join("bin");
        fs::create_dir(&programs).expect("a place for the program");
        let program = programs.join("tessallite-up");
        std::os::unix::fs::symlink(place::program(), program).expect("a link to the program");
        let kind = installation.map(|_| "installation");
        let at_it = |dir: &Path| ("TESSALLITE_UP_PROJECT_DIR".into(), dir.display().to_string());
        let env = installation.map(at_it).into_iter().collect();
        Self { home, at, kind, env, last_output: String::new(), done: 0 }
    }

    /// With a project on Google Cloud.
    pub fn on_google_cloud(cloud: &Cloud) -> Self {
        let env = cloud.fake.environment().into_iter().map(|(name, value)| (name.into(), value));
        Self { kind: Some("cloud"), at: cloud.path(""), env: env.collect(), ..Self::new(None) }
    }

    /// Does what the guide says, block by block.
    ///
    /// # Panics
    /// It does not come out as the guide says.
    pub fn follow(&mut self, guide: &str) {
        for block in blocks(guide) {
            let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["sh"] => self.run(&block.text),
                ["text"] => self.compare(&block.text),
                ["sh", kind] if Some(*kind) == self.kind => self.run(&block.text),
                ["text", kind] if Some(*kind) == self.kind => self.compare(&block.text),
                ["rust" | "toml", file] => self.write(file, &block.text),
                ["rust" | "toml", file, "append"] => {
                    let begun =
                        fs::read_to_string(self.at.join(file)).expect("it was written before");
                    self.write(file, &format!("{begun}\n{}", block.text));
                }
                _ => continue,
            }
            self.done += 1;
        }
    }

    fn write(&self, file: &str, text: &str) {
        let sdk = place::root().join("plugins/sdk");
        let text = text.replace(SDK, sdk.to_str().expect("a path in UTF-8"));
        fs::write(self.at.join(file), text).expect("the directory is there");
    }

    fn run(&mut self, commands: &str) {
        let end = self.home.path().join("end");
        let script = format!("set -eu\n{commands}pwd >'{}'\n", end.display());
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .current_dir(&self.at)
            .env("PATH", format!("{}:{path}", self.home.path().join("bin").display()))
            .env("CARGO_HOME", own("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", own("RUSTUP_HOME", ".rustup"))
            .env("HOME", self.home.path())
            // What is compiled on the way is kept; what the guide speaks of is not.
            .env("CARGO_BUILD_BUILD_DIR", target_dir())
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME");
        shell.envs(self.env.iter().map(|(name, value)| (name, value)));
        self.last_output = process::run(&mut shell);
        self.at = fs::read_to_string(end).expect("the shell wrote it").trim_end().into();
    }

    fn compare(&self, expected: &str) {
        let mut rest = self.last_output.lines();
        for line in expected.lines().map(words).filter(|line| *line != ["…"]) {
            let found = rest.any(|said| fits(&words(said), &line));
            assert!(
                found,
                "no line like {line:?} (after those before it) in\n{}",
                self.last_output
            );
        }
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A `…` stands for any number of words.
fn fits(said: &[&str], expected: &[&str]) -> bool {
    match expected {
        [] => said.is_empty(),
        ["…", rest @ ..] => (0..=said.len()).any(|skipped| fits(&said[skipped..], rest)),
        [word, rest @ ..] => said.first() == Some(word) && fits(&said[1..], rest),
    }
}

fn own(variable: &str, below_home: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(below_home);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
}

/// Shared by all crates of plugins, and kept between runs of the tests.
pub fn target_dir() -> PathBuf {
    let profile = place::built();
    profile.parent().expect("it stands in the target directory").join("plugins-under-test")
}

/// A configuration that grants the hostile plugin everything, and the example what it asks for.
pub fn grants() -> PathBuf {
    place::root().join("tests/hostile/grants.toml")
}

/// Builds the crate of a plugin, such as `plugins/examples/announce`.
pub fn build(crate_dir: &str) -> PathBuf {
    let crate_dir = place::root().join(crate_dir);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(target_dir())
        .current_dir(&crate_dir);
    process::run(&mut cargo);
    let name = crate_dir.file_name().expect("a crate has a name").to_owned();
    target_dir().join(TARGET).join("release").join(name).with_extension("wasm")
}

/// The hostile plugin with this behaviour built in, as a file of its own in `dir`:
/// `make-plan:loop`, `apply:undeclared:docker.stop`; `tests/hostile/src/` has them all.
pub fn hostile(behaviour: &str, dir: &Path) -> PathBuf {
    const BAKED: &[u8] = b"hostile behaviour: none;";
    const ROOM: usize = 96;
    let mut component = fs::read(build("tests/hostile")).expect("it was built");
    let place = component.windows(BAKED.len()).position(|bytes| bytes == BAKED);
    let place = place.expect("the component has a place for the behaviour");
    let text = format!("{:ROOM$}", format!("hostile behaviour: {behaviour};"));
    assert_eq!(text.len(), ROOM, "too long: {behaviour}");
    component[place..place + ROOM].copy_from_slice(text.as_bytes());
    let file = dir.join(format!("hostile-{}.wasm", behaviour.replace([':', '/'], "-")));
    fs::write(&file, component).expect("the directory is there");
    file
}
