//! A server, an agent, and what programs write into their logs.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A process, killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Kept open, so that the process can write to it.
    stderr: Option<BufReader<ChildStderr>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Asks it to end; gives the rest of what it says and its exit code.
    pub(crate) fn stop(mut self) -> (String, Option<i32>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("it runs").success());
        let mut text = String::new();
        if let Some(stderr) = &mut self.stderr {
            std::io::Read::read_to_string(stderr, &mut text).expect("it is text");
        }
        (text, self.child.wait().expect("it ends").code())
    }
}

/// Where a server and an agent keep what they have.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) write: String,
    pub(crate) read: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        // Free a moment ago; servers that are killed leave it free again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a port")
            .port();
        let token = |role: &str| {
            let output = Command::new(env!("CARGO_BIN_EXE_raceguard"))
                .args(["token", "add", role, "--role", role, "--data"])
                .arg(folder.path().join("data"))
                .output()
                .expect("it runs");
            String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
        };
        let (write, read) = (token("write"), token("read"));
        fs::create_dir_all(folder.path().join("logs")).expect("it is made");
        Self { folder, port, write, read }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub(crate) fn server(&self) -> Running {
        let data = self.folder.path().join("data");
        let listen = format!("127.0.0.1:{}", self.port);
        let words = ["serve", "--otlp-grpc", "none", "--listen", &listen, "--data", &data.to_string_lossy()];
        Self::start(&words, "http://")
    }

    /// Starts a server; it must say that it serves at an address that begins like this.
    pub(crate) fn start(words: &[&str], scheme: &str) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_raceguard"))
            .args(words)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        stderr.read_line(&mut line).expect("it says where it serves");
        assert!(line.contains("serving") && line.contains(scheme), "{line}");
        Running { child, stderr: Some(stderr) }
    }

    /// Writes the agent's configuration: the usual head, and what is to be followed.
    pub(crate) fn configure(&self, rest: &str) {
        let text = format!(
            "state = \"{}\"\npoll = \"20ms\"\nsettle = \"300ms\"\n[server]\nurl = \"{}\"\ntoken = \"{}\"\n\
             instance = \"i-1\"\n{rest}",
            self.folder.path().join("agent").display(),
            self.base(),
            self.write,
        );
        fs::write(self.folder.path().join("agent.toml"), text).expect("it is written");
    }

    pub(crate) fn agent(&self, stderr: Stdio) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_raceguard"))
            .args(["agent", "--config"])
            .arg(self.folder.path().join("agent.toml"))
            .stderr(stderr)
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().map(|stderr| {
            let (mut stderr, mut line) = (BufReader::new(stderr), String::new());
            stderr.read_line(&mut line).expect("it says what it does");
            assert!(line.contains("sending evidence"), "{line}");
            stderr
        });
        Running { child, stderr }
    }

    /// What the server answers on what it found; `None` when it can't be asked.
    pub(crate) fn findings(&self) -> Option<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let mut answer = agent
            .get(format!("{}/v1/findings?limit=1000", self.base()))
            .header("authorization", format!("Bearer {}", self.read))
            .call()
            .ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    /// Waits until the server has so many findings.
    pub(crate) fn wait_for(&self, findings: usize) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.findings();
            if let Some(answer) = &answer
                && answer["findings"].as_array().is_some_and(|list| list.len() >= findings)
            {
                return answer.clone();
            }
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "not {findings} findings in a minute: {:?}",
                answer.map(|answer| (answer["totals"].clone(), answer["findings"].as_array().map(Vec::len)))
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A race report as the race runtime prints it.
pub(crate) fn race(n: usize) -> String {
    format!(
        "==================\nWARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  main.put{n}()\n      \
         /m/a.go:{n} +0x44\n\nPrevious read at 0x00c000012345 by goroutine 8:\n  main.get{n}()\n      \
         /m/a.go:{n} +0x55\n\nGoroutine 7 (running) created at:\n  main.main()\n      /m/a.go:1 +0x1\n\
         ==================\n"
    )
}

/// A crash as Go prints it.
pub(crate) fn crash(n: usize) -> String {
    format!(
        "fatal error: concurrent map writes\n\ngoroutine 9 [running]:\nmain.crash{n}()\n\t/m/x.go:{n} +0x1d\n\
         main.main()\n\t/m/x.go:1 +0x2\n"
    )
}

/// A line of evidence as the race runtime writes it.
pub(crate) fn evidence(n: usize) -> String {
    let access = |op: &str, function: &str| {
        format!(
            "{{\"op\":\"{op}\",\"stack\":[{{\"function\":\"main.{function}{n}\",\"file\":\"/m/a.go\",\"line\":{n}}}]}}"
        )
    };
    let (write, read) = (access("write", "set"), access("read", "ask"));
    format!("{{\"schema\":1,\"kind\":\"race\",\"id\":\"9-{n}\",\"pid\":9,\"accesses\":[{write},{read}]}}\n")
}

pub(crate) fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it opens");
    file.write_all(text.as_bytes()).expect("it is written");
}
