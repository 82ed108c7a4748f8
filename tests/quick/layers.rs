//! The layers of the program: who may know whom. Data flows one way:
//! cli → engine → plugin → capability → the outside.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{relative, rust_files, without_tests};

const SOURCES: &str = "host/src";

/// Each module of the crate, and those that it may use. Every module is here.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "capability",
            "confine",
            "contract",
            "engine",
            "files",
            "plugin",
            "policy",
            "report",
            "settings",
            "signature",
            "text",
        ],
    ),
    ("engine", &["capability", "contract", "files", "plugin", "policy", "report", "text"]),
    ("plugin", &["capability", "contract", "files", "policy", "signature", "text"]),
    ("report", &["capability", "confine", "text"]),
    ("settings", &["contract", "policy", "signature"]),
    ("capability", &["confine", "contract", "files", "policy", "text"]),
    ("policy", &["contract", "text"]),
    ("contract", &["capability"]),
    ("signature", &["files", "text"]),
    ("files", &[]),
    ("confine", &[]),
    ("text", &[]),
    // The fuzz targets; not in the program.
    ("fuzzing", &["capability", "contract", "engine", "plugin", "settings", "text"]),
];

/// Of these modules, only this much may be used by those.
const ONLY: &[(&str, &str, &[&str])] = &[
    // The bindings turn it into the contract's own error.
    ("contract", "capability", &["Error"]),
    // What a run tells: plain data.
    (
        "report",
        "capability",
        &["GateState", "conduct::GateState", "conduct::Level", "sql::types::TableChange"],
    ),
    ("plugin", "capability", &["Allowance", "Conduct", "Context", "Services"]),
    (
        "cli",
        "capability",
        &[
            "Kind",
            "Error",
            "GateState",
            "Platform",
            "conduct::Level",
            "docker::types",
            "gcloud::types",
            "sql::types",
        ],
    ),
    ("settings", "contract", &["ReleaseImage"]),
    ("settings", "signature", &["PublicKey"]),
];

/// They never know each other; what one needs of another goes through a trait of its own.
const CAPABILITIES: [&str; 5] = ["docker", "gcloud", "host", "http", "sql"];

/// Who may name a crate that stands for a piece of the outside world or of the screen.
const CRATES: &[(&str, &[&str])] = &[
    ("bollard", &["capability/docker/client/"]),
    ("docker_credential", &["capability/docker/client/"]),
    ("saphyr", &["capability/docker/", "fuzzing/"]),
    ("tokio_postgres", &["capability/sql/client/"]),
    ("tokio_rustls", &["capability/sql/client/"]),
    ("zstd", &["capability/sql/dump/", "engine/support/archive.rs"]),
    ("tar", &["engine/support/archive.rs"]),
    ("base64", &["engine/support/redact.rs", "signature/"]),
    ("minisign", &["signature/"]),
    ("minisign_verify", &["signature/"]),
    ("rpassword", &["cli/key.rs"]),
    ("reqwest", &["capability/http/client/", "capability/gcloud/client/"]),
    ("google_cloud_auth", &["capability/gcloud/client/credentials.rs"]),
    ("ipnet", &["policy/"]),
    (
        "wasmtime",
        &[
            "plugin/",
            "contract/",
            "capability/context.rs",
            "capability/host.rs",
            "capability/docker/host.rs",
        ],
    ),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("indicatif", &["report/live"]),
    ("comfy_table", &["report/table"]),
    ("console", &["report/"]),
    ("toml", &["fuzzing/", "plugin/lock.rs", "policy/", "settings/"]),
    ("crc32fast", &["engine/journal.rs"]),
    ("blake3", &["plugin/cache/key.rs"]),
    ("age", &["capability/sql/dump/seal.rs"]),
    ("landlock", &["confine.rs"]),
];

/// A file of the crate and the paths that it names.
struct Source {
    file: String,
    module: Vec<String>,
    paths: BTreeSet<Vec<String>>,
}

impl Source {
    fn all() -> Vec<Self> {
        let is_test = |name: &str| name.ends_with("/tests.rs") || name.ends_with("_tests.rs");
        let files = rust_files(SOURCES).into_iter();
        let files = files.map(|path| (relative(&path), path)).filter(|(name, _)| !is_test(name));
        files.map(|(name, path)| Self::new(&name, &fs::read_to_string(path).unwrap())).collect()
    }

    fn new(name: &str, text: &str) -> Self {
        let file = name.trim_start_matches(SOURCES).trim_start_matches('/').to_owned();
        let mut module: Vec<String> =
            file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        let paths = paths(&tokens(&without_tests(text)), &module);
        Self { file, module, paths }
    }

    fn layer(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The paths into the crate itself.
    fn inner(&self) -> impl Iterator<Item = &[String]> {
        let inner =
            self.paths.iter().filter(|path| path.first().is_some_and(|first| first == "crate"));
        inner.map(|path| &path[1..])
    }
}

/// Words, `::` and single signs, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        let mut rest = code.trim_start();
        while let Some(first) = rest.chars().next() {
            let word =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Everything of the form `a::b`, with `use` groups spelt out and `super` followed; paths
/// into this crate begin with `crate`.
fn paths(tokens: &[String], module: &[String]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        let begins = tokens[at + 1] == "::" && is_word(&tokens[at]);
        if begins && (at == 0 || tokens[at - 1] != "::") {
            at = follow(tokens, at, &[], module, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Follows one path from here; returns where it ends.
fn follow(
    tokens: &[String],
    mut at: usize,
    begun: &[String],
    module: &[String],
    found: &mut BTreeSet<Vec<String>>,
) -> usize {
    let mut path = begun.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = follow(tokens, at, &path, module, found);
                    // Past the comma, and past an alias.
                    while tokens.get(at).is_some_and(|token| token == "," || token == "as") {
                        at += if tokens[at] == "as" { 2 } else { 1 };
                    }
                }
                return at + 1;
            }
            Some("super") if path.first().is_none_or(|first| first == "crate") => {
                if path.is_empty() {
                    path.push("crate".to_owned());
                    path.extend_from_slice(module);
                }
                path.pop();
            }
            Some("self") if path.is_empty() => {
                path.push("crate".to_owned());
                path.extend_from_slice(module);
            }
            Some(token) if is_word(token) => path.push(token.to_owned()),
            _ => {}
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            found.insert(path);
            return at;
        }
        at += 1;
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = "use crate::{a::B, c::{self, d as e, *}};\nuse super::x::Y; // crate::no\nf(super::super::Z, bollard::Docker::new());";
    let source = Source::new("host/src/one/two.rs", text);
    let paths: Vec<String> = source.paths.iter().map(|path| path.join("::")).collect();
    for path in
        ["crate::a::B", "crate::c::d", "crate::one::x::Y", "crate::Z", "bollard::Docker::new"]
    {
        assert!(paths.iter().any(|found| found == path), "{path} is not among {paths:?}");
    }
    assert!(!paths.iter().any(|path| path.contains("no")), "{paths:?}");
}

/// Sources that break each rule, so that a rule that catches nothing is noticed.
fn offenders() -> Vec<Source> {
    let source = |file: &str, text: &str| Source::new(&format!("{SOURCES}/{file}"), text);
    vec![
        source("capability/sql/client/mod.rs", "use crate::capability::docker::client::Client;"),
        source("capability/http/host.rs", "use super::super::docker;\nfn f(_: bollard::Docker) {}"),
        source("capability/docker/host.rs", "fn f(_: wasmtime::Store<()>) {}"),
        source("engine/run.rs", "use crate::cli::args::Args;"),
        source(
            "report/event.rs",
            "use crate::{capability::docker::types::Service, contract::Plan};",
        ),
        source("text.rs", "use super::settings::Settings;"),
        source("contract/mod.rs", "use crate::capability::{Context, Error};"),
    ]
}

#[test]
fn each_layer_uses_only_those_below() {
    assert_none("against the layers", &against_layers(&Source::all()));
    assert_eq!(
        against_layers(&offenders()),
        [
            "engine/run.rs uses cli::args::Args",
            "report/event.rs uses capability::docker::types::Service",
            "report/event.rs uses contract::Plan",
            "text.rs uses settings::Settings",
            "contract/mod.rs uses capability::Context",
        ]
    );
}

fn against_layers(sources: &[Source]) -> Vec<String> {
    let in_layers = sources.iter().filter(|source| !source.layer().is_empty());
    in_layers
        .flat_map(|source| {
            let above = source.inner().filter(|path| !may_use(source, path));
            above.map(|path| format!("{} uses {}", source.file, path.join("::")))
        })
        .collect()
}

fn may_use(source: &Source, path: &[String]) -> bool {
    let layer = source.layer();
    let Some(to) = path.first().filter(|to| *to != layer) else { return true };
    let known = LAYERS.iter().find(|(name, _)| *name == layer);
    let (_, may) = known.unwrap_or_else(|| panic!("{} is in no layer", source.file));
    let below = path[1..].join("::");
    let of_pair = |(from, of, _): &&(&str, &str, &[&str])| *from == layer && of == to;
    let fits = |only: &&str| below == *only || below.starts_with(&format!("{only}::"));
    let narrow = ONLY
        .iter()
        .find(of_pair)
        .is_none_or(|(_, _, only)| below.is_empty() || below == "self" || only.iter().any(fits));
    may.contains(&to.as_str()) && narrow
}

#[test]
fn capabilities_never_know_each_other() {
    assert_none("capabilities that know another", &between_capabilities(&Source::all()));
    assert_eq!(
        between_capabilities(&offenders()),
        [
            "capability/sql/client/mod.rs uses capability::docker::client::Client",
            "capability/http/host.rs uses capability::docker",
        ]
    );
}

fn between_capabilities(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let [layer, own, ..] = source.module.as_slice() else { continue };
        if layer != "capability" || !CAPABILITIES.contains(&own.as_str()) {
            continue;
        }
        for path in source.inner() {
            if let [layer, other, ..] = path
                && layer == "capability"
                && other != own
                && CAPABILITIES.contains(&other.as_str())
            {
                offences.push(format!("{} uses {}", source.file, path.join("::")));
            }
        }
    }
    offences
}

#[test]
fn each_foreign_crate_is_known_in_one_place() {
    assert_none("crates where they do not belong", &out_of_place(&Source::all()));
    assert_eq!(
        out_of_place(&offenders()),
        [
            "capability/http/host.rs uses bollard::Docker",
            "capability/docker/host.rs uses wasmtime::Store",
        ]
    );
}

fn out_of_place(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        for path in &source.paths {
            let known =
                CRATES.iter().find(|(name, _)| path.first().is_some_and(|first| first == name));
            let Some((name, places)) = known else { continue };
            let placed = places.iter().any(|place| source.file.starts_with(place));
            // Host functions answer wasmtime; that is all they know of it.
            let more = *name == "wasmtime"
                && source.layer() == "capability"
                && path.get(1).is_none_or(|used| used != "Result");
            if !placed || more {
                offences.push(format!("{} uses {}", source.file, path.join("::")));
            }
        }
    }
    offences
}

/// There is one set of bindings, and so one place where the contract meets the host.
#[test]
fn the_bindings_are_generated_once() {
    let bindgen = |source: &Source| {
        source.paths.iter().any(|path| path.last().is_some_and(|last| last == "bindgen"))
    };
    let files: Vec<String> =
        Source::all().into_iter().filter(bindgen).map(|source| source.file).collect();
    assert_eq!(files, ["contract/mod.rs"]);
}
