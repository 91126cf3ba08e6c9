//! Which packages ran, and whether the detector was in each of them.

use std::path::Path;

use raceguard_evidence::{Process, Record, RunEvidence, RunMode, TestResult};

/// The packages of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packages {
    pub(super) all: u64,
    pub(super) failed: u64,
    /// Those that did not compile, or ran without the detector.
    pub(super) not_run: Vec<String>,
    pub(super) instrumented: bool,
}

impl Packages {
    pub(super) fn of(evidence: &RunEvidence) -> Self {
        let end = evidence.end.as_ref();
        let mode = evidence.run.as_ref().map(|run| &run.mode);
        match mode {
            Some(RunMode::Test) => Self::of_tests(evidence),
            Some(RunMode::Check) => {
                let all = end.and_then(|end| end.extra.get("packages")?.as_u64()).unwrap_or(0);
                Self { all, ..Self::default() }
            }
            // Only our runtime records processes.
            _ => Self { instrumented: !evidence.processes.is_empty(), ..Self::default() },
        }
    }

    fn of_tests(evidence: &RunEvidence) -> Self {
        let paths = evidence.module_paths();
        let module = evidence.run.as_ref().map_or("", |run| run.module.as_str());
        let mut packages = Self::default();
        // A package without test files is skipped by Go.
        let tested =
            evidence.tests.iter().filter(|test| test.test.is_none() && test.result != TestResult::Skip);
        for test in tested {
            packages.all += 1;
            packages.failed += u64::from(test.result == TestResult::Fail);
            let inside = test.package.strip_prefix(module).map(|rest| rest.trim_start_matches('/'));
            let folder = inside.map(|inside| Path::new(paths.module_dir()).join(inside));
            let ran = |process: &Process| runs_tests_of(process, &test.package, folder.as_deref());
            if !evidence.processes.iter().any(ran) {
                packages.not_run.push(test.package.clone());
            }
        }
        let uninstrumented = |test: &&raceguard_evidence::Test| {
            test.result == TestResult::Pass && packages.not_run.contains(&test.package) && test.test.is_none()
        };
        packages.instrumented =
            !evidence.processes.is_empty() && evidence.tests.iter().find(uninstrumented).is_none();
        packages
    }
}

/// Whether a process is the test program of a package: Go runs it in the package's folder and names it after the path.
fn runs_tests_of(process: &Process, package: &str, folder: Option<&Path>) -> bool {
    let executable = process.executable.rsplit('/').next().unwrap_or_default();
    let cwd = process.cwd.as_deref().map(Path::new);
    match (cwd, folder) {
        (Some(cwd), Some(folder)) if cwd == folder => return true,
        _ => {}
    }
    let mut elements = package.rsplit('/');
    let last = elements.next().unwrap_or_default();
    let is_version = last.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
    let name = if is_version { elements.next().unwrap_or(last) } else { last };
    // A folder behind a link has another name, but its program has the same.
    cwd.zip(folder).is_none_or(|(cwd, folder)| cwd.file_name() == folder.file_name())
        && executable.strip_suffix(".test").is_some_and(|stem| stem == name || stem == last)
}

/// Files that could not be read or parsed, and foreign files that were cut off.
pub(super) fn unparsed(evidence: &RunEvidence) -> Vec<String> {
    let paths = evidence.module_paths();
    let mut files: Vec<String> = evidence
        .source_problems
        .iter()
        .filter(|problem| problem.loss)
        .map(|problem| paths.relative(&problem.path).to_owned())
        .collect();
    for record in &evidence.foreign {
        if let Record::Source(source) = record
            && !source.skipped.is_empty()
        {
            files.push(source.path.clone());
        }
    }
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_evidence::EvidenceReader;
    use serde_json::{Value, json};

    fn evidence(records: &[Value]) -> RunEvidence {
        let mut lines =
            vec![json!({"schema": 1, "kind": "run", "id": "r", "mode": "test", "module": "example.com/m",
            "module_dir": "/m"})];
        lines.extend_from_slice(records);
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        RunEvidence::from_records(EvidenceReader::new(text.join("\n").as_bytes()).map(Result::unwrap))
    }

    fn package(path: &str, result: &str) -> Value {
        json!({"schema": 1, "kind": "test", "package": path, "test": null, "result": result})
    }

    fn process(cwd: &str, executable: &str) -> Value {
        json!({"schema": 1, "kind": "process", "pid": 1, "cwd": cwd, "executable": executable})
    }

    #[test]
    fn a_package_ran_if_its_test_program_did() {
        let found = Packages::of(&evidence(&[
            process("/m/a", "/tmp/b1/a.test"),
            process("/m", "/tmp/b2/m.test"),
            package("example.com/m", "pass"),
            package("example.com/m/a", "fail"),
            package("example.com/m/broken", "fail"),
            package("example.com/m/none", "skip"),
        ]));
        let expected = Packages {
            all: 3,
            failed: 2,
            not_run: vec!["example.com/m/broken".to_owned()],
            instrumented: true,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_package_that_passes_without_a_process_had_no_detector() {
        let found = Packages::of(&evidence(&[
            process("/m/a", "/tmp/b1/a.test"),
            package("example.com/m/a", "pass"),
            package("example.com/m/b", "pass"),
        ]));
        assert!(!found.instrumented);
        assert_eq!(found.not_run, ["example.com/m/b"]);
        assert!(!Packages::of(&evidence(&[])).instrumented, "nothing ran");
    }

    #[test]
    fn the_folder_decides_where_names_are_alike() {
        let found = Packages::of(&evidence(&[
            process("/m/x/util", "/tmp/b1/util.test"),
            package("example.com/m/x/util", "pass"),
            package("example.com/m/v2", "pass"),
        ]));
        assert_eq!(found.not_run, ["example.com/m/v2"]);
    }
}
