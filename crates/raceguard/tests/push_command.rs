//! `raceguard push` sends runs and files of other tools, and sending them again changes nothing.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// A server process, killed when dropped.
struct Server(
    Child,
    #[expect(dead_code, reason = "kept open, so that the server can write to it")] BufReader<ChildStderr>,
);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server, and its address as it says it.
fn start(data: &Path) -> (Server, String) {
    let mut child = raceguard()
        .args(["serve", "--listen", "127.0.0.1:0", "--otlp-grpc", "none", "--max-body", "1", "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    stderr.read_line(&mut line).expect("it says where it serves");
    let address = line.rsplit(' ').next().expect("it ends with it").trim().to_owned();
    (Server(child, stderr), address)
}

fn raceguard() -> Command {
    Command::new(env!("CARGO_BIN_EXE_raceguard"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn files_of_other_tools_and_evidence_are_sent_side_by_side_and_once() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let token = raceguard().args(["token", "add", "ci", "--data"]).arg(&data).output().expect("it runs");
    let token = String::from_utf8(token.stdout).expect("it is text");
    let (_server, address) = start(&data);
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("it can be written");
        path
    };
    let crash = file(
        "crash.log",
        "starting\nfatal error: concurrent map writes\n\ngoroutine 18 [running]:\nm.Put()\n\t/m/a.go:21 +0x44\n",
    );
    let evidence =
        file("evidence.jsonl", "{\"schema\":1,\"kind\":\"repeat\",\"race\":\"1-1\",\"pid\":1}\nno record\n");
    let push = |files: &[&Path]| {
        let flags = ["push", "--server", &address, "--token", token.trim(), "--service", "shop"];
        raceguard().args(flags).args(files).output().expect("it runs")
    };
    let first = text(&push(&[&crash, &evidence]));
    assert!(first.contains("crash.log: go-output, 2 records sent, 0 were there already"), "{first}");
    assert!(first.contains("1 records sent, 0 were there already, 1 lines are no records"), "{first}");
    let second = text(&push(&[&crash, &evidence]));
    assert!(second.contains("crash.log: go-output, 0 records sent, 2 were there already"), "{second}");

    let archive = file("logs.zip", "PK\u{3}\u{4} and so on");
    let refused = push(&[&archive]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("a zip archive: unpack it first"), "{}", text(&refused));
}
