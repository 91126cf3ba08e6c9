//! Everything that can be wrong around a run: each has a clear message, a hint, and exit code 2.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{CLEAN_TEST, Ended, GoModule, RACY_TEST, ended, go, run};

fn module() -> GoModule {
    GoModule::new(&[("m_test.go", CLEAN_TEST)])
}

/// A module with a `go` of its own in `bin/`, a script in which `$GO` is the real one.
fn with_go(script: &str) -> (GoModule, String) {
    let module = module();
    module.write_script("bin/go", &format!("#!/bin/sh\nGO={}\n{script}\n", go().display()));
    let path = format!("{}:{}", module.join("bin").display(), std::env::var("PATH").unwrap());
    (module, path)
}

fn test_with_go(script: &str) -> Ended {
    let (module, path) = with_go(script);
    run(module.command(&["test", "./..."]).env("PATH", path))
}

#[test]
fn no_go() {
    let module = module();
    run(module.command(&["test", "./..."]).env("PATH", module.path()))
        .expect(2, &["no `go` command was found on PATH", "hint: install Go"]);
    assert!(!module.join(".raceguard").exists());
}

#[test]
fn go_that_is_too_old() {
    test_with_go("[ $1 = env ] && exec echo '{\"GOVERSION\":\"go1.21.13\"}'; exit 99")
        .expect(2, &["Go 1.21 is too old: raceguard needs Go 1.22 or newer", "hint: install Go 1.22"]);
}

#[test]
fn go_that_is_newer_than_tested_works_with_a_warning() {
    let script = "if [ $1 = env ]; then \"$GO\" \"$@\" | sed 's/\"go1\\.[0-9.]*\"/\"go1.99.1\"/'; else exec \"$GO\" \"$@\"; fi";
    test_with_go(script).expect(0, &["warning: Go 1.99 is newer than", "ok  \texample.com/m"]);
}

#[test]
fn go_that_does_not_work() {
    test_with_go("echo 'go: broken installation' >&2; exit 1")
        .expect(2, &["`go env` failed", "go: broken installation", "hint:"]);
}

#[test]
fn another_platform() {
    let host = "[ $1 = env ] && exec echo '{\"GOVERSION\":\"go1.26.0\",\"GOHOSTOS\":\"darwin\",\"GOHOSTARCH\":\"arm64\"}'";
    test_with_go(host).expect(2, &["does not run on darwin/arm64", "hint:"]);
    for (variable, value) in [("GOOS", "windows"), ("GOARCH", "arm64")] {
        run(module().command(&["test"]).env(variable, value))
            .expect(2, &["asks for a cross build", value, "hint: unset GOOS and GOARCH"]);
    }
}

#[test]
fn cgo_that_is_off_and_a_compiler_that_is_missing() {
    run(module().command(&["test"]).env("CGO_ENABLED", "0")).expect(2, &["CGO_ENABLED=0 is set", "hint:"]);
    run(module().command(&["test"]).env("CC", "no-such-cc"))
        .expect(2, &["`no-such-cc` was not found", "hint:"]);
}

#[test]
fn a_package_that_does_not_compile_shows_gos_own_errors() {
    let module = GoModule::new(&[(
        "m_test.go",
        "package m\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { undefinedName() }\n",
    )]);
    let ended = module.raceguard(&["test", "./..."]);
    ended.expect(2, &["[build failed]", "hint: mend what Go's compiler says"]);
    assert!(ended.stderr.contains("./m_test.go:5:28: undefined: undefinedName\n"), "{ended}");
}

#[test]
fn no_packages_match() {
    for pattern in ["./nothing/...", "./nothing", "example.com/m/nothing/..."] {
        module().raceguard(&["test", pattern]).expect(2, &["nothing", "hint: check the package patterns"]);
    }
}

#[test]
fn no_module() {
    let folder = tempfile::tempdir().unwrap();
    for words in [["test", "./..."], ["test", "."], ["run", "."], ["build", "./..."]] {
        let mut command = module().command(&words);
        run(command.current_dir(folder.path())).expect(2, &["hint: run it inside of a Go module"]);
    }
}

#[test]
fn nothing_to_build() {
    for (words, hint) in [
        (["build", "./nothing"], "hint: check the package patterns"),
        (["run", "./nothing"], "hint: check the package patterns"),
        (["build", "-nosuchflag"], "hint: `go help testflag`"),
    ] {
        module().raceguard(&words).expect(2, &[hint]);
    }
    let empty = GoModule::new(&[("sub/m_test.go", CLEAN_TEST)]);
    empty.raceguard(&["test"]).expect(2, &["no Go files in", "hint: name the packages", "./..."]);
    let wrong_flag = empty.raceguard(&["test", "-count=x", "./..."]);
    assert!(!wrong_flag.stdout.contains("FAIL"), "no test had the chance to fail: {wrong_flag}");
}

#[test]
fn a_folder_that_is_not_there() {
    module().raceguard(&["test", "-C", "nowhere"]).expect(2, &["cannot work in the folder nowhere", "hint:"]);
}

#[test]
fn flags_that_cannot_be() {
    module()
        .raceguard(&["test", "-race=false"])
        .expect(2, &["-race=false turns the race detector off", "hint:"]);
    module().raceguard(&["test", "-run"]).expect(2, &["-run needs a value", "hint:"]);
    module().raceguard(&["test", "-toolexec", "'open"]).expect(2, &["a quote is not closed", "hint:"]);
    // A flag that only Go can judge.
    module().raceguard(&["test", "-count=many", "."]).expect(2, &["invalid value \"many\""]);
}

#[test]
fn runtime_options_that_are_none() {
    for (command, options, word) in [
        ("test", "sample=1%,memory_limit=2gb", "`memory_limit=2gb`"),
        ("run", "sample:1%", "`sample`"),
        ("test", "sample=200%", "`sample=200%`"),
    ] {
        let ended = run(module().command(&[command, "."]).env("RACEGUARD", options));
        ended.expect(2, &[word, "is no option of the race runtime", "hint: it takes sample=1%"]);
        assert!(!ended.stdout.contains("ok  "), "nothing is run: {ended}");
    }
}

#[test]
fn a_module_cache_that_cannot_be_written() {
    let module = GoModule::new(&[("m.go", "package m\n\nimport _ \"example.com/dep\"\n")]);
    module.write("go.mod", "module example.com/m\n\ngo 1.22\n\nrequire example.com/dep v1.0.0\n");
    module.write("file", "");
    let cache = module.join("file/cache");
    let mut command = module.command(&["test", "-mod=mod", "./..."]);
    command
        .env("GOMODCACHE", &cache)
        .env("GOPROXY", format!("file://{}", module.path().display()))
        .env("GONOSUMDB", "*");
    run(&mut command).expect(2, &["not a directory", "hint: Go can't write its cache", "GOMODCACHE"]);
}

#[test]
fn a_build_cache_that_cannot_be_written() {
    let module = module();
    module.write("file", "");
    run(module.command(&["test"]).env("GOCACHE", module.join("file/cache")))
        .expect(2, &["hint: Go can't write its cache", "GOCACHE"]);
}

#[test]
fn a_raceguard_folder_that_cannot_be_written() {
    let module = module();
    module.write(".raceguard", "a file is in the way");
    let ended = module.raceguard(&["test", "./..."]);
    ended
        .expect(2, &["cannot write evidence into", "/.raceguard", "hint: make the module's folder writable"]);
    assert!(!ended.stdout.contains("ok  "), "nothing is run: {ended}");
}

#[test]
fn a_disk_that_fills_up_while_tests_run() {
    // Files may grow to a limit, as on a disk of that size, and the test makes the evidence as long as that.
    let test = "package m\n\nimport (\n\t\"os\"\n\t\"syscall\"\n\t\"testing\"\n)\n\nfunc TestFill(t *testing.T) {\n\
        \tvar limit syscall.Rlimit\n\tif err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {\n\
        \t\tt.Fatal(err)\n\t}\n\terr := os.Truncate(os.Getenv(\"RACEGUARD_EVIDENCE\"), int64(limit.Cur))\n\
        \tif err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n";
    let module = GoModule::new(&[("m_test.go", test)]);
    let limited =
        format!("trap '' XFSZ; ulimit -f 40000; exec {} test ./...", env!("CARGO_BIN_EXE_raceguard"));
    let ended = run(std::process::Command::new("sh").args(["-c", &limited]).current_dir(module.path()));
    ended
        .expect(2, &["ok  \texample.com/m", "can't write evidence", "check that there is space on the disk"]);
}

/// A test that races, says that it is there, and then waits for a signal.
const WAITING_TEST: &str = "package m

import (
	\"fmt\"
	\"os\"
	\"os/signal\"
	\"testing\"
	\"time\"
)

func TestWaits(t *testing.T) {
	if os.Getenv(\"STUBBORN\") != \"\" {
		signal.Ignore(os.Interrupt)
	}
	shared := 0
	done := make(chan bool)
	go func() { shared++; done <- true }()
	shared++
	<-done
	fmt.Println(\"waiting in\", os.Getpid())
	time.Sleep(time.Hour)
}
";

/// Starts the waiting test and waits until it is there; returns raceguard and the number of the test's process.
fn start_waiting(module: &GoModule, stubborn: bool) -> (Child, i32) {
    let mut command = module.command(&["test", "-v", "./..."]);
    if stubborn {
        command.env("STUBBORN", "1");
    }
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waiting = lines.find_map(|line| Some(line.unwrap().strip_prefix("waiting in ")?.to_owned()));
    // Goes on reading, so that the pipe does not fill up.
    std::thread::spawn(move || lines.for_each(drop));
    (child, waiting.expect("the test prints").parse().unwrap())
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

fn assert_ends(pid: i32) {
    let start = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "the test's process {pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_interrupted(module: &GoModule, ended: &Ended) {
    ended.expect(130, &["interrupted"]);
    assert!(!module.records_of("race").is_empty(), "evidence is kept");
    assert_eq!(module.records_of("attribution")[0]["tests"][0], "TestWaits");
    let end = &module.records_of("run_end")[0];
    assert_eq!((&end["interrupted"], &end["exit_code"]), (&true.into(), &130.into()));
}

#[test]
fn ctrl_c_ends_the_tests_and_keeps_the_evidence() {
    let module = GoModule::new(&[("m_test.go", WAITING_TEST)]);
    let (child, pid) = start_waiting(&module, false);
    interrupt(&child);
    let ended = ended(&child.wait_with_output().unwrap());
    assert_ends(pid);
    assert_interrupted(&module, &ended);
}

#[test]
fn a_second_ctrl_c_kills_tests_that_do_not_end() {
    let module = GoModule::new(&[("m_test.go", WAITING_TEST)]);
    let (child, pid) = start_waiting(&module, true);
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(500));
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "it ignores the first one");
    interrupt(&child);
    let ended = ended(&child.wait_with_output().unwrap());
    assert_ends(pid);
    assert_interrupted(&module, &ended);
}

#[test]
fn evidence_is_kept_when_the_reader_of_stdout_goes_away() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    let mut child = module
        .command(&["test", "-v", "./..."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = ended(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(module.records_of("run_end").len(), 1);
    assert!(fs::exists(module.join(".raceguard/last")).unwrap());
}
