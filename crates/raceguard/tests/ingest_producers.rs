//! `raceguard ingest` on what Go itself writes: the programs in `ingest_programs/` are built, run, crashed, profiled and
//! tested here, by the `go` on PATH. `cargo xtask producers` runs this with the oldest and the newest Go supported.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{GoModule, go, run};

fn module(files: &[(&str, &str)]) -> GoModule {
    GoModule::new(files)
}

fn crash_program() -> GoModule {
    let module = module(&[("main.go", include_str!("ingest_programs/crash.go"))]);
    let built = run(Command::new(go()).args(["build", "-o", "program", "."]).current_dir(module.path()));
    built.expect(0, &[]);
    module
}

fn counter() -> GoModule {
    module(&[
        ("counter/counter.go", include_str!("ingest_programs/counter.go")),
        ("counter/counter_test.go", include_str!("ingest_programs/counter_test.go")),
    ])
}

/// What a command prints, stdout and stderr in one.
fn output(module: &GoModule, program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).current_dir(module.path()).output().expect("it starts");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn go_output(module: &GoModule, arguments: &[&str]) -> String {
    output(module, go().to_str().expect("text"), arguments)
}

/// The records of one kind, made of a file with this content.
fn ingest(module: &GoModule, name: &str, content: &str, kind: &str) -> Vec<Value> {
    module.write(name, content);
    module.raceguard(&["ingest", name]).expect(0, &[name]);
    module.records_of(kind)
}

#[test]
fn crashes_of_every_kind() {
    let module = crash_program();
    let program = module.join("program");
    let program = program.to_str().expect("text");
    for (kind, message) in [
        ("map-writes", "fatal error: concurrent map writes"),
        ("map-iteration", "fatal error: concurrent map iteration and map write"),
        ("unlock", "fatal error: sync: unlock of unlocked mutex"),
        ("close", "panic: close of closed channel"),
        ("send", "panic: send on closed channel"),
        ("nil-map", "panic: assignment to entry in nil map"),
    ] {
        for level in ["single", "all", "system"] {
            let printed =
                output(&module, "sh", &["-c", &format!("GOTRACEBACK={level} exec {program} {kind}")]);
            let prefixed: String =
                printed.lines().flat_map(|line| ["2026-11-20T13:14:16.5Z stderr F ", line, "\n"]).collect();
            for (form, content) in [("plain", &printed), ("prefixed", &prefixed)] {
                let crashes = ingest(&module, &format!("{kind}-{level}-{form}.log"), content, "crash");
                assert_eq!(crashes.len(), 1, "{kind} {level} {form}\n{content}");
                assert_eq!(crashes[0]["message"], message);
                let stack = crashes[0]["goroutines"][0]["stack"].as_array().expect("a stack");
                let in_main = |frame: &&Value| {
                    frame["function"].as_str().is_some_and(|name| name.starts_with("main.main"))
                };
                assert!(stack.iter().any(|frame| in_main(&frame)), "{stack:?}");
            }
        }
    }
}

#[track_caller]
fn check_waiters(dump: &Value) {
    let groups = dump["groups"].as_array().expect("groups");
    let of = |function: &str| {
        let has = |group: &&Value| {
            let stack = group["stack"].as_array().expect("a stack");
            stack.iter().any(|frame| frame["function"] == function)
        };
        groups.iter().find(has).unwrap_or_else(|| panic!("{function} is in no group: {dump:#}"))
    };
    let lockers = of("main.(*store).locked");
    assert_eq!((&lockers["count"], &lockers["state"]), (&20.into(), &"sync.Mutex.Lock".into()));
    assert!(lockers["waits_on"].as_str().is_some_and(|address| address.starts_with("0x")), "{lockers:#}");
    assert_eq!(lockers["created_at"][0]["function"], "main.wait");
    assert!(of("main.receive")["state"].as_str().is_some_and(|state| state.starts_with("chan receive")));
    assert_eq!(of("main.(*store).writer")["state"], "sync.RWMutex.Lock");
}

#[test]
fn deadlocks_signals_and_the_page_of_goroutines() {
    let module = crash_program();
    let program = module.join("program");
    let deadlock = output(&module, program.to_str().expect("text"), &["deadlock"]);
    let dumps = ingest(&module, "deadlock.log", &deadlock, "goroutine_dump");
    check_waiters(&dumps[0]);
    assert_eq!(module.records_of("crash").len(), 1);

    let page = output(&module, program.to_str().expect("text"), &["dump"]);
    let dumps = ingest(&module, "goroutines.txt", &page, "goroutine_dump");
    check_waiters(&dumps[0]);
    assert_eq!(dumps[0]["reason"], "profile");

    let log = fs::File::create(module.join("quit.log")).expect("a file");
    let mut child =
        Command::new(&program).arg("quit").stdin(Stdio::null()).stderr(log).spawn().expect("it starts");
    let ready = || fs::read_to_string(module.join("quit.log")).is_ok_and(|text| text.contains("ready"));
    for _ in 0..600 {
        if ready() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    run(Command::new("kill").args(["-QUIT", &child.id().to_string()])).expect(0, &[]);
    child.wait().expect("it ends");
    module.raceguard(&["ingest", "quit.log"]).expect(0, &["1 goroutine dump"]);
    let dumps = module.records_of("goroutine_dump");
    check_waiters(&dumps[0]);
    assert_eq!((&dumps[0]["reason"], &dumps[0]["message"]), (&"signal".into(), &"SIGQUIT: quit".into()));
    let locked = |group: &Value| group["locked_to_thread"] == true;
    assert!(dumps[0]["groups"].as_array().expect("groups").iter().any(locked));
    assert!(module.records_of("crash").is_empty());
}

#[test]
fn test_runs_in_text_and_json() {
    let module = counter();
    let text = go_output(&module, &["test", "-race", "-v", "-count=1", "./..."]);
    let races = ingest(&module, "test.log", &text, "race");
    let of_json = go_output(&module, &["test", "-race", "-json", "-count=1", "./..."]);
    let races_of_json = ingest(&module, "test.json", &of_json, "race");
    assert!(races.len() >= 2 && races_of_json.len() >= 2, "{} {}\n{text}", races.len(), races_of_json.len());
    for race in races.iter().chain(&races_of_json) {
        let statements = race["accesses"].as_array().expect("two accesses");
        let on_map = statements.iter().all(|access| access["map_op"].is_string() || access["op"].is_string());
        assert!(on_map && race["goroutines"].as_array().is_some_and(|list| list.len() == 2), "{race:#}");
        assert!(race.get("notes").is_none(), "{race:#}");
    }
    let tests: Vec<Value> =
        module.records_of("attribution").into_iter().map(|record| record["tests"][0].clone()).collect();
    assert!(tests.contains(&"TestMap".into()) && tests.contains(&"TestSub/reader".into()), "{tests:?}");
    let results = module.records_of("test");
    assert!(results.iter().any(|test| test["test"] == "TestMap" && test["result"] == "fail"));
    assert!(results.iter().any(|test| test["test"].is_null() && test["result"] == "fail"));
}

#[test]
fn our_own_reports_in_text() {
    let module = counter();
    let text = module.raceguard(&["test", "-v", "--no-report", "-count=1", "./..."]).to_string();
    let races = ingest(&module, "own.log", &text, "race");
    assert!(!races.is_empty(), "{text}");
}

#[test]
fn coverage_in_every_mode() {
    let module = counter();
    for mode in ["set", "count", "atomic"] {
        let profile = format!("-coverprofile={mode}.out");
        go_output(
            &module,
            &["test", "-run=TestClean|TestSub", "-count=1", "-covermode", mode, &profile, "./..."],
        );
        module.raceguard(&["ingest", &format!("{mode}.out")]).expect(0, &["1 coverage record"]);
        let coverage = &module.records_of("coverage")[0];
        assert_eq!(coverage["mode"], mode);
        let file = &coverage["files"][0];
        assert_eq!(file["file"], "example.com/m/counter/counter.go");
        let blocks = file["blocks"].as_array().expect("blocks");
        let covers = |block: &&Value, line: u64| {
            block[0].as_u64().is_some_and(|first| first <= line)
                && block[2].as_u64().is_some_and(|last| line <= last)
        };
        let count = |line: u64| blocks.iter().find(|block| covers(block, line)).map(|block| block[5].clone());
        assert_eq!(count(7), Some(1.into()), "New was called by one test");
        assert_eq!(count(13), Some(0.into()), "Unused was called by none");
    }
}

#[test]
fn profiles_in_text() {
    let module = module(&[("main.go", include_str!("ingest_programs/load.go"))]);
    go_output(&module, &["run", ".", "."]);
    for (name, function) in [
        ("mutex", "main.contend"),
        ("block", "main.contend"),
        ("goroutine", "main.main"),
        ("heap", "main.keep"),
        ("allocs", "main.keep"),
    ] {
        module.raceguard(&["ingest", &format!("{name}.txt")]).expect(0, &["1 profile", "pprof-text"]);
        let profile = &module.records_of("profile")[0];
        let frames = profile["frames"].as_array().expect("frames");
        assert!(frames.iter().any(|frame| frame["function"] == function), "{name}: {profile:#}");
        assert_eq!(profile["symbolised"], true);
        let values =
            profile["samples"].as_array().expect("samples").iter().flat_map(|sample| {
                sample["values"].as_array().expect("values").iter().filter_map(Value::as_i64)
            });
        assert!(values.max().is_some_and(|most| most > 0));
        if name == "heap" {
            // A hundred objects of 1,024 bytes are kept, and the slice of them.
            let is_keep = |place: &Value| {
                let frame = place.as_u64().and_then(|place| frames.get(usize::try_from(place).ok()?));
                frame.is_some_and(|frame| frame["function"] == "main.keep")
            };
            let of_keep = profile["samples"]
                .as_array()
                .expect("samples")
                .iter()
                .filter(|sample| sample["stack"].as_array().expect("a stack").iter().any(is_keep));
            let bytes: i64 = of_keep.filter_map(|sample| sample["values"][3].as_i64()).sum();
            assert!((102_400..120_000).contains(&bytes), "{bytes}");
        }
    }
    module.raceguard(&["ingest", "threadcreate.txt"]).expect(0, &["1 profile"]);
}

#[test]
fn findings_of_go_vet() {
    let module = counter();
    let vet = go_output(&module, &["vet", "-json", "./..."]);
    let findings = ingest(&module, "vet.json", &vet, "static_finding");
    assert_eq!((&findings[0]["tool"], &findings[0]["rule"]), (&"vet".into(), &"copylocks".into()), "{vet}");
    assert_eq!(findings[0]["sites"][0]["place"]["line"], 21);
}
