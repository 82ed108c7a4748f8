//! For any files: nothing panics, and nothing but the reference changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{ImageChange, SourceFile, Sources, plan};

fn sources(compose: &str, env: &str) -> Sources {
    let file = |name: &str, text: &str| SourceFile {
        path: PathBuf::from("/p").join(name),
        bytes: text.into(),
    };
    Sources {
        directory: PathBuf::from("/p"),
        compose: vec![file("compose.yml", compose)],
        related: Vec::new(),
        env: vec![file(".env", env)],
    }
}

fn change(tag: &str, new: &str) -> ImageChange {
    ImageChange {
        service: "a".into(),
        before: format!("r.io/a:{tag}"),
        after: format!("r.io/a:{new}"),
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "services:",
        "  a:",
        "    image:",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&x ",
        "*x",
        "<<: ",
        "'",
        "\"",
        "\\",
        "|",
        ">-",
        "#",
        " #",
        "---\n",
        "...\n",
        "!reset ",
        "!!str ",
        "extends: ",
        "file: ",
        "${",
        "${V",
        ":-",
        ":?",
        "$V",
        "$$",
        "}",
        "r.io/a:1.4.0",
        "V=",
        "export ",
        "=",
        "ü",
        "\u{feff}",
        "%YAML 1.2\n",
        "\0",
        "@",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

fn noise() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "# 1.4.0 ü\n", "\n", "# {[\n", "#\ttab\n", "# 'x\n"])
        .prop_map(str::to_owned)
}

fn tag() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_planning_panic(compose in fragments(), env in fragments()) {
        let _ = plan(&sources(&compose, &env), &BTreeMap::new(), &[change("1.4.0", "1.5.0")]);
    }

    #[test]
    fn no_image_makes_planning_panic(template in fragments(), env in fragments(), any in ".*") {
        let compose = format!("services:\n  a:\n    image: \"{template}\"\n");
        let _ = plan(&sources(&compose, &env), &BTreeMap::new(), &[change("1.4.0", "1.5.0")]);
        let _ = plan(&sources(&any, &env), &BTreeMap::new(), &[change("1.4.0", "1.5.0")]);
    }

    #[test]
    fn only_the_bytes_of_a_literal_change(
        (old, new) in (tag(), tag()),
        (front, middle, behind) in (noise(), noise(), noise()),
        quote in prop::sample::select(vec!["", "'", "\""]),
        comment in prop::sample::select(vec!["", " # c 1.4.0", "\t#c"]),
        carriage in any::<bool>(),
        final_newline in any::<bool>(),
    ) {
        let text = |tag: &str| {
            let mut text = format!("{front}services:\n{middle}  b: {{image: r.io/a:{old}}}\n  a:\n    labels: {{x: '{old}'}}\n    image: {quote}r.io/a:{tag}{quote}{comment}");
            if final_newline { text.push('\n'); text.push_str(&behind); }
            if carriage { text.replace('\n', "\r\n") } else { text }
        };
        let edits = plan(&sources(&text(&old), ""), &BTreeMap::new(), &[change(&old, &new)]).unwrap();
        if old == new {
            prop_assert!(edits.is_empty());
        } else {
            prop_assert_eq!(String::from_utf8(edits[0].after.clone()).unwrap(), text(&new));
        }
    }

    #[test]
    fn only_the_bytes_of_a_value_change(
        (old, new) in (tag(), tag()),
        (front, behind) in (noise(), noise()),
        key in prop::sample::select(vec!["V=", "export V=", "V = ", "V: ", " V=\t"]),
        quote in prop::sample::select(vec!["", "'", "\""]),
        comment in prop::sample::select(vec!["", " # c 1.4.0", "  #"]),
        template in prop::sample::select(vec!["${V}", "$V", "${V:-x}", "${V:?x}", "${X:-${V}}"]),
        carriage in any::<bool>(),
        final_newline in any::<bool>(),
    ) {
        let text = |tag: &str| {
            let mut text = format!("{front}V=other\nA=${{V}}\n{key}{quote}{tag}{quote}{comment}");
            if final_newline { text.push('\n'); text.push_str(&behind); }
            if carriage { text.replace('\n', "\r\n") } else { text }
        };
        let compose = format!("services: {{a: {{image: 'r.io/a:{template}'}}}}");
        let edits = plan(&sources(&compose, &text(&old)), &BTreeMap::new(), &[change(&old, &new)]).unwrap();
        if old == new {
            prop_assert!(edits.is_empty());
        } else {
            prop_assert_eq!(edits.len(), 1);
            prop_assert_eq!(String::from_utf8(edits[0].after.clone()).unwrap(), text(&new));
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_a_stack_overflow() {
    let indented: String = (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in [
        "[".repeat(200_000),
        "- ".repeat(200_000),
        "{a: ".repeat(50_000),
        "? ".repeat(100_000),
        indented,
    ] {
        assert!(plan(&sources(&text, ""), &BTreeMap::new(), &[]).is_err());
    }
    let allowed: String = (0..250)
        .map(|depth| format!("{}a:\n{}-\n", " ".repeat(depth), " ".repeat(depth)))
        .collect();
    let _ = plan(&sources(&allowed, ""), &BTreeMap::new(), &[]);
    let template = "${A:-".repeat(10_000);
    let compose = format!("services: {{a: {{image: '{template}{}'}}}}", "}".repeat(10_000));
    assert!(plan(&sources(&compose, ""), &BTreeMap::new(), &[change("1", "2")]).is_err());
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(plan(&sources(&text, ""), &BTreeMap::new(), &[]).is_err());
}
