//! `raceguard gate` as a user runs it. Evidence of test runs is written by hand, so that no Go is needed.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{CLEAN, GoModule, RACY};

/// Evidence of a run.
fn evidence(module: &GoModule, id: &str, records: &[Value]) {
    let lines: Vec<String> = records.iter().map(|record| format!("{record}\n")).collect();
    module.write(&format!(".raceguard/runs/{id}/evidence.jsonl"), lines.concat());
    module.write(".raceguard/last", id);
}

fn record(kind: &str, fields: Value) -> Value {
    let mut record = json!({"schema": 1, "kind": kind});
    if let (Value::Object(record), Value::Object(fields)) = (&mut record, fields) {
        record.extend(fields);
    }
    record
}

fn start(module: &GoModule, mode: &str) -> Value {
    let folder = module.path();
    record(
        "run",
        json!({"id": "r", "mode": mode, "module": "example.com/m", "module_dir": folder,
        "started_unix_ns": 1_000_000_000_u64}),
    )
}

fn package(name: &str, result: &str) -> Value {
    record("test", json!({"package": name, "test": null, "result": result}))
}

/// A whole run of the tests of one package, with more records.
fn tested(module: &GoModule, more: &[Value]) -> Vec<Value> {
    let mut records = vec![
        start(module, "test"),
        record("process", json!({"pid": 1, "executable": "/tmp/b/m.test", "cwd": module.path()})),
        package("example.com/m", "pass"),
    ];
    records.extend_from_slice(more);
    records.push(record("run_end", json!({"exit_code": 0, "interrupted": false})));
    records
}

fn race(function: &str, file: &str, line: u32) -> Vec<Value> {
    let access = |name: &str| {
        json!({"op": "write", "map_op": "insert", "stack": [{"function": format!("example.com/m.{name}"),
            "file": file, "line": line}]})
    };
    let id = format!("1-{function}");
    vec![
        record("race", json!({"id": id, "pid": 1, "accesses": [access(function), access("Other")]})),
        record(
            "attribution",
            json!({"race": id, "package": "example.com/m", "tests": ["TestRace"], "by": "stack"}),
        ),
    ]
}

fn verdict(module: &GoModule, arguments: &[&str]) -> Value {
    let words: Vec<&str> = ["gate", "--format", "json"].iter().chain(arguments).copied().collect();
    let ended = module.raceguard(&words);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"))
}

fn level<'a>(verdict: &'a Value, policy: &str) -> &'a str {
    let outcomes = verdict["outcomes"].as_array().unwrap();
    outcomes.iter().find(|outcome| outcome["policy"] == policy).unwrap()["level"].as_str().unwrap()
}

#[test]
fn nothing_passes_without_evidence() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    module.raceguard(&["gate"]).expect(2, &["there is no evidence in", "hint: run `raceguard test ./...`"]);
    module.raceguard(&["gate", "nowhere"]).expect(2, &["there is no run nowhere"]);
}

#[test]
fn a_clean_run_passes_and_says_what_was_not_measured() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &[]));
    module.raceguard(&["gate"]).expect(
        0,
        &[
            "gate passed with warnings",
            "changes-are-covered v1: not judged: no coverage was measured",
            "short-waits-for-locks: not judged: there is no profile of locks",
            "test t1",
        ],
    );
}

#[test]
fn a_gate_never_passes_because_the_detector_was_off() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    module.check(&[]).expect(0, &[]);
    module.raceguard(&["gate"]).expect(1, &["fail    detector-was-on", "no run had the race detector on"]);
    module
        .raceguard(&["gate", "--allow", "detector-was-on"])
        .expect(0, &["note    detector-was-on v1: allowed on the command line"]);
    module
        .raceguard(&["gate", "--allow", "detector-was-of"])
        .expect(2, &["there is no such policy", "did you mean `detector-was-on`?"]);
    // Tests passed, and no process of theirs wrote a word.
    let records = [
        start(&module, "test"),
        package("example.com/m", "pass"),
        record("run_end", json!({"exit_code": 0})),
    ];
    evidence(&module, "t1", &records);
    let verdict = verdict(&module, &[]);
    assert_eq!((level(&verdict, "detector-was-on"), &verdict["exit_code"]), ("fail", &json!(1)));
}

#[test]
fn incomplete_evidence_fails_and_says_what_is_missing() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &[package("example.com/m/broken", "fail")]));
    module.raceguard(&["gate"]).expect(1, &["evidence-is-complete", "example.com/m/broken"]);
    module.raceguard(&["gate", "--allow", "evidence-is-complete"]).expect(0, &["example.com/m/broken"]);
    let mut killed = tested(&module, &[]);
    killed.pop();
    evidence(&module, "t2", &killed);
    module.raceguard(&["gate", "t2"]).expect(1, &["it did not come to its end"]);
    let mut interrupted = tested(&module, &[]);
    interrupted.pop();
    interrupted.push(record("run_end", json!({"exit_code": 130, "interrupted": true})));
    evidence(&module, "t3", &interrupted);
    module.raceguard(&["gate", "t3"]).expect(1, &["it was interrupted"]);
    evidence(&module, "t4", &tested(&module, &[]));
    module.write("broken.go", "package m\nfunc {\n");
    module.check(&[]).expect(2, &[]);
    let check = module.read(".raceguard/last");
    module.raceguard(&["gate", "t4", check.trim()]).expect(1, &["not read or parsed: broken.go"]);
}

#[test]
fn races_fail_in_every_format() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &race("Put", &module.join("m.go").display().to_string(), 3)));
    let mut command = module.command(&[
        "gate",
        "--format",
        "github",
        "--report",
        "junit=gate.xml",
        "--report",
        "gitlab=quality.json",
        "--report",
        "markdown=gate.md",
    ]);
    command.env("GITHUB_STEP_SUMMARY", module.join("summary.md"));
    let ended = support::run(&mut command);
    ended.expect(
        1,
        &[
            "fail    no-race v1: 1 of 1 findings match; fail from 1",
            "- m.go:3: RG101",
            "shown by example.com/m.TestRace",
            "::error file=m.go,line=3,title=raceguard gate%3A no-race::RG101",
        ],
    );
    let junit = module.read("gate.xml");
    assert!(
        junit.contains("tests=\"11\" failures=\"1\"") && junit.contains("name=\"no-race\">\n      <failure"),
        "{junit}"
    );
    let quality: Value = serde_json::from_str(&module.read("quality.json")).unwrap();
    assert_eq!(quality[0]["location"], json!({"path": "m.go", "lines": {"begin": 3}}));
    assert_eq!(quality[0]["severity"], "blocker");
    assert_eq!(module.read("summary.md"), module.read("gate.md"));
    assert!(module.read("gate.md").starts_with("## Raceguard gate failed\n"));
    module.raceguard(&["gate", "--report", "pdf=x"]).expect(2, &["invalid value"]);
}

#[test]
fn the_verdict_is_kept_with_the_evidence() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &[]));
    module.raceguard(&["gate", "--dry-run"]).expect(0, &[]);
    assert!(!module.join(".raceguard/gate").exists());
    module.raceguard(&["gate"]).expect(0, &[]);
    let text = module.read(".raceguard/runs/t1/evidence.jsonl");
    let kept: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&kept["kind"], &kept["level"], &kept["schema"]),
        (&json!("policy_evaluation"), &json!("warn"), &json!(1))
    );
    let first = &kept["policies"][0];
    assert_eq!((&first["policy"], &first["version"]), (&json!("no-race"), &json!(1)));
    assert_eq!(first["hash"].as_str().unwrap().len(), 16);
    let whole = module.join(&format!(".raceguard/gate/{}.json", kept["id"].as_str().unwrap()));
    let whole: Value = serde_json::from_slice(&fs::read(&whole).unwrap()).unwrap();
    assert_eq!(whole["outcomes"][0]["hash"], first["hash"]);
    // The run is still what it was.
    module.raceguard(&["gate"]).expect(0, &["test t1"]);
    module.raceguard(&["report", "t1"]).expect(0, &["no data race found"]);
}

#[test]
fn only_what_is_new_counts_and_the_baseline_shrinks() {
    let module = GoModule::without_go(&[("m.go", RACY)]);
    let put = race("Put", "/elsewhere/a.go", 3);
    evidence(&module, "t1", &tested(&module, &put));
    module.check(&[]).expect(1, &[]);
    module.raceguard(&["gate"]).expect(1, &["no-race", "no-new-error"]);
    module.raceguard(&["gate", "--accept-new"]).expect(2, &["--update-baseline --accept-new"]);
    // By itself it does not grow.
    module
        .raceguard(&["gate", "--update-baseline"])
        .expect(0, &["0 findings known, 0 removed, 0 added", "not added"]);
    module
        .raceguard(&["gate", "--update-baseline", "--accept-new"])
        .expect(0, &["2 findings known, 0 removed, 2 added"]);
    module
        .raceguard(&["gate"])
        .expect(0, &["baseline: 2 known, 2 still there", "- RG101 in /elsewhere/a.go"]);
    // A check that hides what is known says so, and the race stays when the check updates its part.
    module.check(&["--baseline", "raceguard-baseline.json"]).expect(0, &[]);
    module.raceguard(&["gate"]).expect(0, &["baseline: 2 known, 2 still there"]);
    module.check(&["--update-baseline"]).expect(0, &["2 findings known, 0 removed"]);
    // A new race fails beside the known one.
    evidence(&module, "t1", &tested(&module, &[put.clone(), race("Del", "/elsewhere/b.go", 9)].concat()));
    let verdict = verdict(&module, &[]);
    assert_eq!(verdict["outcomes"][0]["count"], 1);
    // What is mended is told, and leaves.
    module.write("m.go", CLEAN);
    module.check(&[]).expect(0, &[]);
    evidence(&module, "t1", &tested(&module, &put));
    module
        .raceguard(&["gate"])
        .expect(0, &["1 gone: `raceguard gate --update-baseline` removes them", "warn    baseline-shrinks"]);
    module.raceguard(&["gate", "--update-baseline"]).expect(0, &["1 finding known, 1 removed, 0 added"]);
    module.raceguard(&["gate"]).expect(0, &["baseline: 1 known, 1 still there"]);
}

#[test]
fn nothing_is_evaluated_while_a_policy_has_a_mistake() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &[]));
    module.write(
        "raceguard-policy.yaml",
        "schema: 1\npolicies:\n  - id: a\n    version: 1\n    description: d\n    match: {over: findings, when: finding.isnew}\n    \
         responses: [fial]\n",
    );
    let ended = module.raceguard(&["gate"]);
    ended.expect(
        2,
        &[
            "2 mistakes in policies, so nothing was evaluated",
            "raceguard-policy.yaml:6:42: `finding` has no field `isnew`",
            "did you mean `is_new`?",
            "raceguard-policy.yaml:7:17: there is no response `fial`",
        ],
    );
    assert_eq!(ended.stdout, "");
    assert!(!module.join(".raceguard/gate").exists());
}

#[test]
fn long_waits_fail_and_draft_a_ticket() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    let profile = record(
        "profile",
        json!({"profile": "mutex", "source": "s1",
        "sample_types": [{"type": "contentions", "unit": "count"}, {"type": "delay", "unit": "nanoseconds"}],
        "frames": [{"function": "sync.(*Mutex).Unlock", "file": "/go/mutex.go", "line": 1},
            {"function": "example.com/m.(*Router).Reload", "file": module.join("m.go"), "line": 88}],
        "samples": [{"stack": [0, 1], "values": [4, 240_000_000]}]}),
    );
    evidence(&module, "t1", &tested(&module, &[profile]));
    module.raceguard(&["gate"]).expect(
        1,
        &[
            "fail    short-waits-for-locks",
            "m.go:88: a lock of m.(*Router).Reload: 4 waits, 60.0 ms each",
            "ticket drafted: .raceguard/tickets/short-waits-for-locks.md",
        ],
    );
    let ticket = module.read(".raceguard/tickets/short-waits-for-locks.md");
    assert!(
        ticket.starts_with("# Goroutines wait too long for a lock\n\nLabels: performance, lock-contention"),
        "{ticket}"
    );
    assert!(ticket.contains("at `m.go:88`"), "{ticket}");
}

#[test]
fn changed_lines_have_to_be_covered() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    module.git(&["init", "-q"]);
    module.write(".gitignore", ".raceguard\n");
    module.git(&["add", "."]);
    module.git(&["commit", "-qm", "one"]);
    module.write(
        "n.go",
        "package m\n\nfunc Twice(n int) int {\n\tif n > 9 {\n\t\treturn 0\n\t}\n\treturn n + n\n}\n",
    );
    let coverage = |count: u64| {
        record(
            "coverage",
            json!({"mode": "set", "files": [{"file": "example.com/m/n.go", "blocks":
            [[3, 24, 4, 11, 1, 1], [4, 11, 6, 3, 1, count], [7, 2, 7, 14, 1, 1]]}]}),
        )
    };
    evidence(&module, "t1", &tested(&module, &[coverage(0)]));
    module.raceguard(&["gate", "--base", "HEAD"]).expect(
        1,
        &["fail    changes-are-covered", "75.0 % of changed statements", "n.go: 75.0 %, untested lines 5"],
    );
    module.raceguard(&["gate"]).expect(0, &["not judged: what it needs of coverage is not known"]);
    module
        .raceguard(&["gate", "--base", "nowhere"])
        .expect(2, &["cannot tell what has changed since nowhere"]);
    evidence(&module, "t1", &tested(&module, &[coverage(1)]));
    module.raceguard(&["gate", "--base", "HEAD"]).expect(0, &["gate passed ("]);
    // A base that only the CI system names may be missing from the checkout.
    let mut command = module.command(&["gate"]);
    command.env("GITHUB_BASE_REF", "main");
    support::run(&mut command).expect(0, &["cannot tell what has changed since origin/main", "not judged"]);
}

#[test]
fn coverage_that_is_named_needs_no_ingest() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    module.git(&["init", "-q"]);
    module.write(".gitignore", ".raceguard\n*.out\n");
    module.git(&["add", "."]);
    module.git(&["commit", "-qm", "one"]);
    module.write(
        "n.go",
        "package m\n\nfunc Twice(n int) int {\n\tif n > 9 {\n\t\treturn 0\n\t}\n\treturn n + n\n}\n",
    );
    let profile = |name: &str, file: &str, count: u64| {
        let blocks = [("3.24,4.11", 1), ("4.11,6.3", count), ("7.2,7.14", 1)];
        let lines = blocks.map(|(place, count)| format!("example.com/{file}:{place} 1 {count}\n"));
        module.write(name, format!("mode: count\n{}", lines.concat()));
    };
    evidence(&module, "t1", &tested(&module, &[]));
    profile("cover.out", "m/n.go", 0);
    let gate = |files: &[&str]| {
        let flags = files.iter().flat_map(|file| ["--coverage", file]);
        let words: Vec<&str> = ["gate", "--base", "HEAD"].into_iter().chain(flags).collect();
        module.raceguard(&words)
    };
    gate(&["cover.out"]).expect(1, &["fail    changes-are-covered", "n.go: 75.0 %, untested lines 5"]);
    // Several add up; the same one twice does not.
    module.write("again.out", module.read("cover.out"));
    gate(&["cover.out", "again.out"]).expect(1, &["again.out: its content was named before", "75.0 %"]);
    profile("other.out", "m/n.go", 2);
    gate(&["cover.out", "other.out"]).expect(0, &["gate passed"]);
    module
        .raceguard(&["policy", "explain", "--base", "HEAD", "--coverage", "cover.out"])
        .expect(0, &["Decided by changes-are-covered."]);
    // What can't be used stops the gate instead of counting as not measured.
    gate(&["none.out"]).expect(2, &["cannot read none.out"]);
    profile("foreign.out", "elsewhere/n.go", 1);
    gate(&["foreign.out"]).expect(2, &["--coverage foreign.out", "evidence of another module"]);
    module.write(
        "crash.out",
        "fatal error: concurrent map writes\n\ngoroutine 7 [running]:\nmain.main()\n\t/m.go:1 +0x1\n",
    );
    gate(&["crash.out"]).expect(2, &["--coverage crash.out: it is no coverage profile, but output or log"]);
    module.write("empty.out", "");
    gate(&["empty.out"])
        .expect(2, &["--coverage empty.out", "hint: name a file that `go test -coverprofile`"]);
    module.write("cut.out", "mode: set\nexample.com/m/n.go:3.24,4.11 1 1\nexample.com/m/n.go:4.1");
    gate(&["cut.out"])
        .expect(0, &["cut.out: skipped 1 lines that are no block of a coverage profile, from line 3"]);
}

#[test]
fn a_crash_of_the_build_before_does_not_fail_the_next_one() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &[]));
    module.write(
        "crash.log",
        "fatal error: concurrent map writes\n\ngoroutine 7 [running]:\nexample.com/m.Put(0x1)\n\t/built/m.go:3 +0x1\n",
    );
    module.raceguard(&["ingest", "crash.log"]).expect(0, &["1 crash"]);
    module.raceguard(&["gate"]).expect(1, &["fail    no-crash", "- m.go:3: RG101"]);
    // Mended, and tested again.
    let mut records = tested(&module, &[]);
    records[0]["started_unix_ns"] = json!(4_000_000_000_000_000_000_u64);
    records[0]["id"] = json!("t2");
    evidence(&module, "t2", &records);
    module.raceguard(&["gate"]).expect(0, &["is of an older build than run t2, so it is not judged"]);
}

#[test]
fn evidence_of_another_commit_fails() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    module.git(&["init", "-q"]);
    module.git(&["add", "."]);
    module.git(&["commit", "-qm", "one"]);
    let mut records = tested(&module, &[]);
    records[0]["commit"] = json!("0123456789abcdef0123456789abcdef01234567");
    evidence(&module, "t1", &records);
    module.raceguard(&["gate"]).expect(1, &["fail    evidence-is-current", "it looked at commit 0123456789"]);
}

#[test]
fn quarantines_end_and_owners_are_asked_for() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    let file = module.join("m.go").display().to_string();
    evidence(&module, "t1", &tested(&module, &race("Put", &file, 3)));
    let policy = |until: &str| {
        format!(
            "schema: 1\npolicies:\n  - {{id: no-race, version: 1, description: d, match: {{over: findings, when: 'true'}}, \
             responses: [fail]}}\n  - {{id: flaky, version: 2, description: q, match: {{over: findings, when: 'true'}},\n     \
             responses: [{{quarantine: {{until: {until}, reason: looked at, owner: '@me', tests: ['*.TestRace']}}}}]}}\n"
        )
    };
    module.write("p.yaml", policy("2999-12-31"));
    let gate = ["gate", "--policy", "p.yaml"];
    module
        .raceguard(&gate)
        .expect(0, &["set aside until 2999-12-31 by flaky, owner @me: RG101", "looked at"]);
    module.write("p.yaml", policy("2020-01-01"));
    module
        .raceguard(&gate)
        .expect(1, &["fail    no-race", "warn    flaky", "the quarantine ended with 2020-01-01"]);
    module
        .raceguard(&["policy", "check", "p.yaml"])
        .expect(0, &["the quarantine of policy flaky ended with 2020-01-01"]);
    module.write(
        "p.yaml",
        policy("2999-12-31").replace("[fail]", "[require-owner]").replace("TestRace", "TestNone"),
    );
    module.raceguard(&gate).expect(1, &["there is no CODEOWNERS file"]);
    module.write("CODEOWNERS", "*.go @gophers\n");
    module.raceguard(&gate).expect(0, &["owned by @gophers"]);
    fs::write(module.join("CODEOWNERS"), "/other/ @gophers\n").unwrap();
    module.raceguard(&gate).expect(1, &["CODEOWNERS names nobody for m.go"]);
}

#[test]
fn explain_says_which_policy_decided_and_writes_nothing() {
    let module = GoModule::without_go(&[("m.go", CLEAN)]);
    evidence(&module, "t1", &tested(&module, &race("Put", "/elsewhere/a.go", 3)));
    let before = module.read(".raceguard/runs/t1/evidence.jsonl");
    module.raceguard(&["policy", "explain", "t1"]).expect(
        0,
        &[
            "Decided by no-race.",
            "when       finding.kind == 'race' && finding.is_new",
            "responses  fail from 1 (reached), annotate from 1 (reached), counting items",
            "so         fail: 1 of 1 findings match",
        ],
    );
    module.raceguard(&["policy", "explain", "--only", "no-rase"]).expect(2, &["did you mean `no-race`?"]);
    assert_eq!(module.read(".raceguard/runs/t1/evidence.jsonl"), before);
}
