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
    fn any_condition_of_a_trigger(parts in prop::collection::vec(piece(), 0..24)) {
        let condition = parts.concat().replace('\n', " ").replace("finding", "sighting");
        look(&format!(
            "schema: 1\ntriggers:\n  - id: a\n    version: 1\n    description: d\n    window: 5m\n    when: >-\n      \
             x {condition}\n    responses: [alert]\n"
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

/// Deep and long conditions are refused or read, on a stack of the usual size.
#[test]
fn deep_conditions_overflow_nothing() {
    for condition in [
        "(".repeat(4_000),
        "!".repeat(9_000) + "true",
        "-".repeat(9_000) + "1 == 1",
        "[".repeat(4_000),
        vec!["true"; 1_200].join(" && "),
        vec!["true"; 1_200].join(" || "),
        vec!["1"; 3_000].join(" + ") + " == 1",
        "true ? ".repeat(900) + "true" + &" : false".repeat(900),
        "sighting".to_owned() + &".kind".repeat(1_500),
        "sighting.tests".to_owned() + &".map(x, x)".repeat(800) + ".size() > 1",
        "size(".repeat(1_500) + "sighting.tests" + &")".repeat(1_500) + " > 1",
        "((sighting.kind == 'a')".to_owned() + &".a == 'b')".repeat(600),
        format!("sighting.kind.matches('{}')", "(".repeat(2_000)),
        format!("sighting.kind.matches('{}')", "(a{1000}){1000}"),
    ] {
        look(&format!(
            "schema: 1\ntriggers:\n  - id: a\n    version: 1\n    description: d\n    window: 5m\n    when: >-\n      \
             {condition}\n    responses: [alert]\n"
        ));
        look(&format!(
            "schema: 1\npolicies:\n  - id: a\n    version: 1\n    description: d\n    match:\n      over: findings\n      \
             when: >-\n        {}\n    responses: [fail]\n",
            condition.replace("sighting", "finding")
        ));
    }
}
