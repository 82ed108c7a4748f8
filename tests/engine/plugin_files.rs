//! Files that are no plugins for this program.

use std::fs;

use tessallite_up_tests::{Installation, Project, Template, place};

const OURS: &[u8] = b"@0.1.0";
const OTHER: &[u8] = b"@0.2.0";

#[test]
fn files_that_are_no_plugins_are_refused_with_what_they_are() {
    let project = Project::copy(Template::Variable);
    let dir = tempfile::tempdir().unwrap();
    let component = fs::read(place::bundled_procedure()).unwrap();
    let truncated = &component[..component.len() / 2];
    let other = with_another_contract(&component);
    for (name, content, says) in [
        ("text.wasm", &b"#!/bin/sh\n"[..], "is no WebAssembly component"),
        ("empty.wasm", b"", "is no WebAssembly component"),
        ("core.wasm", b"\0asm\x01\0\0\0", "a core module"),
        ("truncated.wasm", truncated, "is damaged"),
        ("other.wasm", &other, "was built against tessallite:up"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let outcome = project.upgrade(&["--to", "1.5.0", "--plugin", path.to_str().unwrap()]);
        outcome.code(2).says(name).says(says);
    }
    project.assert_untouched();
}

#[test]
fn another_version_of_the_contract_is_named_beside_ours() {
    let other = with_another_contract(&fs::read(place::bundled_procedure()).unwrap());
    let directory = Project::of([("other.wasm".to_owned(), other)]);
    let outcome = directory.program(["plugin", "inspect", "./other.wasm"]).run();
    outcome.code(2).says("@0.2.0").says("this host speaks tessallite:up@0.1.0");
}

#[test]
fn a_plugin_that_does_not_exist_is_named() {
    let project = Project::copy(Template::Variable);
    let path = project.upgrade(&["--to", "1.5.0", "--plugin", "./nowhere.wasm"]);
    path.code(2).says("./nowhere.wasm").says("No such file").never_says("defect");
    let name = project.upgrade(&["--to", "1.5.0", "--plugin", "nothing"]);
    name.code(2).says("there is no plugin \"nothing\"").says("tessallite-up plugin list");
    project.assert_untouched();
}

#[test]
fn a_copy_of_the_bundled_procedure_does_as_the_bundled_one() {
    let installation = Installation::borrow(Template::Variable);
    let path = place::bundled_procedure();
    let outcome = installation.run(&["plan", "--to", "1.5.0", "--plugin", path.to_str().unwrap()]);
    outcome.code(0).says("Back up the database");
    installation.assert_untouched();
}

fn with_another_contract(component: &[u8]) -> Vec<u8> {
    let mut patched = component.to_vec();
    let places: Vec<usize> =
        (0..component.len() - OURS.len()).filter(|at| component[*at..].starts_with(OURS)).collect();
    assert!(!places.is_empty(), "a component names the contract it was built against");
    for place in places {
        patched[place..place + OTHER.len()].copy_from_slice(OTHER);
    }
    patched
}
