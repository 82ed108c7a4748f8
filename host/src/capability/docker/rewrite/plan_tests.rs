//! What is planned for which files, and what is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::capability::error::{Error, Kind};

use super::{Edit, ImageChange, SourceFile, Sources, plan};

const DIGEST_A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DIGEST_B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { path: PathBuf::from("/p").join(name), bytes: text.as_bytes().to_vec() }
}

/// The first file is in effect; so are others named `compose…`; `.env` is an env file.
pub(super) fn sources(files: &[(&str, &str)]) -> Sources {
    let mut sources = Sources { directory: PathBuf::from("/p"), ..Sources::default() };
    for (name, text) in files {
        let group = match *name {
            name if name.contains(".env") => &mut sources.env,
            name if name.contains("compose") => &mut sources.compose,
            _ => &mut sources.related,
        };
        group.push(file(name, text));
    }
    sources
}

pub(super) fn changes(list: &[(&str, &str, &str)]) -> Vec<ImageChange> {
    let change = |(service, before, after): &(&str, &str, &str)| ImageChange {
        service: (*service).to_owned(),
        before: (*before).to_owned(),
        after: (*after).to_owned(),
    };
    list.iter().map(change).collect()
}

pub(super) fn planned(
    files: &[(&str, &str)],
    list: &[(&str, &str, &str)],
) -> Result<Vec<Edit>, Error> {
    plan(&sources(files), &BTreeMap::new(), &changes(list))
}

/// What one file becomes; it must be the only one that changes.
pub(super) fn one(files: &[(&str, &str)], list: &[(&str, &str, &str)]) -> (String, String) {
    let edits =
        planned(files, list).unwrap_or_else(|error| panic!("{}: {files:?}", error.full_text()));
    assert_eq!(edits.len(), 1, "{edits:?}");
    (
        edits[0].path.to_string_lossy().into_owned(),
        String::from_utf8(edits[0].after.clone()).unwrap(),
    )
}

pub(super) const A: &[(&str, &str, &str)] = &[("a", "r.io/a:1.4.0", "r.io/a:1.5.0")];

#[test]
fn literals_change_in_place_whatever_surrounds_them() {
    let texts = [
        "services:\n  a:\n    image: r.io/a:1.4.0\n",
        "services:\n  a:\n    image: r.io/a:1.4.0",
        "services:\n  a:\n    image: 'r.io/a:1.4.0' # not 1.4.0\n",
        "services:\r\n  a:\r\n    image: \"r.io/a:1.4.0\"   # ü\r\n",
        "\u{feff}# ü 1.4.0\nservices: {a: {image: r.io/a:1.4.0}}\n",
        "services: {\"a\": {\"image\": \"r.io/a:1.4.0\"}}",
        "services:\n  a:\n    image:\tr.io/a:1.4.0\t# c\n",
        "services:\n  a:\n    image:\n      r.io/a:1.4.0\n",
        "services:\n  a:\n    image: >-\n      r.io/a:1.4.0\n",
        "services:\n  a:\n    image: &x !!str r.io/a:1.4.0\n",
        "services:\n  a:\n    image: !!str &x 'r.io/a:1.4.0'\n",
        "x: !!str &x r.io/a:1.4.0\nservices:\n  a: {image: *x, ports: !reset []}\n",
        "x-a: &a {image: r.io/a:1.4.0}\nservices:\n  a: *a\n",
        "x-a: &a\n  image: r.io/a:1.4.0\nservices:\n  a:\n    <<: *a\n",
        "x-i: &i r.io/a:1.4.0\nservices:\n  a:\n    image: *i\n",
        "x: 1\n---\nservices:\n  a:\n    image: r.io/a:1.4.0\n...\n",
        "services:\n  a:\n    image: r.io/a:${V:-1.4.0}\n",
        "services:\n  a:\n    image: \"r.io/a:${V-1.4.0}\"\n",
        "services:\n  a:\n    image: r.io/a:${V:-${W:-1.4.0}}\n",
        "services:\n  a:\n    image: ${R:-r.io}/a:1.4.0\n",
        "services:\n  a:\n    image: ${I:-r.io/a:1.4.0}\n",
    ];
    for text in texts {
        let target = text.rfind("1.4.0").unwrap();
        let mut expected = text.to_owned();
        let target = if text.contains("not 1.4.0") { text.find("1.4.0").unwrap() } else { target };
        expected.replace_range(target..target + 5, "1.5.0");
        assert_eq!(
            one(&[("compose.yml", text)], A),
            ("/p/compose.yml".into(), expected),
            "{text:?}"
        );
    }
}

#[test]
fn variables_change_in_the_env_file() {
    let compose = "services:\n  a:\n    image: r.io/a:${V:-9}\n";
    let texts = [
        "V=1.4.0\n",
        "V=1.4.0",
        "V='1.4.0' # c\r\nW=1\r\n",
        "export V = \"1.4.0\"  # c\n",
        "V: 1.4.0 # c\n",
        "\u{feff}V=1.4.0\n",
        "# ü\nX=1\nV=1.4.0\nY=2",
        "V=old\nV=1.4.0\n",
        "W=1.4.0\nV=${W}\n",
        "V=${W:-1.4.0}\n",
    ];
    for text in texts {
        let expected = text.replace("1.4.0", "1.5.0");
        assert_eq!(
            one(&[("compose.yml", compose), (".env", text)], A),
            ("/p/.env".into(), expected)
        );
    }
}

#[test]
fn templates_of_all_kinds_lead_to_the_variable() {
    for template in [
        "r.io/a:$V",
        "r.io/a:${V}",
        "r.io/a:${V:-1}",
        "r.io/a:${V?no}",
        "r.io/a:${V:?no}",
        "r.io/a:${U:-$V}",
        "r.io/a:${V:+$V}",
        "${N:-r.io/a}:${V}",
        "r.io/a:1.${MINOR}.0",
        "${IMAGE}",
        "r.io/${T}",
    ] {
        let compose = format!("services:\n  a:\n    image: {template}\n");
        let env = "V=1.4.0\nMINOR=4\nIMAGE=r.io/a:1.4.0\nT=a:1.4.0\n";
        let (path, text) = one(&[("compose.yml", &compose), (".env", env)], A);
        assert_eq!(path, "/p/.env", "{template}");
        assert_eq!(text.len(), env.len(), "{template}: {text}");
        assert_ne!(text, env, "{template}");
    }
}

#[test]
fn a_shared_variable_and_shared_defaults_change_for_all_services() {
    let compose = "services:\n  a: {image: \"r.io/a:${V:-1.4.0}\"}\n  b: {image: \"r.io/b:${V:-1.4.0}\"}\n  db: {image: postgres:15}\n";
    let both = [A[0], ("b", "r.io/b:1.4.0", "r.io/b:1.5.0")];
    assert_eq!(one(&[("compose.yml", compose), (".env", "V=1.4.0")], &both).1, "V=1.5.0");
    assert_eq!(one(&[("compose.yml", compose)], &both).1, compose.replace("1.4.0", "1.5.0"));
}

#[test]
fn the_last_file_that_sets_the_image_is_the_one_that_changes() {
    let first = "services:\n  a: {image: r.io/a:1.0.0}\n";
    let last = "services:\n  a: {image: r.io/a:1.4.0}\n";
    let files = [
        ("compose.yml", first),
        ("compose.prod.yml", last),
        ("compose.z.yml", "services:\n  a: {}\n"),
    ];
    assert_eq!(one(&files, A), ("/p/compose.prod.yml".into(), last.replace("1.4.0", "1.5.0")));
}

#[test]
fn extended_services_change_where_they_are_written() {
    let compose = "services:\n  a: {extends: {file: sub/base.yml, service: x}}\n";
    let base = "services:\n  x: {extends: y}\n  y: {image: r.io/a:1.4.0}\n";
    let changed = one(&[("compose.yml", compose), ("sub/base.yml", base)], A);
    assert_eq!(changed, ("/p/sub/base.yml".into(), base.replace("1.4.0", "1.5.0")));
    let error = planned(&[("compose.yml", compose)], A).unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.full_text().contains("compose.yml:2"), "{}", error.full_text());
}

#[test]
fn digests_and_repositories_change_too() {
    let cases = [
        (format!("r.io/a@{DIGEST_A}"), format!("r.io/a@{DIGEST_B}")),
        (format!("r.io/a:1@{DIGEST_A}"), format!("r.io/a:2@{DIGEST_B}")),
        ("r.io/a:1".to_owned(), format!("r.io/a@{DIGEST_B}")),
        (format!("r.io/a@{DIGEST_A}"), "r.io/a:1.5.0".to_owned()),
        ("a".to_owned(), "a:1.5.0".to_owned()),
        ("old.io/a:1".to_owned(), "new.io/b/a:2".to_owned()),
    ];
    for (before, after) in cases {
        let compose = |image: &str| format!("services: # c\n  a:\n    image: '{image}' # c\n");
        let text = compose(&before);
        assert_eq!(one(&[("compose.yml", &text)], &[("a", &before, &after)]).1, compose(&after));
    }
    let compose = "services:\n  a: {image: \"a:${V}@${D}\"}\n";
    let env = format!("V=1\nD={DIGEST_A}\n");
    let (before, after) = (format!("a:1@{DIGEST_A}"), format!("a:2@{DIGEST_B}"));
    let changed = one(&[("compose.yml", compose), (".env", &env)], &[("a", &before, &after)]);
    assert_eq!(changed.1, format!("V=2\nD={DIGEST_B}\n"));
}

#[test]
fn what_is_right_already_is_left_alone() {
    let compose = "services:\n  a: {image: \"r.io/a:1.5.0\"}\n  m: {image: m:stable}\n";
    let list = [A[0], ("m", "m:stable", "m:stable")];
    assert_eq!(planned(&[("compose.yml", compose)], &list).unwrap(), []);
}

#[test]
fn planning_twice_gives_the_edits_once() {
    let compose = "services:\n  a: {image: \"r.io/a:${V}\"}\n";
    let edited = one(&[("compose.yml", compose), (".env", "V=1.4.0\n")], A).1;
    assert_eq!(planned(&[("compose.yml", compose), (".env", &edited)], A).unwrap(), []);
}

#[test]
fn the_description_names_everything_that_the_variable_reaches() {
    let compose = "\
services:
  a:
    image: r.io/a:${V:-1.0}
    environment:
      APP_VERSION: ${V}
      V:
    env_file: .env
  b:
    image: b:1
    environment: [V, \"LONG=x-${W}\"]
";
    let edits = planned(&[("compose.yml", compose), (".env", "V=1.4.0\nW=$V\n")], A).unwrap();
    insta::assert_snapshot!(edits[0].description.join("\n"), @r"
    .env: V 1.4.0 → 1.5.0
      also changes services.a.environment.APP_VERSION (compose.yml:5)
      also changes services.a.environment.V (compose.yml:6)
      also changes services.b.environment (compose.yml:10)
      also changes services.b.environment.V (compose.yml:10)
      the containers of a get the whole file by env_file
    ");
    let compose =
        "services:\n  a:\n    image: r.io/a:${V:-1.4.0}\n    labels: {v: \"${V:-1.4.0}\"}\n";
    let edits = planned(&[("compose.yml", compose)], A).unwrap();
    insta::assert_snapshot!(edits[0].description.join("\n"), @r"
    compose.yml:3: default of V 1.4.0 → 1.5.0
      leaves the same default in services.a.labels.v (compose.yml:4)
    ");
}
