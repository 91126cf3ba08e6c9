//! Go modules in temporary folders, and the raceguard program run in them.
//!
//! These tests need Go on PATH (1.22 or newer) and a C compiler; without them they fail.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A module with one race between a test and its goroutine.
pub(crate) const RACY_TEST: &str = "package m

import \"testing\"

func TestRacy(t *testing.T) {
	shared := 0
	done := make(chan bool)
	go func() {
		shared++
		done <- true
	}()
	shared++
	<-done
}
";

/// A module without a race.
pub(crate) const CLEAN_TEST: &str = "package m

import \"testing\"

func TestClean(t *testing.T) {
	done := make(chan int)
	go func() { done <- 1 }()
	if <-done != 1 {
		t.Fatal(\"lost\")
	}
}
";

/// A Go module in a temporary folder.
pub(crate) struct GoModule {
    folder: tempfile::TempDir,
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl GoModule {
    /// A module `example.com/m` with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("raceguard-it-").tempdir().unwrap();
        let module = Self { folder };
        module.write("go.mod", "module example.com/m\n\ngo 1.22\n");
        for (name, text) in files {
            module.write(name, text);
        }
        module
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a program for the shell.
    pub(crate) fn write_script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, text);
        fs::set_permissions(self.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        self.join(name).to_str().unwrap().to_owned()
    }

    /// raceguard in the module's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raceguard"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for variable in
            ["GOFLAGS", "GORACE", "RACEGUARD", "RACEGUARD_EVIDENCE", "GOOS", "GOARCH", "CGO_ENABLED", "PWD"]
        {
            command.env_remove(variable);
        }
        command
    }

    /// Runs raceguard to its end.
    pub(crate) fn raceguard(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments))
    }

    /// The records of the last run.
    pub(crate) fn records(&self) -> Vec<Value> {
        let last = fs::read_to_string(self.join(".raceguard/last")).expect("a run was recorded");
        let path = self.join(".raceguard/runs").join(last.trim()).join("evidence.jsonl");
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The records of one kind.
    pub(crate) fn records_of(&self, kind: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["kind"] == kind).collect()
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the program starts");
    ended(&output)
}

/// What a command printed, and its exit code.
pub(crate) fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The real `go` command.
pub(crate) fn go() -> PathBuf {
    raceguard_gotool::environment::find_program("go").expect("these tests need Go on PATH")
}

impl Ended {
    /// Fails unless the exit code and all texts, in stdout or stderr, are as expected.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, texts: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self}");
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "no {text:?} in\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
