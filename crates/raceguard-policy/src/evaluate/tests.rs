//! What policies come to: thresholds, windows, validity, quarantines, owners, and what was not measured.

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::facts::{CoverageFact, FindingFact, RunFact};
use crate::reader::read;

const NOW: &str = "2026-06-15T12:00:00Z";

fn policies(text: &str) -> PolicySet {
    let text = format!("schema: 1\npolicies:\n{text}");
    read([(Path::new("p.yaml"), text.as_str())]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn policy(rest: &str) -> PolicySet {
    policies(&format!("  - {{id: p, version: 3, description: d, {rest}}}\n"))
}

const RACES: &str = "match: {over: findings, when: finding.kind == 'race'}";

fn race(fingerprint: &str, tests: &[&str]) -> FindingFact {
    FindingFact {
        fingerprint: fingerprint.to_owned(),
        kind: "race".to_owned(),
        occurrences: 2,
        file: format!("pkg/{fingerprint}.go"),
        tests: tests.iter().map(|&test| test.to_owned()).collect(),
        ..FindingFact::default()
    }
}

fn snapshot(started: &str, findings: Vec<FindingFact>) -> Snapshot {
    Snapshot {
        name: started.to_owned(),
        started: started.parse().unwrap(),
        facts: Facts { findings, ..Facts::default() },
    }
}

fn ask(set: &PolicySet, snapshots: &[Snapshot]) -> Evaluation {
    evaluate(set, &Question { snapshots, now: NOW.parse().unwrap(), owners: None, allowed: &[] })
}

fn only(evaluation: Evaluation) -> Outcome {
    evaluation.outcomes.into_iter().next().unwrap()
}

#[test]
fn responses_are_given_from_their_count_on() {
    let set = policy(&format!("{RACES}, threshold: {{warn: 2, fail: 3}}, responses: [warn, fail, annotate]"));
    for (count, level) in
        [(0, Level::Pass), (1, Level::Pass), (2, Level::Warn), (3, Level::Fail), (9, Level::Fail)]
    {
        let findings = (0..count).map(|n| race(&format!("r{n}"), &[])).collect();
        let outcome = only(ask(&set, &[snapshot(NOW, findings)]));
        assert_eq!((outcome.level, outcome.count), (level, count), "{}", outcome.reason);
        assert_eq!(outcome.gives("annotate"), count >= 2);
        assert_eq!(outcome.matched.len() as u64, count);
    }
    let findings = vec![race("a", &[]), race("b", &[]), FindingFact::default()];
    let outcome = only(ask(&set, &[snapshot(NOW, findings)]));
    assert_eq!(outcome.reason, "2 of 3 findings match; warn from 2, fail from 3, annotate from 2");
    assert_eq!((outcome.version, outcome.hash.len()), (3, 16));
}

#[test]
fn a_window_reaches_back_over_runs_or_days() {
    let days =
        ["2026-06-15T11:00:00Z", "2026-06-14T11:00:00Z", "2026-06-10T11:00:00Z", "2026-05-01T11:00:00Z"];
    let snapshots: Vec<Snapshot> =
        days.iter().map(|day| snapshot(day, vec![race("same", &[]), race(day, &[])])).collect();
    for (rest, count) in [
        ("responses: [fail]", 2),
        ("window: {runs: 2}, responses: [fail]", 3),
        ("window: {days: 5}, responses: [fail]", 3),
        ("window: {days: 6}, responses: [fail]", 4),
        ("window: {runs: 99}, responses: [fail]", 5),
        ("window: {runs: 4}, count: runs, responses: [fail]", 4),
        ("window: {runs: 2}, count: occurrences, responses: [fail]", 8),
    ] {
        assert_eq!(only(ask(&policy(&format!("{RACES}, {rest}")), &snapshots)).count, count, "{rest}");
    }
    let outcome = only(ask(&policy(&format!("{RACES}, window: {{runs: 3}}, responses: [fail]")), &snapshots));
    assert_eq!(outcome.matched[0].seen_in, days[..3]);
}

#[test]
fn a_policy_counts_only_while_it_is_in_force() {
    let findings = vec![race("a", &[])];
    for (valid, level) in [
        ("from: 2026-06-15", Level::Fail),
        ("from: 2026-06-16", Level::Pass),
        ("until: 2026-06-15", Level::Fail),
        ("until: 2026-06-14", Level::Pass),
        ("from: 2026-06-01, until: 2026-06-30", Level::Fail),
    ] {
        let set = policy(&format!("{RACES}, responses: [fail], valid: {{{valid}}}"));
        let outcome = only(ask(&set, &[snapshot(NOW, findings.clone())]));
        assert_eq!(outcome.level, level, "{valid}");
        assert_eq!(outcome.status == Status::NotInForce, level == Level::Pass, "{valid}: {}", outcome.reason);
    }
}

const QUARANTINED: &str = "  - {id: no-race, version: 1, description: d, match: {over: findings, when: 'true'}, responses: [fail]}\n  \
     - {id: flaky, version: 1, description: d, match: {over: findings, when: finding.kind == 'race'},\n     \
     responses: [{quarantine: {until: DAY, reason: looked at, tests: ['m.TestFlaky*']}}]}\n";

#[test]
fn what_is_in_quarantine_counts_for_nothing_until_its_end() {
    let snapshots = [snapshot(
        NOW,
        vec![race("flaky", &["m.TestFlaky", "m.TestFlaky/sub"]), race("both", &["m.TestFlaky", "m.TestX"])],
    )];
    let evaluation = ask(&policies(&QUARANTINED.replace("DAY", "2026-06-15")), &snapshots);
    assert_eq!(evaluation.set_aside.len(), 1);
    assert_eq!(evaluation.set_aside[0].found.id, "flaky");
    let ids = |outcome: &Outcome| outcome.matched.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&evaluation.outcomes[0]), ["both"], "another test shows it too");
    assert_eq!(evaluation.outcomes[1].level, Level::Note);

    let evaluation = ask(&policies(&QUARANTINED.replace("DAY", "2026-06-14")), &snapshots);
    assert!(evaluation.set_aside.is_empty());
    assert_eq!(ids(&evaluation.outcomes[0]), ["flaky", "both"]);
    assert_eq!(evaluation.outcomes[1].level, Level::Warn);
    assert!(evaluation.outcomes[1].reason.contains("the quarantine ended with 2026-06-14"));
}

#[test]
fn findings_that_no_test_shows_are_never_set_aside() {
    let evaluation =
        ask(&policies(&QUARANTINED.replace("DAY", "2027-01-01")), &[snapshot(NOW, vec![race("a", &[])])]);
    assert!(evaluation.set_aside.is_empty());
    assert_eq!(evaluation.level(), Level::Fail);
}

#[test]
fn what_was_not_measured_is_told() {
    let coverage = |rest: &str| {
        policy(&format!(
            "match: {{over: coverage, needs: coverage.changed_percent != null, when: coverage.changed_percent < 85}}, \
             responses: [fail]{rest}"
        ))
    };
    let with = |coverage: Option<CoverageFact>| {
        let mut snapshot = snapshot(NOW, Vec::new());
        snapshot.facts.coverage = coverage;
        [snapshot]
    };
    for (rest, level) in
        [("", Level::Pass), (", unmeasured: warn", Level::Warn), (", unmeasured: fail", Level::Fail)]
    {
        for (facts, part) in
            [(None, "no coverage was measured"), (Some(CoverageFact::default()), "is not known")]
        {
            let outcome = only(ask(&coverage(rest), &with(facts)));
            assert_eq!((outcome.level, outcome.status), (level, Status::Unmeasured));
            assert!(outcome.reason.contains(part), "{}", outcome.reason);
        }
    }
    let measured = CoverageFact { changed_percent: Some(90.0), ..CoverageFact::default() };
    let outcome = only(ask(&coverage(", unmeasured: fail"), &with(Some(measured))));
    assert_eq!((outcome.level, outcome.status), (Level::Pass, Status::Judged));
    // A profile without waits is a good sign, no profile is none.
    let locks = policy("match: {over: locks, when: 'true'}, unmeasured: warn, responses: [fail]");
    let mut snapshots = with(None);
    assert_eq!(only(ask(&locks, &snapshots)).reason, "not judged: there is no profile of locks");
    snapshots[0].facts.evidence.has_lock_profile = true;
    assert_eq!(only(ask(&locks, &snapshots)).status, Status::Judged);
    // No finding is no lack of evidence.
    let outcome = only(ask(&policy(&format!("{RACES}, unmeasured: fail, responses: [fail]")), &with(None)));
    assert_eq!((outcome.level, outcome.status), (Level::Pass, Status::Judged));
}

#[test]
fn every_file_needs_an_owner_where_that_is_asked() {
    let set = policy(&format!("{RACES}, responses: [require-owner]"));
    let snapshots = [snapshot(NOW, vec![race("a", &[]), race("b", &[])])];
    let ask = |owners: Option<&Owners>| {
        only(evaluate(
            &set,
            &Question { snapshots: &snapshots, now: NOW.parse().unwrap(), owners, allowed: &[] },
        ))
    };
    assert_eq!(ask(None).level, Level::Fail);
    let outcome = ask(Some(&Owners::parse("pkg/a.go @one\n")));
    assert_eq!(outcome.level, Level::Fail);
    assert!(outcome.reason.ends_with("CODEOWNERS names nobody for pkg/b.go"), "{}", outcome.reason);
    assert_eq!(outcome.matched[0].owners, ["@one"]);
    assert_eq!(ask(Some(&Owners::parse("* @all\n"))).level, Level::Note);
}

#[test]
fn what_is_allowed_is_told_and_holds_nothing_up() {
    let set = policy(&format!("{RACES}, responses: [fail]"));
    let snapshots = [snapshot(NOW, vec![race("a", &[])])];
    let allowed = ["p".to_owned()];
    let question =
        Question { snapshots: &snapshots, now: NOW.parse().unwrap(), owners: None, allowed: &allowed };
    let outcome = only(evaluate(&set, &question));
    assert_eq!((outcome.level, outcome.status), (Level::Note, Status::Allowed));
    assert!(outcome.reason.starts_with("allowed on the command line: 1 of 1"));
}

#[test]
fn a_condition_that_fails_on_a_value_breaks_the_gate() {
    let set = policy("match: {over: runs, when: 10 / run.packages > 1}, responses: [warn]");
    let mut snapshot = snapshot(NOW, Vec::new());
    snapshot.facts.runs = vec![RunFact::default()];
    let outcome = only(ask(&set, &[snapshot]));
    assert_eq!((outcome.level, outcome.status), (Level::Broken, Status::Broken));
    assert!(outcome.reason.contains("could not be evaluated"), "{}", outcome.reason);
    assert!(Level::Broken > Level::Fail);
}

#[test]
fn conditions_see_all_facts() {
    let set = policy(
        "match: {over: findings, when: 'findings.exists(other, other.subject == finding.subject && other.kind != finding.kind)'}, \
         responses: [fail]",
    );
    let with = |kind: &str, subject: &str| FindingFact {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        ..race(&format!("{kind}{subject}"), &[])
    };
    let findings = vec![with("race", "m"), with("static", "m"), with("static", "n")];
    assert_eq!(only(ask(&set, &[snapshot(NOW, findings)])).count, 2);
}

/// Times are compared as moments, so that a run of the future is no run of long ago.
#[test]
fn a_run_of_the_future_is_in_every_window() {
    let snapshots = [snapshot(NOW, vec![]), snapshot("2026-06-16T00:00:00Z", vec![race("a", &[])])];
    assert_eq!(
        only(ask(&policy(&format!("{RACES}, window: {{days: 1}}, responses: [fail]")), &snapshots)).count,
        1
    );
    assert!(NOW.parse::<Timestamp>().is_ok());
}
