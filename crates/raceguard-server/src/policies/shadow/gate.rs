//! What the policies of a set, which judge builds, would say of the findings that each service showed in the last hour.
//!
//! A server has findings and no builds: no coverage, no change, no runs, no baseline. So only policies that go over findings
//! are judged, and of those only the ones whose condition asks for nothing else. A finding counts as new when the server had
//! never seen it before the hour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;
use raceguard_policy::facts::{Facts, FindingFact, Over, SightingFact};
use raceguard_policy::{Level, Outcome, Policy, PolicySet, Question, Snapshot, evaluate};
use serde::Serialize;

/// Names in a condition for what only builds have.
const OF_BUILDS: [&str; 13] = [
    "baseline",
    "changed",
    "clusters",
    "confidence",
    "coverage",
    "covered",
    "diff",
    "evidence",
    "fix",
    "locks",
    "run",
    "runs",
    "tool",
];

/// Findings of one service that are judged.
const FINDINGS: usize = 1_000;

/// Examples that are told of each policy.
const EXAMPLES: usize = 3;

/// What a policy would have said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowPolicy {
    /// Its name.
    pub policy: String,
    /// What it goes over: `findings`, `coverage`.
    pub over: &'static str,
    /// Whether a server can tell. If not, `raceguard gate` can, where the build is.
    pub judged: bool,
    /// Services whose findings it fails.
    pub fails: BTreeSet<String>,
    /// Services that it warns of.
    pub warns: BTreeSet<String>,
    /// The first findings that made it fail or warn.
    pub examples: Vec<String>,
}

/// The findings of each service, as they come to light.
#[derive(Debug)]
pub(super) struct Trial<'s> {
    set: &'s PolicySet,
    services: BTreeMap<String, BTreeMap<i64, FindingFact>>,
    /// Whether there were more findings than are judged.
    is_cut: bool,
}

impl<'s> Trial<'s> {
    pub(super) fn new(set: &'s PolicySet) -> Self {
        Self { set, services: BTreeMap::new(), is_cut: false }
    }

    /// A service showed a finding.
    pub(super) fn see(&mut self, finding: i64, sighting: &SightingFact) {
        if !self.set.policies.iter().any(can_be_judged) {
            return;
        }
        let findings = self.services.entry(sighting.service.clone()).or_default();
        let is_full = findings.len() >= FINDINGS;
        match findings.get_mut(&finding) {
            Some(known) => {
                known.occurrences += sighting.occurrences;
                known.is_new |= sighting.is_new;
            }
            None if is_full => self.is_cut = true,
            None => drop(findings.insert(finding, fact(sighting))),
        }
    }

    /// Judges each service by itself, until `end`; gives what the policies would have said, and whether all were judged.
    pub(super) fn judge(self, now_ms: i64, end: Instant) -> (Vec<ShadowPolicy>, bool) {
        let mut policies: Vec<ShadowPolicy> = self.set.policies.iter().map(ShadowPolicy::new).collect();
        let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let mut is_complete = !self.is_cut;
        for (service, findings) in self.services {
            if Instant::now() >= end {
                is_complete = false;
                break;
            }
            let facts = Facts { findings: findings.into_values().collect(), ..Facts::default() };
            let snapshots = [Snapshot { name: service.clone(), started: now, facts }];
            let question = Question { snapshots: &snapshots, now, owners: None, allowed: &[] };
            let outcomes = evaluate(self.set, &question).outcomes;
            for (policy, outcome) in policies.iter_mut().zip(&outcomes).filter(|(policy, _)| policy.judged) {
                policy.note(&service, outcome);
            }
        }
        (policies, is_complete)
    }
}

impl ShadowPolicy {
    fn new(policy: &Policy) -> Self {
        Self {
            policy: policy.id.clone(),
            over: policy.over.word(),
            judged: can_be_judged(policy),
            fails: BTreeSet::new(),
            warns: BTreeSet::new(),
            examples: Vec::new(),
        }
    }

    fn note(&mut self, service: &str, outcome: &Outcome) {
        match outcome.level {
            Level::Pass | Level::Note => return,
            Level::Warn => self.warns.insert(service.to_owned()),
            Level::Fail | Level::Broken => self.fails.insert(service.to_owned()),
        };
        let room = EXAMPLES - self.examples.len().min(EXAMPLES);
        self.examples.extend(outcome.matched.iter().take(room).map(|found| found.title.clone()));
    }
}

/// Whether all that it looks at is on a server.
fn can_be_judged(policy: &Policy) -> bool {
    let words = policy.when.source().split(|c: char| !c.is_alphanumeric() && c != '_');
    policy.over == Over::Findings && !words.into_iter().any(|word| OF_BUILDS.contains(&word))
}

/// The finding as a gate sees it.
fn fact(sighting: &SightingFact) -> FindingFact {
    FindingFact {
        fingerprint: sighting.fingerprint.clone(),
        kind: sighting.kind.clone(),
        rule: sighting.rule.clone(),
        class: sighting.class.clone(),
        severity: sighting.severity.clone(),
        message: sighting.message.clone(),
        subject: sighting.subject.clone(),
        file: sighting.file.clone(),
        line: sighting.line,
        function: sighting.function.clone(),
        package: sighting.package.clone(),
        tests: sighting.tests.clone(),
        occurrences: sighting.occurrences,
        is_new: sighting.is_new,
        map_trap: sighting.map_trap,
        ..FindingFact::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use raceguard_policy::read;

    use super::*;

    #[test]
    fn each_service_is_judged_by_itself_and_what_only_builds_have_is_not() {
        let policy = |id: &str, over: &str, when: &str, response: &str| {
            format!(
                "  - {{id: {id}, version: 1, description: d, match: {{over: {over}, when: \"{when}\"}}, responses: [{response}]}}\n"
            )
        };
        let text = "schema: 1\npolicies:\n".to_owned()
            + &policy("new", "findings", "finding.is_new", "fail")
            + &policy("often", "findings", "finding.occurrences > 2", "warn")
            + &policy("changed", "findings", "finding.changed == true", "fail")
            + &policy("covered", "coverage", "coverage.percent < 50.0", "fail");
        let set =
            read([(Path::new("p.yaml"), text.as_str())]).unwrap_or_else(|problems| panic!("{problems}"));
        let mut trial = Trial::new(&set);
        let sighting = |service: &str, is_new, occurrences| SightingFact {
            service: service.to_owned(),
            fingerprint: "RG1-1".to_owned(),
            message: "a race".to_owned(),
            is_new,
            occurrences,
            ..SightingFact::default()
        };
        trial.see(1, &sighting("pay", true, 1));
        for _ in 0..3 {
            trial.see(1, &sighting("web", false, 1));
        }
        let (policies, is_complete) = trial.judge(1_800_000_000_000, Instant::now() + Duration::from_mins(1));
        assert!(is_complete);
        let told: Vec<_> = policies
            .iter()
            .map(|it| (it.policy.as_str(), it.judged, it.fails.len(), it.warns.len(), it.examples.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("new", true, 1, 0, 1),
                ("often", true, 0, 1, 1),
                ("changed", false, 0, 0, 0),
                ("covered", false, 0, 0, 0)
            ]
        );
        assert!(policies[0].fails.contains("pay") && policies[1].warns.contains("web"));
    }
}
