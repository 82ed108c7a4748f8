//! Upgrades of an installation with literal tags in two files, and services of its own.

use tessallite_up_tests::{Installation, Template};

use crate::upgraded::{assert_files_as_before, assert_migrated_to_0008, assert_runs};

const FILES: [&str; 2] = ["compose.yml", "compose.override.yml"];

#[test]
fn literal_tags_are_rewritten_in_every_file_and_nothing_else_is() {
    let installation = Installation::borrow(Template::Literal);
    assert!(!installation.compose(&["port", "gateway", "8080"]).is_empty());
    installation.upgrade(&["--to", "1.5.0", "--expect-migration", "0008", "--soak", "2"]).code(0);
    let after = installation.fingerprint();
    assert!(after.of("image").contains_key("agent-service"));
    assert_runs(&installation, &after, "1.5.0");
    assert_migrated_to_0008(&installation, &after);
    assert_files_as_before(&installation, &[".env"]);
    let mut rewritten = 0;
    for file in FILES {
        rewritten += assert_only_tags_differ(&installation, file);
    }
    // The gateway's image stands in both files: the one that counts is rewritten.
    assert_eq!(rewritten, 7);
}

/// Line by line, line ends included; the number of lines that differ.
fn assert_only_tags_differ(installation: &Installation, file: &str) -> usize {
    let before = String::from_utf8(installation.read_before(file)).unwrap();
    let after = String::from_utf8(installation.read(file)).unwrap();
    assert_eq!(before.matches("\r\n").count(), after.matches("\r\n").count(), "{file}");
    let (old, new): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
    assert_eq!(old.len(), new.len(), "{file}");
    let mut changed = 0;
    for (old, new) in old.iter().zip(new).filter(|(old, new)| *old != new) {
        let line = old.trim_start();
        assert!(line.starts_with("image:") && line.contains("/tessallite/"), "{file}: {old}");
        // The tag, and not the comment behind it.
        assert_eq!(new, old.replacen(":1.4.0", ":1.5.0", 1), "{file}");
        changed += 1;
    }
    changed
}
