//! `plugins/README.md`, followed word for word from an empty directory.

use std::fs;

use tessallite_up_tests::place;

use crate::guide::{Vendor, blocks};

#[test]
fn the_guide_leads_from_an_empty_directory_to_a_plugin() {
    let guide = fs::read_to_string(place::root().join("plugins/README.md")).unwrap();
    let mut vendor = Vendor::new(None);
    vendor.follow(&guide);
    assert!(vendor.done >= 8, "only {} blocks of the guide were followed", vendor.done);
}

#[test]
fn blocks_are_found_with_their_words() {
    let blocks = blocks("text\n```sh once\na\nb\n```\nmore\n```toml Cargo.toml\n```\n");
    let words: Vec<_> = blocks.iter().map(|block| block.words.join(" ")).collect();
    assert_eq!(words, ["sh once", "toml Cargo.toml"]);
    assert_eq!(blocks[0].text, "a\nb\n");
}

#[test]
#[should_panic(expected = "no line like")]
fn an_output_that_the_guide_does_not_tell_is_a_failure() {
    Vendor::new(None).follow("```sh\necho one; echo two\n```\n```text\ntwo\none\n```\n");
}

#[test]
fn an_output_may_be_told_in_part() {
    let mut vendor = Vendor::new(None);
    vendor.follow("```sh\necho a b c; echo d\n```\n```text\na … c\n…\nd\n```\n```sh installation\nfalse\n```\n");
    assert_eq!(vendor.done, 2);
}
