//! Go modules in temporary folders, and the raceguard program run in them.
//!
//! Tests that run Go need it on PATH (1.22 or newer), and a C compiler; without them they fail. `raceguard check` needs
//! none: its tests run in an environment in which nothing of this machine counts.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
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

/// A file with one race on a map: a write in a goroutine against one in the function that started it.
pub(crate) const RACY: &str = "package m

func Race() {
	counts := map[string]int{}
	go func() {
		counts[\"a\"] = 1
	}()
	counts[\"b\"] = 2
}
";

/// A file without a finding.
pub(crate) const CLEAN: &str = "package m

func Double(n int) int { return 2 * n }
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

/// A Go module in a temporary folder, with a home beside it.
pub(crate) struct GoModule {
    folder: tempfile::TempDir,
    has_go: bool,
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl GoModule {
    /// A module `example.com/m` with these files; a go.mod among them counts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let module = Self { has_go: true, ..Self::bare(files) };
        if files.iter().all(|(name, _)| *name != "go.mod") {
            module.write("go.mod", "module example.com/m\n\ngo 1.22\n");
        }
        module
    }

    /// The same on a machine without Go.
    pub(crate) fn without_go(files: &[(&str, &str)]) -> Self {
        Self { has_go: false, ..Self::new(files) }
    }

    /// A folder without a go.mod on a machine without Go.
    pub(crate) fn bare(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("raceguard-it-").tempdir().unwrap();
        let module = Self { folder, has_go: false };
        fs::create_dir(module.path()).unwrap();
        for (name, text) in files {
            module.write(name, text);
        }
        module
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("m")
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a program for the shell.
    pub(crate) fn write_script(&self, name: &str, text: &str) -> String {
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
        if !self.has_go {
            command.env("XDG_CACHE_HOME", self.folder.path().join("cache"));
            for variable in ["GOROOT", "GOPATH", "GOMODCACHE", "GOWORK", "GOENV"] {
                command.env_remove(variable);
            }
            command.env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        }
        command
    }

    /// Runs raceguard to its end.
    pub(crate) fn raceguard(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments))
    }

    /// Runs `raceguard check` to its end.
    pub(crate) fn check(&self, arguments: &[&str]) -> Ended {
        let words: Vec<&str> = ["check"].iter().chain(arguments).copied().collect();
        self.raceguard(&words)
    }

    /// The rules of the findings that `raceguard check` shows.
    pub(crate) fn rules(&self, arguments: &[&str]) -> Vec<String> {
        let report = self.json(arguments);
        let findings = report["findings"].as_array().expect("findings");
        findings.iter().map(|finding| finding["rule"]["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The report of `raceguard check` as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let words: Vec<&str> = ["--format", "json"].iter().chain(arguments).copied().collect();
        let ended = self.check(&words);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"))
    }

    /// Runs git in the module's folder.
    pub(crate) fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        command.args(who).args(arguments).current_dir(self.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let ended = run(&mut command);
        assert_eq!(ended.code, 0, "{ended}");
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
