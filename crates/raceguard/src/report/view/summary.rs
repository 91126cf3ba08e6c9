//! The run in numbers, and what a reader must know to judge the report.

use std::collections::BTreeSet;

use raceguard_evidence::{RunEvidence, RunMode, TestName, TestResult};

use super::counted;

/// The exit code of `raceguard test` when the tests could not be run.
const EXIT_FAILED: i32 = 2;

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
    failed.into_iter().filter(|test| !is_explained(test, affected)).collect()
}

/// Whether a race or crash is attributed to the test or to a subtest of it.
fn is_explained(test: &TestName, affected: &BTreeSet<&TestName>) -> bool {
    // Others may stand between a test and its subtests: `TestA#01` comes before `TestA/x`.
    let start = TestName { test: test.test.as_ref().map(|name| format!("{name}/")), ..test.clone() };
    let next = affected.range::<&TestName, _>(&start..).next();
    affected.contains(test)
        || next.is_some_and(|next| {
            let names = next.test.as_deref().zip(start.test.as_deref());
            next.package == start.package && names.is_some_and(|(next, start)| next.starts_with(start))
        })
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
        // A program that was started by itself writes no record of a run.
        (None, _) if evidence.processes.is_empty() => {
            warnings.push("the evidence names neither run nor process: its beginning is lost".to_owned());
        }
        (Some(_), None) => {
            warnings.push(
                "the run did not end in an orderly way, so there may be more races than shown".to_owned(),
            );
        }
        (Some(_), Some(end)) if end.interrupted => {
            warnings.push("the run was interrupted, so there may be more races than shown".to_owned());
        }
        (Some(run), Some(end)) if run.mode == RunMode::Test && end.exit_code == EXIT_FAILED => {
            warnings.push(
                "the run failed before all was tested, so there may be more races than shown".to_owned(),
            );
        }
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use raceguard_evidence::EvidenceReader;
    use serde_json::{Value, json};

    use super::*;

    fn summary(values: &[Value]) -> Summary {
        let lines = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let records = EvidenceReader::new(lines.as_bytes()).map(Result::unwrap);
        Summary::new(&RunEvidence::from_records(records))
    }

    fn failed(test: &str) -> Value {
        json!({"schema": 1, "kind": "test", "package": "m", "test": test, "result": "fail"})
    }

    #[test]
    fn a_failed_test_is_explained_by_its_own_race_or_that_of_a_subtest() {
        let frame = json!({"function": "m.F"});
        let access = json!({"op": "write", "stack": [frame]});
        let summary = summary(&[
            json!({"schema": 1, "kind": "race", "id": "1-1", "pid": 1, "accesses": [access, access]}),
            json!({"schema": 1, "kind": "attribution", "race": "1-1", "package": "m", "by": "stack",
                "tests": ["TestA/x/y", "TestA#01", "TestB"]}),
            failed("TestA"),
            failed("TestA/x"),
            failed("TestA/x/y"),
            failed("TestA/z"),
            failed("TestB"),
            failed("TestBC"),
            failed("TestC"),
        ]);
        let names: Vec<_> = summary.failed_otherwise.iter().filter_map(|test| test.test.as_deref()).collect();
        assert_eq!(names, ["TestA/z", "TestBC", "TestC"]);
    }

    #[test]
    fn evidence_that_a_program_wrote_by_itself_is_complete() {
        assert!(summary(&[json!({"schema": 1, "kind": "process", "pid": 1})]).warnings.is_empty());
        assert_eq!(summary(&[json!({"schema": 1, "kind": "exit", "pid": 1})]).warnings.len(), 1);
    }

    #[test]
    fn a_run_of_tests_that_failed_is_no_clean_one() {
        let run = |mode: &str, exit_code: i32| {
            summary(&[
                json!({"schema": 1, "kind": "run", "id": "r", "mode": mode}),
                json!({"schema": 1, "kind": "run_end", "exit_code": exit_code}),
            ])
        };
        assert!(run("test", 2).warnings[0].contains("there may be more races"));
        assert!(run("test", 0).warnings.is_empty());
        assert!(run("run", 2).warnings.is_empty(), "that is the program's own code");
    }
}
