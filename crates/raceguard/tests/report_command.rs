//! `raceguard report`, `raceguard doctor` and help.

mod support;

use std::fs;

use serde_json::Value;
use support::{GoModule, RACY_TEST, run};

#[test]
fn a_run_is_shown_again_in_every_format() {
    let module = GoModule::new(&[("sub/m_test.go", RACY_TEST)]);
    let shown = module.raceguard(&["test", "./..."]);
    let again = run(module.command(&["report"]).current_dir(module.join("sub")));
    again.expect(1, &["TestRacy"]);
    assert!(shown.stdout.ends_with(&again.stdout), "{shown}\n{again}");

    let json = module.raceguard(&["report", "--format", "json"]);
    serde_json::from_str::<Value>(&json.stdout).expect("JSON");
    module.raceguard(&["report", "--format", "github"]).expect(1, &["::error"]);
    let last = fs::read_to_string(module.join(".raceguard/last")).unwrap();
    module.raceguard(&["report", last.trim(), "-o", "r.html"]).expect(1, &[]);
    assert!(fs::read_to_string(module.join("r.html")).unwrap().starts_with("<!doctype html>"));
    module.raceguard(&["report", "-o", "r.pdf"]).expect(2, &["r.pdf", "hint:"]);
    module
        .raceguard(&["report", "20000101T000000-1"])
        .expect(2, &["20000101T000000-1", "hint: the newest are", last.trim()]);
}

#[test]
fn without_a_run_there_is_a_clear_message() {
    let module = GoModule::new(&[]);
    module.raceguard(&["report"]).expect(2, &["no run is recorded", "raceguard test"]);
}

#[test]
fn annotations_name_files_as_the_repository_does() {
    let module = GoModule::new(&[
        (".git/HEAD", ""),
        ("services/pay/go.mod", "module example.com/pay\n\ngo 1.22\n"),
        ("services/pay/m_test.go", RACY_TEST),
    ]);
    module
        .raceguard(&["test", "-C", "services/pay", "--format", "github", "--report", "services/r.txt"])
        .expect(1, &["::error file=services/pay/m_test.go,line="]);
    // The folder of a module stands for its last run.
    module.raceguard(&["report", "services/pay"]).expect(1, &["--> m_test.go"]);
}

#[test]
fn what_is_no_evidence_is_not_taken_for_a_clean_run() {
    let module = GoModule::new(&[("empty.jsonl", ""), ("text", "hello\n"), ("m_test.go", "package m\n")]);
    for file in ["empty.jsonl", "text"] {
        module.raceguard(&["report", file]).expect(2, &["there is no evidence in", file, "hint:"]);
    }
    module.raceguard(&["test", "./nothing"]).expect(2, &[]);
    let failed = module.raceguard(&["report"]);
    failed.expect(2, &["warning: the run failed before all was tested"]);
}

#[test]
fn damage_is_told_once() {
    let module =
        GoModule::new(&[("e.jsonl", "{\"schema\":1,\"kind\":\"process\",\"pid\":7}\n{\"schema\":1,")]);
    for format in ["text", "github", "json", "sarif"] {
        let shown = module.raceguard(&["report", "e.jsonl", "--format", format]);
        let told = shown.stderr.matches("line 2 of the evidence").count();
        let in_report = shown.stdout.matches("line 2 of the evidence").count();
        let is_for_people = matches!(format, "text" | "github");
        assert_eq!((told, in_report), (usize::from(!is_for_people), 1), "{format}: {shown}");
    }
}

#[test]
fn evidence_of_a_newer_version_is_refused() {
    let module = GoModule::new(&[("e/evidence.jsonl", "{\"schema\":99,\"kind\":\"run\",\"id\":\"x\"}\n")]);
    module.raceguard(&["report", "e/evidence.jsonl"]).expect(2, &["schema 99", "upgrade raceguard"]);
}

#[test]
fn a_machine_that_works_is_said_to_be_ready() {
    let module = GoModule::new(&[]);
    module
        .raceguard(&["doctor"])
        .expect(0, &["✓ Go", "✓ C compiler", "✓ fast path", "ready: raceguard test"]);
    let json = module.raceguard(&["doctor", "--format", "json"]);
    let diagnosis: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(diagnosis["usable"], true);
    assert!(diagnosis["checks"].as_array().unwrap().len() > 8);
}

#[test]
fn what_is_missing_is_marked_with_the_way_to_mend_it() {
    let module = GoModule::new(&[]);
    let no_go = run(module.command(&["doctor"]).env("PATH", module.path()));
    no_go.expect(2, &["✗ Go", "→ install Go", "not ready"]);
    run(module.command(&["doctor"]).env("CGO_ENABLED", "0")).expect(2, &["✗ cgo", "CGO_ENABLED=1"]);
    run(module.command(&["doctor"]).env("CC", "no-such-cc")).expect(2, &["✗ C compiler", "no-such-cc"]);
    run(module.command(&["doctor"]).env("GOARCH", "arm64")).expect(2, &["✗ platform"]);
    let limited = format!("ulimit -v 4000000; exec {} doctor", env!("CARGO_BIN_EXE_raceguard"));
    let limited = run(std::process::Command::new("sh").args(["-c", &limited]).current_dir(module.path()));
    limited.expect(2, &["✗ address space", "ulimit -v unlimited"]);
}

#[test]
fn help_is_ours_wherever_it_is_asked_for() {
    let module = GoModule::new(&[]);
    for words in [&["test", "--help"][..], &["test", "-v", "-h"], &["help", "test"]] {
        module.raceguard(words).expect(0, &["raceguard test [OPTIONS] [go test flags]", "Exit codes:"]);
    }
    module.raceguard(&["run", "--help"]).expect(0, &["raceguard run [OPTIONS]"]);
    module.raceguard(&["build", "-h"]).expect(0, &["raceguard build [go build flags]"]);
    let all = module.raceguard(&["--help"]);
    all.expect(0, &["test", "run", "build", "report", "doctor"]);
    assert!(!all.stdout.contains("toolexec"));
    module.raceguard(&["test", "--format", "pdf"]).expect(2, &["pdf", "sarif"]);
    module.raceguard(&["test", "--report", "x.pdf"]).expect(2, &["x.pdf", "hint:"]);
}
