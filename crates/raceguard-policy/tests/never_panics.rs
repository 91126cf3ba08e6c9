//! Whatever stands in a file of policies, it is read or refused: nothing panics, and every problem has a place in the file.

use std::path::Path;

use proptest::prelude::*;
use raceguard_policy::{DEFAULT_TEXT, read};

fn look(text: &str) {
    let Err(problems) = read([(Path::new("p.yaml"), text)]) else { return };
    assert!(!problems.is_empty());
    let lines = text.split('\n').count();
    for problem in problems.list() {
        // The end of the text may be told as the line behind its last one.
        assert!(
            problem.line >= 1 && problem.line <= lines + 1 && problem.column >= 1,
            "{problem} in {text:?}"
        );
    }
}

/// Pieces of conditions and of YAML, put together at random.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "finding",
        ".kind",
        ".tests",
        "[0]",
        " == ",
        "'race'",
        " && ",
        " || ",
        "!",
        "(",
        ")",
        "null",
        ".exists(t, ",
        "size(",
        "3",
        "0.5",
        "u",
        " in ",
        "[",
        "]",
        ",",
        "? ",
        ": ",
        "{",
        "}",
        "has(",
        ".matches('(')",
        "\"",
        "\\",
        "\n",
        "é",
        "#",
        "*",
        "coverage",
        ".changed_percent",
        " < ",
        "- ",
        "&a ",
        "|",
        ">-",
        "%",
        "\t",
    ];
    prop_oneof![prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), "\\PC{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_condition(parts in prop::collection::vec(piece(), 0..24)) {
        let condition = parts.concat().replace('\n', " ");
        look(&format!(
            "schema: 1\npolicies:\n  - id: a\n    version: 1\n    description: d\n    match:\n      over: findings\n      \
             when: >-\n        x {condition}\n    responses: [fail]\n"
        ));
    }

    #[test]
    fn any_text(parts in prop::collection::vec(piece(), 0..40)) {
        look(&parts.concat());
    }

    #[test]
    fn the_default_policy_with_a_part_missing_or_doubled(from in 0usize..6_000, length in 0usize..200, doubled: bool) {
        let text: Vec<char> = DEFAULT_TEXT.chars().collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        let middle: &[char] = if doubled { &text[from..to] } else { &[] };
        let changed: String = text[..from].iter().chain(middle).chain(&text[if doubled { from } else { to }..]).collect();
        look(&changed);
    }
}
