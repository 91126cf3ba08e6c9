//! `raceguard push` sends runs and files of other tools, and sending them again changes nothing.

mod serve_support;

use std::path::Path;

use serve_support::{Running, raceguard, text, token};

#[test]
fn files_of_other_tools_and_evidence_are_sent_side_by_side_and_once() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let token = token(&data, "write");
    let server = Running::on(&data, 0);
    let address = server.base();
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
        let flags = ["push", "--server", &address, "--token", &token, "--service", "shop"];
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
