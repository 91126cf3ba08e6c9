//! The examples of the rules' pages: the failing one gives exactly what its comments say, the repaired one nothing.

#[path = "rules_support/fixture.rs"]
mod fixture;

use std::fmt::Write as _;

use fixture::differences;
use raceguard_analyzer::rules::ALL;

/// Rules whose examples are not yet told apart. The test fails when one of them is, so that it leaves this list.
const WAITING: &[&str] = &[];

#[test]
fn failing_examples_are_reported_and_repaired_ones_are_not() {
    let mut wrong = String::new();
    for rule in ALL {
        let bad = differences(rule.bad);
        let good = differences(rule.good);
        if WAITING.contains(&rule.code) {
            assert!(
                !(bad.is_empty() && good.is_empty()),
                "{} works: take it off the list WAITING",
                rule.code
            );
            continue;
        }
        if !rule.bad.contains(&format!("want {} ", rule.code)) {
            let _ = writeln!(wrong, "{}: its failing example expects nothing of itself", rule.code);
        }
        if !bad.is_empty() {
            let _ = writeln!(wrong, "{}, failing example:\n{bad}", rule.code);
        }
        if !good.is_empty() {
            let _ = writeln!(wrong, "{}, repaired example:\n{good}", rule.code);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn codes_and_names_are_unique_and_in_order() {
    assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    let mut names: Vec<&str> = ALL.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}
