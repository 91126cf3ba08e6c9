//! What the tests of binary formats share: files that Go's runtime makes in the test run, and reading them.
//!
//! The workload runs on the Go of PATH. `RACEGUARD_TEST_GO` may list further `go` commands, separated by colons, on
//! which the same tests run: the oldest and the newest that raceguard supports. Tools that are compared with are those
//! of PATH, which has to be Go 1.23 or newer.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use raceguard_evidence::foreign::{self, ForeignError};
use raceguard_evidence::{Record, Source};
use tempfile::TempDir;

/// Files made by the workload under one Go.
pub(crate) struct Made {
    /// The `go` command.
    pub(crate) go: PathBuf,
    /// `go1.26.8`.
    pub(crate) version: String,
    folder: TempDir,
}

impl Made {
    /// A file of the workload: `trace.out`, `mutex.pb.gz`, ….
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its content.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).expect("the workload has written it")
    }
}

/// The files of each Go, made once.
pub(crate) fn made() -> &'static [Made] {
    static MADE: LazyLock<Vec<Made>> = LazyLock::new(|| gos().into_iter().map(make).collect());
    &MADE
}

/// The files of the Go on PATH.
pub(crate) fn made_by_path() -> &'static Made {
    made().iter().find(|made| made.go == Path::new("go")).expect("the one of PATH is always there")
}

fn gos() -> Vec<PathBuf> {
    let others = std::env::var_os("RACEGUARD_TEST_GO").unwrap_or_default();
    let others = std::env::split_paths(&others).filter(|path| !path.as_os_str().is_empty());
    std::iter::once(PathBuf::from("go")).chain(others).collect()
}

fn make(go: PathBuf) -> Made {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_binary/workload/main.go");
    std::fs::copy(workload, folder.path().join("main.go")).expect("the workload is copied");
    std::fs::write(folder.path().join("go.mod"), "module example.com/workload\n\ngo 1.22\n").expect("go.mod");
    let program = folder.path().join("workload");
    run(tool(&go).args(["build", "-o"]).arg(&program).arg(".").current_dir(folder.path()));
    run(Command::new(&program).arg(folder.path()));
    let version = run(tool(&go).args(["env", "GOVERSION"]));
    Made { version: String::from_utf8_lossy(&version).trim().to_owned(), go, folder }
}

/// The `go` command, without what the user's environment adds to it.
pub(crate) fn tool(go: &Path) -> Command {
    let mut command = Command::new(go);
    for variable in ["GOFLAGS", "GOROOT", "GOWORK", "GODEBUG", "GOMAXPROCS"] {
        command.env_remove(variable);
    }
    command.env("GOTOOLCHAIN", "local");
    command
}

/// What a command prints; it has to succeed.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("these tests need Go on PATH: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Reads bytes as a foreign file.
pub(crate) fn try_read(path: &str, mut content: &[u8]) -> Result<(Source, Vec<Record>), ForeignError> {
    let mut records = Vec::new();
    let mut take = |record| {
        records.push(record);
        Ok(())
    };
    let source = foreign::read("s1", path, &mut content, None, &mut take, &mut |_| {})?;
    Ok((source, records))
}

/// Reads bytes that are a foreign file.
pub(crate) fn read(path: &str, content: &[u8]) -> (Source, Vec<Record>) {
    try_read(path, content).unwrap_or_else(|error| panic!("{error}"))
}

/// How many parts of a kind were skipped.
pub(crate) fn skipped(source: &Source, what: &str) -> u64 {
    source.skipped.iter().filter(|skipped| skipped.what == what).map(|skipped| skipped.count).sum()
}
