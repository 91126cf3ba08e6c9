//! `raceguard run` and `raceguard build` on small programs.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{GoModule, run};

const RACY_MAIN: &str = "package main

import (
	\"bufio\"
	\"fmt\"
	\"os\"
)

func main() {
	line, _ := bufio.NewReader(os.Stdin).ReadString('\\n')
	fmt.Print(\"read \", line)
	fmt.Println(\"arguments\", os.Args[1:])
	shared := 0
	done := make(chan bool)
	go func() { shared++; done <- true }()
	shared++
	<-done
	if len(os.Args) > 1 && os.Args[1] == \"fail\" {
		os.Exit(7)
	}
}
";

#[test]
fn a_program_has_its_own_streams_and_the_report_follows() {
    let module = GoModule::new(&[("cmd/racy/main.go", RACY_MAIN)]);
    let mut child = module
        .command(&["run", "--report", "r.html", "./cmd/racy", "a", "--format", "-v"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let ended = support::ended(&child.wait_with_output().unwrap());
    ended.expect(1, &["WARNING: DATA RACE"]);
    assert_eq!(ended.stdout, "read hello\narguments [a --format -v]\n");
    assert!(ended.stderr.contains("cmd/racy/main.go:15"), "{ended}");
    assert!(fs::read_to_string(module.join("r.html")).unwrap().contains("main.go"));
    assert_eq!(module.records_of("run")[0]["mode"], "run");
    assert_eq!(module.records_of("run_end")[0]["exit_code"], 1);
}

#[test]
fn the_programs_own_exit_code_passes() {
    let module = GoModule::new(&[("main.go", RACY_MAIN)]);
    module.raceguard(&["run", ".", "fail"]).expect(7, &["data race"]);
    let clean = GoModule::new(&[("main.go", "package main\n\nfunc main() {}\n")]);
    clean.raceguard(&["run", "main.go"]).expect(0, &[]);
}

#[test]
fn a_crash_is_evidence() {
    let main = "package main\n\nfunc main() {\n\tm := map[int]int{}\n\tfor range 8 {\n\t\tgo func() {\n\
        \t\t\tfor i := 0; ; i++ {\n\t\t\t\tm[i%8] = i\n\t\t\t}\n\t\t}()\n\t}\n\tselect {}\n}\n";
    let module = GoModule::new(&[("main.go", main)]);
    module.raceguard(&["run", "."]).expect(2, &["fatal error: concurrent map writes"]);
    assert_eq!(module.records_of("crash")[0]["message"], "fatal error: concurrent map writes");
}

#[test]
fn signals_reach_the_program() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"os/signal\"\n\t\"syscall\"\n)\n\nfunc main() {\n\
        \tsignals := make(chan os.Signal, 1)\n\tsignal.Notify(signals, syscall.SIGTERM)\n\tfmt.Println(\"ready\")\n\
        \tfmt.Println(<-signals)\n\tos.Exit(9)\n}\n";
    let module = GoModule::new(&[("main.go", main)]);
    let mut child =
        module.command(&["run", "."]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "terminated\n");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_build_that_is_ended_leaves_nothing_behind() {
    let module = GoModule::new(&[("main.go", "package main\n\nfunc main() {}\n"), ("tmp/keep", "")]);
    let linking = module.join("linking");
    let script = format!(
        "#!/bin/sh\ncase $1$2 in\n*/link-V=full) ;;\n*/link*) touch '{}'; exec sleep 5 ;;\nesac\nexec \"$@\"\n",
        linking.display()
    );
    let wait = module.write_script("wait", &script);
    let mut child = module
        .command(&["run", "-toolexec", &wait, "."])
        .env("TMPDIR", module.join("tmp"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !linking.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "nothing is linked");
        std::thread::sleep(Duration::from_millis(20));
    }
    let folders = || {
        let entries = fs::read_dir(module.join("tmp")).unwrap();
        entries
            .filter(|entry| {
                entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"raceguard-run-")
            })
            .count()
    };
    assert_eq!(folders(), 1);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(folders(), 0, "the folder of the build is gone");
}

#[test]
fn what_cannot_be_run_is_told() {
    let module = GoModule::new(&[("lib/lib.go", "package lib\n")]);
    module.raceguard(&["run"]).expect(2, &["no Go files or package to run", "hint:"]);
    module.raceguard(&["run", "./lib"]).expect(2, &["not a main package", "hint:"]);
    module.raceguard(&["run", "example.com/x@latest"]).expect(2, &["names a version", "hint:"]);
    module.write("bad/main.go", "package main\n\nfunc main() { x }\n");
    module.raceguard(&["run", "./bad"]).expect(2, &["undefined: x", "hint:"]);
}

#[test]
fn a_built_program_writes_evidence_when_asked() {
    let module = GoModule::new(&[("main.go", RACY_MAIN)]);
    module.raceguard(&["build", "-o", "app", "."]).expect(0, &[]);
    let evidence = module.join("canary.jsonl");
    let app = run(std::process::Command::new(module.join("app"))
        .stdin(Stdio::null())
        .env("RACEGUARD_EVIDENCE", &evidence));
    app.expect(66, &["WARNING: DATA RACE"]);
    module.raceguard(&["report", "canary.jsonl"]).expect(1, &["main.go:15"]);
    module.write("main.go", "package main\n\nfunc main() { x }\n");
    module.raceguard(&["build", "."]).expect(2, &["undefined: x", "hint:"]);
}

/// The stock detector waits a second at the end of every program, for races of goroutines that are still running.
#[test]
fn a_program_does_not_sleep_at_its_end() {
    let module = GoModule::new(&[("main.go", RACY_MAIN)]);
    module.raceguard(&["build", "-o", "app", "."]).expect(0, &[]);
    let took = || {
        let start = Instant::now();
        let mut app = std::process::Command::new(module.join("app"));
        run(app.stdin(Stdio::null()).env_remove("GORACE")).expect(66, &["Found "]);
        start.elapsed()
    };
    // Of several runs on a busy machine, the quickest says what the program itself does.
    let quickest = std::iter::repeat_with(took).take(3).min().unwrap();
    assert!(quickest < Duration::from_millis(700), "{quickest:?}");
}
