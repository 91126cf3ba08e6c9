//! Mistakes in policies, each told with its place and what to write instead.

use std::path::Path;

use super::read;
use crate::policy::{Level, PolicySet, Response, Window};
use crate::problem::Problems;

fn read_text(text: &str) -> Result<PolicySet, Problems> {
    read([(Path::new("p.yaml"), text)])
}

/// A policy whose lines from the fifth on are given; `match` is on line 5.
fn policy(rest: &str) -> String {
    format!("schema: 1\npolicies:\n  - {{id: a, version: 1, description: d,\n\n     {rest}}}\n")
}

const MATCH: &str = "match: {over: findings, when: finding.is_new}";

#[track_caller]
fn refused(text: &str, place: &str, parts: &[&str]) {
    let problems = read_text(text).expect_err("a problem").to_string();
    assert!(problems.starts_with(&format!("p.yaml:{place}: ")), "{text}\n{problems}");
    for part in parts {
        assert!(problems.contains(part), "no {part:?} in {problems}");
    }
}

#[test]
fn a_whole_policy_is_read() {
    let set = read_text(&policy(&format!(
        "{MATCH}, window: {{days: 7}}, count: runs, threshold: {{warn: 2, fail: 5}}, unmeasured: warn, \
         responses: [warn, fail, annotate, {{ticket: {{title: t, labels: [x]}}}}, \
         {{quarantine: {{until: 2026-12-31, reason: r, tests: ['m.*']}}}}, require-owner], \
         valid: {{from: 2026-01-01, until: 2026-06-30T12:00:00Z}}"
    )))
    .unwrap();
    let policy = &set.policies[0];
    assert_eq!((policy.window, policy.unmeasured), (Window::Days(7), Level::Warn));
    let counts: Vec<_> = policy.responses.iter().map(|it| (it.response.name(), it.at)).collect();
    let expected =
        [("warn", 2), ("fail", 5), ("annotate", 2), ("ticket", 2), ("quarantine", 2), ("require-owner", 2)];
    assert_eq!(counts, expected);
    let Response::Quarantine(quarantine) = &policy.responses[4].response else { panic!() };
    assert_eq!(quarantine.until.time.to_string(), "2027-01-01T00:00:00Z", "the whole last day");
    assert_eq!(policy.valid.from.as_ref().unwrap().time.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash = |text: &str| read_text(text).unwrap().policies[0].hash.clone();
    let one = hash(&policy(&format!("{MATCH}, responses: [fail]")));
    assert_eq!(one, hash(&policy(&format!("responses: ['fail'], # why\n     {MATCH}"))));
    assert_ne!(one, hash(&policy(&format!("{MATCH}, responses: [warn]"))));
}

#[test]
fn keys_and_words_are_told_with_the_nearest() {
    refused(
        "schema: 1\npolicys: []\n",
        "1:1",
        &["there are no policies", "unknown key `policys`", "did you mean `policies`?"],
    );
    refused(
        &policy(&format!("{MATCH}, treshold: 2, responses: [fail]")),
        "5:53",
        &["did you mean `threshold`?"],
    );
    refused(
        &policy(&format!("{MATCH}, responses: [fial]")),
        "5:65",
        &["no response `fial`", "did you mean `fail`?"],
    );
    refused(
        &policy("match: {over: finding, when: 'true'}, responses: [fail]"),
        "5:20",
        &["did you mean `findings`?"],
    );
    refused(
        &policy(&format!("{MATCH}, responses: [warn], threshold: {{fail: 2}}")),
        "5:84",
        &["none of the responses"],
    );
}

#[test]
fn what_is_missing_is_told() {
    refused("", "1:1", &["version of the format is missing", "schema: 1"]);
    refused("schema: 1\n", "1:1", &["no policies"]);
    refused("schema: 2\npolicies: []\n", "1:9", &["newer than this raceguard", "upgrade"]);
    refused(&policy("responses: [fail]"), "3:5", &["`match` is missing"]);
    refused(&policy(MATCH), "3:5", &["`responses` is missing"]);
    refused(&policy("match: {over: findings}, responses: [fail]"), "5:13", &["`when` is missing"]);
    refused(&policy(&format!("{MATCH}, responses: [quarantine]")), "5:65", &["`quarantine` has no end"]);
    refused(
        &policy(&format!("{MATCH}, responses: [{{quarantine: {{reason: r}}}}]")),
        "5:78",
        &["`until` is missing"],
    );
}

#[test]
fn conditions_are_told_with_their_place_in_the_file() {
    let text = "schema: 1\npolicies:\n  - id: a\n    version: 1\n    description: d\n    match:\n      over: findings\n      \
                when: >-\n        finding.kind == 'race'\n        && finding.isnew\n    responses: [fail]\n";
    refused(text, "10:19", &["`finding` has no field `isnew`", "did you mean `is_new`?"]);
    refused(
        &policy("match: {over: locks, when: lock.mean_wait_ms > '50'}, responses: [fail]"),
        "5:51",
        &["numbers stand"],
    );
    refused(
        &policy("match: {over: locks, when: 3}, responses: [fail]"),
        "5:33",
        &["a number, not a condition"],
    );
    refused(&policy("match: {over: runs, when: run.stale}, responses: [fail]"), "5:35", &["may be null"]);
}

#[test]
fn days_and_counts_have_to_make_sense() {
    let with = |rest: &str| policy(&format!("{MATCH}, responses: [warn, fail],\n     {rest}"));
    refused(&with("valid: {until: 2026-02-30}"), "6:21", &["no day: `2026-02-30`", "2026-12-31"]);
    refused(&with("valid: {from: 2026-05-01, until: 2026-04-01}"), "6:13", &["ends before it begins"]);
    refused(&with("threshold: 0"), "6:17", &["no whole number from 1"]);
    refused(&with("threshold: {warn: 3, fail: 2}"), "6:17", &["fail before it warns"]);
    refused(&with("window: {runs: 2, days: 2}"), "6:14", &["either runs or days"]);
    refused(&with("version: 2"), "6:6", &["`version` comes twice"]);
}

#[test]
fn ids_are_unique_over_all_files() {
    let text = policy(&format!("{MATCH}, responses: [fail]"));
    let problems =
        read([(Path::new("a.yaml"), text.as_str()), (Path::new("b.yaml"), text.as_str())]).unwrap_err();
    let told = problems.to_string();
    assert!(
        told.starts_with("b.yaml:3:5: there is a second policy `a`") && told.contains("a.yaml:3"),
        "{told}"
    );
    refused(&text.replace("id: a", "id: ../x"), "3:10", &["no id", "lower-case"]);
}

#[test]
fn responses_have_to_fit_what_is_looked_at() {
    refused(
        &policy(
            "match: {over: locks, when: 'true'}, responses: [{quarantine: {until: 2027-01-01, reason: r}}]",
        ),
        "5:53",
        &["`quarantine` can't be given over locks"],
    );
    refused(&policy("match: {over: coverage, when: 'true'}, responses: [require-owner]"), "5:56", &["owner"]);
}

#[test]
fn examples_are_checked_against_the_facts() {
    let with = |examples: &str| policy(&format!("{MATCH}, responses: [fail],\n     examples: {examples}"));
    refused(
        &with("{match: [{findings: [{isnew: true}]}]}"),
        "6:38",
        &["no field `isnew`", "did you mean `is_new`?"],
    );
    refused(&with("{match: [{findings: [{is_new: yes}]}]}"), "6:46", &["text, not bool"]);
    refused(&with("{match: [{findings: {is_new: true}}]}"), "6:36", &["not list of finding"]);
    refused(&with("{no_match: [{expect: fail}]}"), "6:37", &["must not match"]);
    refused(&with("{matches: []}"), "6:17", &["did you mean `match`?"]);
}

#[test]
fn everything_wrong_is_told_at_once_and_by_place() {
    let text = policy(
        "match: {over: findings, when: finding.x == 1 && nosuch}, responses: [oops], valid: {from: no}",
    );
    let problems = read_text(&text).unwrap_err();
    let lines: Vec<_> = problems.list().iter().map(|it| (it.line, it.message.clone())).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(problems.list().is_sorted());
}
