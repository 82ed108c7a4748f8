//! What is refused, and what the error says.

use std::collections::BTreeMap;

use crate::capability::error::Kind;

use super::plan;
use super::plan_tests::{A, changes, one, planned, sources};

/// The files, the kind of the error, and words that it must have.
type Refusal = (&'static [(&'static str, &'static str)], Kind, &'static [&'static str]);

const REFUSALS: &[Refusal] = &[
    (
        &[("compose.yml", "services:\n  a: {image: r.io/a:1.3.0}\n")],
        Kind::Conflict,
        &["compose.yml:2", "1.3.0", "1.4.0", "1.5.0"],
    ),
    (
        &[("compose.yml", "services:\n  b: {image: r.io/a:1.4.0}\n")],
        Kind::NotFound,
        &["service a", "compose.yml"],
    ),
    (
        &[("compose.yml", "services:\n  a: {build: .}\n")],
        Kind::Invalid,
        &["built from source", "by hand"],
    ),
    (
        &[
            (
                "compose.yml",
                "services:\n  a: {image: \"r.io/a:${V}\"}\n  db: {image: \"postgres:${V}\"}\n",
            ),
            (".env", "V=1.4.0"),
        ],
        Kind::Invalid,
        &[".env:1", "variable V", "db (compose.yml:3)"],
    ),
    (
        &[("compose.yml", "x: &x {image: r.io/a:1.4.0}\nservices:\n  a: *x\n  db: *x\n")],
        Kind::Invalid,
        &["compose.yml:1", "image of db"],
    ),
    (
        &[("compose.yml", "services:\n  a: {image: r.io/a:1.4.0}\n  db: {extends: a}\n")],
        Kind::Invalid,
        &["image of db"],
    ),
    (
        &[("compose.yml", "services:\n  a:\n    image: \"r.io/a:1\\x2e4.0\"\n")],
        Kind::Invalid,
        &["compose.yml:3", "escapes", "image: r.io/a:1.5.0"],
    ),
    (
        &[("compose.yml", "services:\n  a:\n    image: \"r.io/a:\\\n      1.4.0\"\n")],
        Kind::Invalid,
        &["several lines"],
    ),
    (
        &[("compose.yml", "services:\n  a: {image: !reset r.io/a:1.4.0}\n")],
        Kind::Invalid,
        &["!reset", "compose.yml:2"],
    ),
    (
        &[("compose.yml", "services:\n  a: !override {image: r.io/a:1.4.0}\n")],
        Kind::Invalid,
        &["!override"],
    ),
    (&[("compose.yml", "services:\n  a: {extends: a}\n")], Kind::Invalid, &["circle"]),
    (
        &[("compose.yml", "services:\n  a: {extends: {file: compose.yml, service: a}}\n")],
        Kind::Invalid,
        &["circle"],
    ),
    (
        &[(
            "compose.yml",
            "services:\n  a: {image: r.io/a:1.4.0}\n  b: {image: \"${X:?set X}\"}\n",
        )],
        Kind::Invalid,
        &["image of b", "set X"],
    ),
    (
        &[
            ("compose.yml", "include: [inc.yml]\n"),
            ("inc.yml", "services:\n  a: {image: r.io/a:1.4.0}\n"),
        ],
        Kind::Invalid,
        &["inc.yml", "included"],
    ),
    (
        &[
            ("compose.yml", "include: [inc.yml]\nservices:\n  a: {image: \"r.io/a:${V}\"}\n"),
            (".env", "V=1.4.0"),
        ],
        Kind::Invalid,
        &["inc.yml", "not read"],
    ),
    (
        &[
            ("compose.yml", "include: [inc.yml]\nservices:\n  a: {image: \"r.io/a:${V}\"}\n"),
            ("inc.yml", "services: {i: {image: \"i:${V}\"}}\n"),
            (".env", "V=1.4.0"),
        ],
        Kind::Invalid,
        &["image of i (inc.yml:1)"],
    ),
    (&[("compose.yml", "services: [\n")], Kind::Invalid, &["compose.yml", "line"]),
    (
        &[("compose.yml", "services:\n  a: {image: \"r.io/a:${V\"}\n")],
        Kind::Invalid,
        &["compose.yml:2"],
    ),
    (
        &[("compose.yml", "services: {}\n"), (".env", "A=1\nV=\"1.4.0\n")],
        Kind::Invalid,
        &[".env:2", "not closed"],
    ),
    (&[("compose.yml", "services:\n  a: [image]\n")], Kind::Invalid, &["built from source"]),
    (&[("compose.yml", "services:\n  a: {image: [x]}\n")], Kind::Invalid, &["compose.yml:2"]),
];

#[test]
fn what_cannot_be_changed_soundly_is_refused() {
    for (files, kind, words) in REFUSALS {
        let error = planned(files, A).unwrap_err();
        let text = error.full_text();
        assert_eq!(error.kind, *kind, "{text}");
        for word in *words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    }
}

#[test]
fn a_variable_of_the_process_environment_is_refused() {
    let compose = "services:\n  a: {image: \"r.io/a:${V}\"}\n";
    let process = BTreeMap::from([("V".to_owned(), "1.4.0".to_owned())]);
    let all = sources(&[("compose.yml", compose), (".env", "V=1.4.0\n")]);
    let error = plan(&all, &process, &changes(A)).unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.full_text().contains("unset V"), "{}", error.full_text());
    let process = BTreeMap::from([("V".to_owned(), "1.3.0".to_owned())]);
    let error = plan(&all, &process, &changes(A)).unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.full_text().contains("V is set in the environment"), "{}", error.full_text());
}

#[test]
fn services_that_need_different_values_of_one_variable_are_refused() {
    let compose = "services:\n  a: {image: \"r.io/a:${V}\"}\n  b: {image: \"r.io/b:${V}\"}\n";
    let list = [A[0], ("b", "r.io/b:1.4.0", "r.io/b:1.6.0")];
    let error = planned(&[("compose.yml", compose), (".env", "V=1.4.0")], &list).unwrap_err();
    assert!(error.message.contains("1.5.0 for a and 1.6.0 for b"), "{error}");
    let twice = [A[0], ("a", "r.io/a:1.4.0", "r.io/a:1.6.0")];
    assert_eq!(planned(&[("compose.yml", compose)], &twice).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn a_tag_that_is_made_up_of_several_variables_is_refused_when_more_than_one_must_change() {
    let compose = "services:\n  a: {image: \"r.io/a:${X}.${Y}.0\"}\n";
    let files = [("compose.yml", compose), (".env", "X=1\nY=4\n")];
    assert_eq!(one(&files, A).1, "X=1\nY=5\n");
    let error = planned(&files, &[("a", "r.io/a:1.4.0", "r.io/a:2.0.0")]).unwrap_err();
    insta::assert_snapshot!(error.full_text(), @r#"compose.yml:2: in the image of a, 1.4.0 is made up of "1" from X and "." and "4" from Y and ".0": it cannot be told which of them to change (write `image: r.io/a:2.0.0` there by hand, then repeat this)"#);
}

#[test]
fn an_unsound_reference_is_refused() {
    let compose = "services:\n  a: {image: r.io/a:1.4.0}\n";
    for after in ["r.io/a:1.5.0\n", "r.io/a:${X}", "r.io/a: x", "", "--help"] {
        let error =
            planned(&[("compose.yml", compose)], &[("a", "r.io/a:1.4.0", after)]).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
    }
}
