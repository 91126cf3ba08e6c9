//! `raceguard serve` as a process of its own, and what tests ask it.

#![allow(dead_code, reason = "no test file uses all of it")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A process, killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Kept open, so that the process can write to it.
    stderr: Option<BufReader<ChildStderr>>,
    /// The first line that it said.
    pub(crate) first_line: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts it; where its stderr is piped, waits for what it says first.
    pub(crate) fn start(command: &mut Command, stderr: Stdio) -> Self {
        let mut child = command.stderr(stderr).spawn().expect("it starts");
        let mut first_line = String::new();
        let stderr = child.stderr.take().map(|stderr| {
            let mut stderr = BufReader::new(stderr);
            stderr.read_line(&mut first_line).expect("it says what it does");
            stderr
        });
        Self { child, stderr, first_line }
    }

    /// Starts a server with these words behind `serve`; it must say where it serves.
    pub(crate) fn serve(words: &[&str]) -> Self {
        let running = Self::start(raceguard().arg("serve").args(words), Stdio::piped());
        assert!(running.first_line.contains("serving"), "{}", running.first_line);
        running
    }

    /// A server on a folder that takes no OTLP over gRPC, at a port, or at any when it is 0.
    pub(crate) fn on(data: &Path, port: u16) -> Self {
        let (data, listen) = (data.to_string_lossy(), format!("127.0.0.1:{port}"));
        Self::serve(&["--otlp-grpc", "none", "--listen", &listen, "--data", &data])
    }

    /// The server's address, as it says it.
    pub(crate) fn base(&self) -> String {
        self.first_line.rsplit(' ').next().expect("it ends with it").trim().to_owned()
    }

    /// Sends it a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("it runs");
        assert!(kill.success());
    }

    /// The next line that it says.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.as_mut().expect("it is piped").read_line(&mut line).expect("it is text");
        line
    }

    /// Asks it to end; gives the rest of what it says and its exit code.
    pub(crate) fn stop(mut self) -> (String, Option<i32>) {
        self.signal("TERM");
        let mut text = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut text).expect("it is text");
        }
        (text, self.child.wait().expect("it ends").code())
    }
}

/// The program, without the server and token of whoever runs the tests.
pub(crate) fn raceguard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raceguard"));
    for variable in ["RACEGUARD_SERVER", "RACEGUARD_TOKEN", "RACEGUARD_DATA", "RACEGUARD_CA"] {
        command.env_remove(variable);
    }
    command
}

/// A new token, named after its role.
pub(crate) fn token(data: &Path, role: &str) -> String {
    let output = raceguard().args(["token", "add", role, "--role", role, "--data"]).arg(data).output();
    String::from_utf8(output.expect("it runs").stdout).expect("it is text").trim().to_owned()
}

/// Free a moment ago; servers that are killed leave it free again.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has one").port()
}

/// Makes requests; every answer is one, redirects too.
pub(crate) fn client() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.timeout_global(Some(Duration::from_secs(30))).build().into()
}

/// What the server answers at a path, as JSON.
pub(crate) fn get(base: &str, token: &str, path: &str) -> Value {
    let request = client().get(format!("{base}{path}")).header("authorization", format!("Bearer {token}"));
    let text = request.call().expect("it answers").body_mut().read_to_string().expect("it is text");
    serde_json::from_str(&text).expect("it is JSON")
}

/// All that a command printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
