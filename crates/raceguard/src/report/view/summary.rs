//! The run in numbers, and what a reader must know to judge the report.

use std::collections::BTreeSet;

use raceguard_evidence::{RunEvidence, TestName, TestResult};

use super::counted;

/// The run in numbers.
pub(in crate::report) struct Summary {
    pub(in crate::report) races: u64,
    pub(in crate::report) crashes: u64,
    pub(in crate::report) occurrences: u64,
    /// Tests that show a race or crash.
    pub(in crate::report) affected_tests: u64,
    /// Tests that failed without one.
    pub(in crate::report) failed_otherwise: Vec<TestName>,
    /// What a reader must know to judge the report.
    pub(in crate::report) warnings: Vec<String>,
}

impl Summary {
    pub(super) fn new(evidence: &RunEvidence) -> Self {
        let raced = evidence.findings.iter().flat_map(|finding| &finding.tests);
        let affected: BTreeSet<&TestName> =
            raced.chain(evidence.crashes.iter().flat_map(|crash| &crash.tests)).collect();
        let occurrences = evidence.findings.iter().map(|finding| finding.occurrences).sum::<u64>()
            + evidence.crashes.iter().map(|crash| crash.occurrences).sum::<u64>();
        Self {
            races: evidence.findings.len() as u64,
            crashes: evidence.crashes.len() as u64,
            occurrences,
            affected_tests: affected.iter().filter(|name| name.test.is_some()).count() as u64,
            failed_otherwise: failed_otherwise(evidence, &affected),
            warnings: warnings(evidence),
        }
    }

    /// `2 data races and 1 crash, seen 14 times in 3 tests`.
    pub(in crate::report) fn text(&self) -> String {
        let mut found = Vec::new();
        if self.races > 0 {
            found.push(counted(self.races, "data race", "data races"));
        }
        if self.crashes > 0 {
            found.push(counted(self.crashes, "crash", "crashes"));
        }
        if found.is_empty() {
            return "no data race found".to_owned();
        }
        let times =
            if self.occurrences == 1 { "once".to_owned() } else { format!("{} times", self.occurrences) };
        let tests = match self.affected_tests {
            0 => String::new(),
            count => format!(" in {}", counted(count, "test", "tests")),
        };
        format!("{}, seen {times}{tests}", found.join(" and "))
    }
}

/// Tests that failed although no race or crash is attributed to them or to a subtest of theirs.
fn failed_otherwise(evidence: &RunEvidence, affected: &BTreeSet<&TestName>) -> Vec<TestName> {
    let failed: BTreeSet<TestName> = evidence
        .tests
        .iter()
        .filter(|test| test.result == TestResult::Fail && test.test.is_some())
        .map(|test| TestName { package: test.package.clone(), test: test.test.clone() })
        .collect();
    let is_explained = |name: &TestName| {
        affected.iter().any(|known| {
            known.package == name.package
                && match (&known.test, &name.test) {
                    (Some(known), Some(name)) => known
                        .strip_prefix(name.as_str())
                        .is_some_and(|sub| sub.is_empty() || sub.starts_with('/')),
                    _ => false,
                }
        })
    };
    failed.into_iter().filter(|name| !is_explained(name)).collect()
}

fn warnings(evidence: &RunEvidence) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut warnings: Vec<String> = evidence.warnings.iter().take(SHOWN).map(ToString::to_string).collect();
    let further = evidence.skipped_lines.saturating_sub(warnings.len() as u64);
    if further > 0 {
        warnings.push(format!(
            "{} of the evidence skipped",
            counted(further, "further line was", "further lines were")
        ));
    }
    match (&evidence.run, &evidence.end) {
        (None, _) => warnings.push("the evidence has no run record: its beginning is lost".to_owned()),
        (Some(_), None) => {
            warnings.push(
                "the run did not end in an orderly way, so there may be more races than shown".to_owned(),
            );
        }
        (Some(_), Some(end)) if end.interrupted => {
            warnings.push("the run was interrupted, so there may be more races than shown".to_owned());
        }
        _ => {}
    }
    warnings
}
