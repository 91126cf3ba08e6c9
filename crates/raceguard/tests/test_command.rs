//! `raceguard test` on small modules.

mod support;

use std::fs;

use serde_json::Value;
use support::{CLEAN_TEST, GoModule, RACY_TEST};

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a string")).collect()
}

#[test]
fn a_race_is_found_reported_and_recorded() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    let ended = module.raceguard(&["test", "./..."]);
    ended.expect(1, &["--- FAIL: TestRacy", "FAIL\texample.com/m", "data race"]);
    assert!(
        !ended.stdout.contains("WARNING: DATA RACE"),
        "our report stands for the runtime's text: {ended}"
    );

    let records = module.records();
    assert_eq!(records.first().unwrap()["kind"], "run");
    assert_eq!(records.first().unwrap()["module"], "example.com/m");
    assert_eq!(records.last().unwrap()["kind"], "run_end");
    assert_eq!(records.last().unwrap()["exit_code"], 1);
    let race = &module.records_of("race")[0];
    let attribution = &module.records_of("attribution")[0];
    assert_eq!(attribution["race"], race["id"]);
    assert_eq!(attribution["package"], "example.com/m");
    assert_eq!(strings(&attribution["tests"]), ["TestRacy"]);
    let tests = module.records_of("test");
    assert!(tests.iter().any(|test| test["test"] == "TestRacy" && test["result"] == "fail"));
    assert_eq!(fs::read_to_string(module.join(".raceguard/.gitignore")).unwrap(), "*\n");
}

#[test]
fn a_race_carries_its_allocation_and_every_go_statement_on_the_way() {
    const NESTED: &str = "package m

import \"testing\"

func start(shared *int, done chan bool) {
	go func() { *shared++; done <- true }()
}

func TestNested(t *testing.T) {
	shared := new(int)
	done := make(chan bool)
	go func() { start(shared, done) }()
	*shared++
	<-done
}
";
    let module = GoModule::new(&[("m_test.go", NESTED)]);
    module.raceguard(&["test"]).expect(1, &["created in m.start at m_test.go:6", "m_test.go:10"]);
    let race = &module.records_of("race")[0];
    let statement = |stack: &Value| (stack[0]["function"].clone(), stack[0]["line"].clone());
    let goroutines = race["goroutines"].as_array().unwrap();
    let nested = goroutines.iter().find(|goroutine| goroutine["created_at"][0]["line"] == 6);
    let nested = nested.unwrap_or_else(|| panic!("no goroutine was created at line 6: {race:#}"));
    assert_eq!(statement(&nested["created_at"]), ("example.com/m.start".into(), 6.into()));
    assert_eq!(statement(&nested["ancestors"][0]), ("example.com/m.TestNested".into(), 12.into()));
    assert_eq!(nested["ancestors"][1][0]["function"], "testing.(*T).Run");
    assert_eq!(statement(&race["object"]["allocation"]), ("example.com/m.TestNested".into(), 10.into()));
    assert_eq!(module.records_of("attribution")[0]["by"], "stack");
}

#[test]
fn a_clean_module_exits_with_0_and_is_cached_like_with_go_test() {
    let module = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
    module.raceguard(&["test", "./..."]).expect(0, &["ok  \texample.com/m"]);
    module.raceguard(&["test", "./..."]).expect(0, &["(cached)"]);
    let fresh = support::run(module.command(&["test", "./..."]).env("RACEGUARD", "memory_limit=1GiB"));
    fresh.expect(0, &["ok  \texample.com/m"]);
    assert!(!fresh.stdout.contains("(cached)"), "results depend on the runtime's options: {fresh}");
}

#[test]
fn verbose_output_is_complete() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    module
        .raceguard(&["test", "-v", "./..."])
        .expect(1, &["=== RUN   TestRacy", "WARNING: DATA RACE", "data race"]);
}

#[test]
fn events_pass_and_the_report_keeps_out_of_their_way() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    let ended = module.raceguard(&["test", "-json", "./..."]);
    assert_eq!(ended.code, 1, "{ended}");
    for line in ended.stdout.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    }
    assert!(ended.stdout.contains("WARNING: DATA RACE"));
    assert!(ended.stderr.contains("data race"), "{ended}");
}

#[test]
fn a_report_for_a_program_is_alone_on_stdout_and_files_come_beside() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    let ended =
        module.raceguard(&["test", "./...", "--format", "json", "--report=r.html", "--report", "r.sarif"]);
    assert_eq!(ended.code, 1, "{ended}");
    serde_json::from_str::<Value>(&ended.stdout).expect("one JSON document");
    assert!(ended.stderr.contains("--- FAIL: TestRacy"));
    assert!(fs::read_to_string(module.join("r.html")).unwrap().contains("TestRacy"));
    let sarif: Value = serde_json::from_str(&fs::read_to_string(module.join("r.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn one_race_of_two_packages_is_one_finding() {
    let counter = "package counter\n\nvar n int\n\nfunc Add(done chan bool) {\n\tn++\n\tdone <- true\n}\n";
    let test = |package: &str| {
        format!(
            "package {package}\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/counter\"\n)\n\n\
             func TestAdd(t *testing.T) {{\n\tt.Run(\"first\", func(t *testing.T) {{}})\n\
             \tt.Run(\"both\", func(t *testing.T) {{\n\t\tdone := make(chan bool, 2)\n\t\tgo counter.Add(done)\n\
             \t\tgo counter.Add(done)\n\t\t<-done\n\t\t<-done\n\t}})\n}}\n"
        )
    };
    let module = GoModule::new(&[
        ("counter/counter.go", counter),
        ("a/a_test.go", &test("a")),
        ("b/b_test.go", &test("b_test")),
    ]);
    let ended = module.raceguard(&["test", "--format=json", "./..."]);
    assert_eq!(ended.code, 1, "{ended}");
    let mut tests: Vec<String> = module
        .records_of("attribution")
        .iter()
        .flat_map(|record| {
            assert_eq!(record["by"], "stack");
            let package = record["package"].as_str().unwrap();
            strings(&record["tests"])
                .into_iter()
                .map(move |test| format!("{package} {test}"))
                .collect::<Vec<_>>()
        })
        .collect();
    tests.sort();
    tests.dedup();
    assert_eq!(tests, ["example.com/m/a TestAdd/both", "example.com/m/b TestAdd/both"]);
    let lines: std::collections::BTreeSet<String> = module
        .records_of("race")
        .iter()
        .map(|race| race["accesses"][0]["stack"][0]["line"].to_string())
        .collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["6"]);
}

#[test]
fn a_race_without_a_test_in_its_stacks_is_attributed_by_time() {
    let test = "package m\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nvar n int\n\nvar work = make(chan bool)\n\n\
        var done = make(chan bool)\n\nfunc init() {\n\tfor range 2 {\n\t\tgo func() {\n\t\t\tfor range work {\n\
        \t\t\t\tn++\n\t\t\t\ttime.Sleep(20 * time.Millisecond)\n\t\t\t\tdone <- true\n\t\t\t}\n\t\t}()\n\t}\n}\n\n\
        func TestBefore(t *testing.T) { time.Sleep(100 * time.Millisecond) }\n\n\
        func TestWorks(t *testing.T) {\n\twork <- true\n\twork <- true\n\t<-done\n\t<-done\n\
        \ttime.Sleep(100 * time.Millisecond)\n}\n";
    let module = GoModule::new(&[("m_test.go", test)]);
    module.raceguard(&["test", "."]).expect(1, &["data race"]);
    let attribution = &module.records_of("attribution")[0];
    assert_eq!(attribution["by"], "time");
    assert_eq!(attribution["package"], "example.com/m");
    assert_eq!(strings(&attribution["tests"]), ["TestWorks"]);
}

#[test]
fn a_crash_by_concurrent_map_writes_is_evidence() {
    let test = "package m\n\nimport \"testing\"\n\nfunc TestMap(t *testing.T) {\n\tm := map[int]int{}\n\
        \tfor range 8 {\n\t\tgo func() {\n\t\t\tfor i := 0; ; i++ {\n\t\t\t\tm[i%8] = i\n\t\t\t}\n\t\t}()\n\t}\n\
        \tselect {}\n}\n";
    let module = GoModule::new(&[("m_test.go", test)]);
    module.raceguard(&["test", "."]).expect(1, &["fatal error: concurrent map writes"]);
    let crash = &module.records_of("crash")[0];
    assert_eq!(crash["message"], "fatal error: concurrent map writes");
    assert_eq!((&crash["package"], &crash["test"]), (&"example.com/m".into(), &"TestMap".into()));
    assert!(!module.records_of("race").is_empty(), "the race was recorded before the crash");
}

#[test]
fn a_package_that_dies_before_its_tests_has_failed() {
    let module = GoModule::new(&[(
        "m_test.go",
        "package m\n\nimport \"testing\"\n\nfunc init() { panic(\"early\") }\n\nfunc TestX(t *testing.T) {}\n",
    )]);
    module.raceguard(&["test", "./..."]).expect(1, &["panic: early", "FAIL\texample.com/m"]);
}

#[test]
fn flags_of_go_test_pass() {
    let test = "//go:build special\n\npackage m\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"testing\"\n)\n\n\
        func Value() int { return 1 }\n\n\
        func TestArgs(t *testing.T) { fmt.Println(\"arguments:\", os.Args[len(os.Args)-3:]); Value() }\n\n\
        func TestOther(t *testing.T) { t.Fatal(\"was not to run\") }\n\n\
        func BenchmarkValue(b *testing.B) {\n\tfor range b.N {\n\t\tValue()\n\t}\n}\n";
    let module = GoModule::new(&[
        ("sub/m_test.go", test),
        ("sub/m.go", "package m\n\nfunc Used() int { return 2 }\n"),
    ]);
    let words = [
        "test",
        "-C",
        "sub",
        "-tags=special",
        "-run",
        "TestArgs",
        "-count",
        "2",
        "-coverprofile=c.out",
        "-bench=.",
        "-benchtime=3x",
        "-timeout=1m",
        ".",
        "--no-report",
        "-args",
        "x",
        "--format",
        "-json",
    ];
    let ended = module.raceguard(&words);
    ended.expect(0, &["arguments: [x --format -json]", "BenchmarkValue", "coverage: 0.0% of statements"]);
    assert_eq!(ended.stdout.matches("arguments:").count(), 2, "{ended}");
    let tests = module.records_of("test");
    assert!(
        tests.iter().all(|test| test["result"] == "pass"),
        "a benchmark that passed has not failed: {tests:?}"
    );
    assert!(fs::read_to_string(module.join("sub/c.out")).unwrap().contains("m.go"));
    assert!(module.join(".raceguard/last").is_file(), "evidence is in the module of the folder of -C");
}

#[test]
fn compiling_without_running_leaves_a_binary_with_our_runtime() {
    let module = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
    module.raceguard(&["test", "-c", "-o", "m.test", "."]).expect(0, &[]);
    assert!(support_contains(&fs::read(module.join("m.test")).unwrap()));
    let listed = module.raceguard(&["test", "-list", ".", "./..."]);
    listed.expect(0, &["TestClean", "ok  \texample.com/m"]);
    assert!(!listed.stdout.contains("no data race"), "{listed}");
    assert!(!module.join(".raceguard").exists(), "nothing ran");
}

/// Whether a program holds the name of the runtime's own environment variable.
fn support_contains(program: &[u8]) -> bool {
    let needle = b"RACEGUARD_EVIDENCE";
    program.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn workspaces_work() {
    let module = GoModule::new(&[
        ("go.work", "go 1.22\n\nuse ./one\nuse ./two\n"),
        ("one/go.mod", "module example.com/one\n\ngo 1.22\n"),
        ("one/m_test.go", RACY_TEST),
        ("two/go.mod", "module example.com/two\n\ngo 1.22\n"),
        ("two/m_test.go", CLEAN_TEST),
    ]);
    fs::remove_file(module.join("go.mod")).unwrap();
    module
        .raceguard(&["test", "./one", "./two"])
        .expect(1, &["FAIL\texample.com/one", "ok  \texample.com/two"]);
    assert_eq!(module.records_of("attribution")[0]["package"], "example.com/one");
    module.raceguard(&["test", "./..."]).expect(2, &["hint: name the modules of the workspace"]);
}

#[test]
fn flags_in_goflags_count() {
    let module = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
    let verbose = support::run(module.command(&["test", "."]).env("GOFLAGS", "-v -count=1"));
    verbose.expect(0, &["=== RUN   TestClean", "--- PASS: TestClean"]);
    let events = support::run(module.command(&["test", "."]).env("GOFLAGS", "-json"));
    events.expect(0, &["{\"Time\":", "no data race found"]);
    assert!(events.stdout.lines().all(|line| line.starts_with('{')), "{events}");
}

#[test]
fn vendored_packages_work() {
    let test = "package m\n\nimport (\n\t\"testing\"\n\n\t\"example.com/dep\"\n)\n\n\
        func TestDep(t *testing.T) {\n\tdone := make(chan bool)\n\tgo dep.Add(done)\n\tgo dep.Add(done)\n\
        \t<-done\n\t<-done\n}\n";
    let module = GoModule::new(&[
        ("m_test.go", test),
        ("go.mod", "module example.com/m\n\ngo 1.22\n\nrequire example.com/dep v1.0.0\n"),
        ("vendor/modules.txt", "# example.com/dep v1.0.0\n## explicit; go 1.22\nexample.com/dep\n"),
        (
            "vendor/example.com/dep/dep.go",
            "package dep\n\nvar n int\n\nfunc Add(done chan bool) {\n\tn++\n\tdone <- true\n}\n",
        ),
    ]);
    module
        .raceguard(&["test", "-mod=vendor", "./..."])
        .expect(1, &["data race", "vendor/example.com/dep/dep.go"]);
}

#[test]
fn external_linking_works() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    module.raceguard(&["test", "-ldflags=-linkmode=external", "."]).expect(1, &["data race"]);
    assert_eq!(module.records_of("attribution").len(), module.records_of("race").len());
}
