//! `raceguard ingest` as a command: which files, whose, what is told, and how it ends.

mod support;

use std::io::Write as _;
use std::process::Stdio;

use support::{GoModule, ended};

const CRASH: &str = "fatal error: concurrent map writes\n\ngoroutine 7 [running]:\nexample.com/m/store.(*Store).Put(0xc000010000)\n\
    \t/m/store/store.go:7 +0x1\n\ngoroutine 8 [sync.Mutex.Lock]:\nsync.(*Mutex).Lock(0xc000010010)\n\t/go/mutex.go:1 +0x1\n\
    example.com/m/store.(*Store).Get(0xc000010000)\n\t/m/store/store.go:9 +0x1\n";

fn module() -> GoModule {
    GoModule::new(&[("a.log", CRASH)])
}

#[test]
fn a_run_holds_everything_and_can_be_reported() {
    let module = module();
    module.write("cover.out", "mode: set\nexample.com/m/a.go:1.1,2.2 1 1\n");
    module.raceguard(&["ingest", "a.log", "cover.out"]).expect(
        0,
        &[
            "a.log: 1 crash, 1 goroutine dump (go-output, ",
            "cover.out: 1 coverage record (coverage, ",
            "2 files (",
        ],
    );
    let kinds: Vec<String> = module
        .records()
        .iter()
        .map(|record| record["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(kinds, ["run", "crash", "goroutine_dump", "source", "coverage", "source", "run_end"]);
    let records = module.records();
    assert_eq!((&records[0]["mode"], &records[0]["module"]), (&"ingest".into(), &"example.com/m".into()));
    assert_eq!((&records[1]["source"], &records[3]["id"]), (&"s1".into(), &"s1".into()));
    assert_eq!((&records[4]["source"], &records[5]["records"]), (&"s2".into(), &1.into()));
    module.raceguard(&["report"]).expect(1, &["concurrent map writes"]);
}

#[test]
fn the_same_content_is_counted_once() {
    let module = module();
    module.write("copy.log", CRASH);
    module
        .raceguard(&["ingest", "a.log", "copy.log"])
        .expect(0, &["copy.log: has the content of a.log; counted once", "1 file ("]);
    assert_eq!(module.records_of("crash").len(), 1);
    let run = std::fs::read_to_string(module.join(".raceguard/last")).expect("a run");
    module.raceguard(&["ingest", "copy.log"]).expect(0, &["which run", "no run was made"]);
    assert_eq!(std::fs::read_to_string(module.join(".raceguard/last")).expect("a run"), run);
    // A run that is gone counts no more.
    std::fs::remove_dir_all(module.join(".raceguard/runs")).expect("a folder");
    module.raceguard(&["ingest", "copy.log"]).expect(0, &["1 crash"]);
}

#[test]
fn evidence_of_another_module_is_refused() {
    let module = module();
    let other = CRASH.replace("example.com/m/", "github.com/else/where/");
    module.write("other.log", &other);
    module
        .raceguard(&["ingest", "other.log"])
        .expect(2, &["evidence of another module", "github.com/else/where", "--force"]);
    assert!(!module.join(".raceguard/last").exists(), "no run was made");
    module
        .raceguard(&["ingest", "other.log", "a.log"])
        .expect(2, &["evidence of another module", "a.log: 1 crash"]);
    assert_eq!(module.records_of("crash").len(), 1);
    module.raceguard(&["ingest", "--force", "other.log"]).expect(0, &["other.log: 1 crash"]);
}

#[test]
fn folders_are_walked_and_other_files_in_them_are_no_failure() {
    let module = module();
    module.write("ci/deep/b.log", CRASH.replace("goroutine 7", "goroutine 9"));
    module.write("ci/README.md", "# Read me\n");
    module.write("ci/image.png", "\u{0}\u{1}\u{2}");
    module.write("ci/empty", "");
    module.raceguard(&["ingest", "ci"]).expect(0, &["ci/deep/b.log: 1 crash", "3 files without evidence: "]);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_ingested() {
    let module = module();
    module.write("image.png", "\u{0}\u{1}\u{2}");
    module.write("empty.log", "");
    module.raceguard(&["ingest", "none.log", "image.png", "empty.log", "a.log"]).expect(
        2,
        &[
            "none.log: can't be read: No such file",
            "image.png: no known format begins like this",
            "empty.log: is empty",
            "a.log: 1 crash",
        ],
    );
    module
        .raceguard(&["ingest", "--format", "coverages", "a.log"])
        .expect(2, &["no format of evidence named coverages", "go-output"]);
    module.raceguard(&["ingest"]).expect(2, &["Usage: raceguard ingest"]);
    module.raceguard(&["ingest", "--formats"]).expect(0, &["pprof-text", "events of go test -json"]);
}

#[test]
fn standard_input_is_a_file() {
    let module = module();
    let mut command = module.command(&["ingest", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(CRASH.as_bytes()).expect("it reads");
    ended(&child.wait_with_output().expect("it ends")).expect(0, &["-: 1 crash, 1 goroutine dump"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let module = module();
    module.write(".raceguard", "a file");
    module.raceguard(&["ingest", "a.log"]).expect(2, &["cannot write evidence into", "hint: "]);
}
