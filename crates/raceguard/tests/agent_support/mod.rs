//! A server, an agent, and what programs write into their logs.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serve_support::{Running, client, free_port, raceguard, token};

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
        let port = free_port();
        let data = folder.path().join("data");
        let (write, read) = (token(&data, "write"), token(&data, "read"));
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
        Running::on(&self.folder.path().join("data"), self.port)
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
        let config = self.folder.path().join("agent.toml");
        let running = Running::start(raceguard().args(["agent", "--config"]).arg(config), stderr);
        let said = &running.first_line;
        assert!(said.is_empty() || said.contains("sending evidence"), "{said}");
        running
    }

    /// What the server answers on what it found; `None` when it can't be asked.
    pub(crate) fn findings(&self) -> Option<Value> {
        let mut answer = client()
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
