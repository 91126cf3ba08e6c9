//! Identical races of several tests, packages and processes are one finding.

use raceguard_evidence::{EvidenceError, RunEvidence, RunFolder};
use serde_json::{Value, json};

fn race(id: &str, pid: u64, test: &str, lines: (u32, u32)) -> Value {
    let stack = |function: &str, line: u32| {
        json!([{"function": function, "file": "/m/c.go", "line": line},
               {"function": test, "file": "/m/c_test.go", "line": 9},
               {"function": "testing.tRunner", "file": "testing.go", "line": 1}])
    };
    json!({"schema": 1, "kind": "race", "id": id, "pid": pid, "size": 8, "address": format!("0xc00{pid}"),
           "accesses": [{"op": "write", "goroutine": 7, "stack": stack("m.Put", lines.0)},
                        {"op": "read", "goroutine": 8, "stack": stack("m.Get", lines.1)}]})
}

fn swapped(mut race: Value) -> Value {
    race["accesses"].as_array_mut().expect("an array").reverse();
    race
}

fn attribution(race: &str, package: &str, tests: &[&str]) -> Value {
    json!({"schema": 1, "kind": "attribution", "race": race, "package": package, "tests": tests, "by": "stack"})
}

fn json_lines(records: &[Value]) -> String {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

fn load(records: &[Value]) -> RunEvidence {
    let text = json_lines(records);
    RunEvidence::read(text.as_bytes()).expect("readable evidence")
}

#[test]
fn one_race_of_two_tests_two_packages_and_two_processes_is_one_finding() {
    let evidence = load(&[
        json!({"schema": 1, "kind": "process", "pid": 10, "executable": "/tmp/a.test"}),
        json!({"schema": 1, "kind": "process", "pid": 20, "executable": "/tmp/b.test"}),
        race("10-1", 10, "m.TestB", (5, 6)),
        json!({"schema": 1, "kind": "repeat", "race": "10-1", "pid": 10}),
        swapped(race("20-1", 20, "other.TestA", (5, 6))),
        attribution("10-1", "m", &["TestB", "TestA"]),
        attribution("10-1", "m", &["TestB"]),
        attribution("20-1", "m/other", &["TestA"]),
    ]);
    let [finding] = &evidence.findings[..] else { panic!("one finding: {:?}", evidence.findings) };
    assert_eq!(finding.occurrences, 3);
    let tests: Vec<_> = finding.tests.iter().map(|t| (t.package.as_str(), t.test.as_deref())).collect();
    assert_eq!(tests, [("m", Some("TestA")), ("m", Some("TestB")), ("m/other", Some("TestA"))]);
    let processes: Vec<_> =
        finding.processes.iter().map(|p| (p.pid, p.executable.as_deref(), p.occurrences)).collect();
    assert_eq!(processes, [(10, Some("/tmp/a.test"), 2), (20, Some("/tmp/b.test"), 1)]);
    assert_eq!(finding.places.len(), 1, "the pair is unordered: {:?}", finding.places);
    assert_eq!(finding.race.id, "10-1", "the first record stands for the finding");
}

#[test]
fn other_lines_of_the_same_functions_are_further_places_of_the_finding() {
    let evidence = load(&[
        race("1-1", 1, "m.TestA", (5, 6)),
        race("1-2", 1, "m.TestA", (7, 6)),
        json!({"schema": 1, "kind": "repeat", "race": "1-2", "pid": 1}),
    ]);
    let places: Vec<_> =
        evidence.findings[0].places.iter().map(|p| (p.later.line, p.earlier.line, p.occurrences)).collect();
    assert_eq!(places, [(5, 6, 1), (7, 6, 2)]);
}

#[test]
fn other_functions_are_another_finding() {
    let mut other = race("1-2", 1, "m.TestA", (5, 6));
    other["accesses"][0]["stack"][0]["function"] = "m.Delete".into();
    let evidence = load(&[race("1-1", 1, "m.TestA", (5, 6)), other]);
    assert_eq!(evidence.findings.len(), 2);
}

#[test]
fn repeats_and_attributions_of_lost_races_are_ignored() {
    let evidence = load(&[
        json!({"schema": 1, "kind": "repeat", "race": "9-9", "pid": 9}),
        attribution("9-9", "m", &["TestA"]),
    ]);
    assert!(evidence.findings.is_empty());
}

#[test]
fn identical_crashes_are_one() {
    let crash = |test: &str| {
        json!({"schema": 1, "kind": "crash", "package": "m", "test": test,
               "message": "fatal error: concurrent map writes",
               "goroutines": [{"id": 5, "state": "running", "stack": [
                   {"function": "internal/runtime/maps.fatal", "file": "panic.go", "line": 1},
                   {"function": "m.Put", "file": "/m/c.go", "line": 5}]}]})
    };
    let evidence = load(&[crash("TestB"), crash("TestA"), crash("TestB")]);
    let [finding] = &evidence.crashes[..] else { panic!("one crash: {:?}", evidence.crashes) };
    assert_eq!(finding.occurrences, 3);
    assert_eq!(
        finding.tests.iter().filter_map(|t| t.test.as_deref()).collect::<Vec<_>>(),
        ["TestA", "TestB"]
    );
}

#[test]
fn a_missing_file_is_named_in_the_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = RunEvidence::load(&RunFolder::at(folder.path())).expect_err("no evidence there");
    assert!(
        matches!(&error, EvidenceError::Open { path, .. } if path.ends_with("evidence.jsonl")),
        "{error}"
    );
}
