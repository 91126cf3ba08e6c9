//! The substitution inside of real builds.

mod support;

use std::fs;
use std::process::Command;

use support::{CLEAN_TEST, GoModule, RACY_TEST, go, run};

const MAIN: &str = "package main\n\nfunc main() { println(\"hello\") }\n";

fn holds_our_runtime(program: &[u8]) -> bool {
    let needle = b"RACEGUARD_EVIDENCE";
    program.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn compile_steps_are_shared_with_stock_race() {
    let module = GoModule::new(&[("main.go", MAIN)]);
    let stock = run(Command::new(go()).args(["build", "-race", "-o", "stock"]).current_dir(module.path()));
    stock.expect(0, &[]);
    let ours = module.raceguard(&["build", "-x", "-o", "ours"]);
    ours.expect(0, &["/link "]);
    assert!(!ours.stderr.contains("/compile "), "{ours}");
    assert!(holds_our_runtime(&fs::read(module.join("ours")).unwrap()));
    assert!(!holds_our_runtime(&fs::read(module.join("stock")).unwrap()));
    // The other way round, stock programs are not mistaken for ours.
    run(Command::new(go()).args(["build", "-race", "-o", "stock"]).current_dir(module.path())).expect(0, &[]);
    assert!(!holds_our_runtime(&fs::read(module.join("stock")).unwrap()));
}

#[test]
fn every_level_of_amd64_gets_our_runtime() {
    let module = GoModule::new(&[("main.go", MAIN)]);
    for level in ["v1", "v2", "v3", "v4"] {
        run(module.command(&["build", "-o", level]).env("GOAMD64", level)).expect(0, &[]);
        assert!(holds_our_runtime(&fs::read(module.join(level)).unwrap()), "{level}");
    }
}

#[test]
fn the_users_own_toolexec_is_called_for_every_tool() {
    let module = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
    let wrap = module
        .write_script("my tools/wrap", "#!/bin/sh\necho \"$1: $2\" >> \"$WRAP_LOG\"\nshift\nexec \"$@\"\n");
    let log = module.join("wrap.log");
    let flag = format!("-toolexec='{wrap}' mark");
    let ended = run(module.command(&["test", &flag, "."]).env("WRAP_LOG", &log));
    ended.expect(0, &["ok  \texample.com/m"]);
    let calls = fs::read_to_string(&log).unwrap();
    for tool in ["/compile", "/link"] {
        assert!(
            calls.lines().any(|call| call.starts_with("mark: ") && call.ends_with(tool)),
            "{tool}: {calls}"
        );
    }
    // The same from GOFLAGS.
    fs::remove_file(&log).unwrap();
    let goflags = format!("'-toolexec=\"{wrap}\" again'");
    let ended = run(module
        .command(&["test", "-count=1", "-ldflags=-X=a.b=c", "."])
        .env("WRAP_LOG", &log)
        .env("GOFLAGS", goflags));
    ended.expect(0, &["ok  \texample.com/m"]);
    assert!(fs::read_to_string(&log).unwrap().contains("again: "));
}

#[test]
fn an_exec_of_the_users_own_runs_the_tests() {
    let module = GoModule::new(&[("m_test.go", RACY_TEST)]);
    let wrap = module.write_script("wrap", "#!/bin/sh\necho through the wrapper\nexec \"$@\"\n");
    module.raceguard(&["test", "-v", "-exec", &wrap, "."]).expect(1, &["through the wrapper", "data race"]);
    assert!(!module.records_of("race").is_empty());
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_only() {
    let module = GoModule::new(&[("main.go", MAIN)]);
    module.write("file", "");
    let cache = Command::new(go()).args(["env", "GOCACHE"]).output().unwrap();
    let cache = String::from_utf8(cache.stdout).unwrap();
    let mut command = module.command(&["build", "-o", "ours"]);
    command.env("XDG_CACHE_HOME", module.join("file")).env("GOCACHE", cache.trim());
    run(&mut command).expect(0, &[]);
    assert!(holds_our_runtime(&fs::read(module.join("ours")).unwrap()));
}

#[test]
fn called_by_hand_it_says_what_it_is_for() {
    let module = GoModule::new(&[]);
    module.raceguard(&["toolexec"]).expect(2, &["this command is for cmd/go"]);
    module.raceguard(&["toolexec", "--", "/no/such/tool"]).expect(2, &["cannot run /no/such/tool", "hint:"]);
}
