//! Policies of a server from the command line: pushed, listed, taken back, asked by the gate; and a server that is killed
//! at any moment lets each trigger fire once.

mod serve_support;

use std::thread;
use std::time::{Duration, Instant};

use serve_support::{Running, client, free_port, get, raceguard, text, token};

fn trigger(id: &str, rest: &str) -> String {
    format!(
        "schema: 1\ntriggers:\n  - id: {id}\n    version: 1\n    description: races\n    when: sighting.kind == 'race'\n    \
         window: 1h\n{rest}"
    )
}

/// `race` records of one function.
fn race(id: &str) -> String {
    let access = |op: &str| {
        format!(
            r#"{{"op":"{op}","size":8,"goroutine":1,"stack":[{{"function":"m.Put","file":"m.go","line":3}}]}}"#
        )
    };
    format!(
        r#"{{"schema":1,"kind":"race","id":"{id}","pid":1,"address":"0x1","size":8,"object":null,"accesses":[{},{}],"goroutines":[]}}"#,
        access("write"),
        access("read")
    )
}

/// Sends one batch; whether it was acknowledged.
fn send(base: &str, token: &str, service: &str, stream: &str) -> bool {
    let answer = client()
        .post(format!("{base}/v1/evidence"))
        .header("authorization", format!("Bearer {token}"))
        .header("raceguard-stream", stream)
        .header("raceguard-service", service)
        .header("raceguard-version", "1.0")
        .send(race("1-1").as_bytes());
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn policies_are_pushed_shown_and_taken_back() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let admin = token(&data, "admin");
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let _server = Running::on(&data, port);
    let policy = |arguments: &[&str]| {
        let mut command = raceguard();
        let output = command.arg("policy").args(arguments).args(["--server", &base, "--token", &admin]);
        let output = output.current_dir(folder.path()).output().expect("it runs");
        (output.status.code(), text(&output))
    };
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    };
    write("races.yaml", &trigger("one", "    responses: [alert]\n"));
    write("more.yaml", &trigger("more", "    threshold: 9\n    responses: [alert]\n"));
    let (code, told) = policy(&["push", "races.yaml", "-m", "the first"]);
    assert!(
        code == Some(0)
            && told.contains("revision 1 is in force")
            && told.contains("would have fired 0 times"),
        "{told}"
    );
    let (code, told) = policy(&["push", "more.yaml", "--share", "0.5"]);
    assert!(code == Some(0) && told.contains("revision 2 is in force for 50 % of the services"), "{told}");
    let (_, told) = policy(&["list"]);
    for part in ["revision 1 is in force", "revision 2 is tried", "races: one", "the first", "admin"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (code, told) = policy(&["release", "2"]);
    assert!(code == Some(0) && told.contains("revision 2 is in force\n"), "{told}");
    let (code, told) = policy(&["diff", "1", "2"]);
    assert!(code == Some(1) && told.contains("+  - id: more"), "{told}");
    let (_, told) = policy(&["show", "more"]);
    assert!(told.starts_with("schema: 1\n"), "{told}");
    let (_, told) = policy(&["show", "2"]);
    assert!(told.contains("+++ b/more.yaml"), "{told}");

    write("races.yaml", &trigger("one", "    treshold: 3\n    responses: [alert]\n"));
    for command in [&["push", "races.yaml"][..], &["validate", "races.yaml"]] {
        let (code, told) = policy(command);
        assert!(code == Some(2) && told.contains("races.yaml:8:5: unknown key `treshold`"), "{told}");
    }
    let (code, told) = policy(&["rollback", "1"]);
    assert!(code == Some(0) && told.contains("revision 3 is in force"), "{told}");
    let (code, told) = policy(&["push", "more.yaml", "--expect", "1"]);
    assert!(code == Some(2) && told.contains("the newest revision is 3"), "{told}");
    assert_eq!(get(&base, &admin, "/v1/policies")["policies"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_gate_asks_whether_the_build_is_blocked() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let (admin, write) = (token(&data, "admin"), token(&data, "write"));
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let _server = Running::on(&data, port);
    let module = folder.path().join("module");
    std::fs::create_dir(&module).expect("there is room");
    for (name, text) in [
        ("go.mod", "module example.com/m\n\ngo 1.24\n".to_owned()),
        ("m.go", "package m\n\nfunc F() int { return 1 }\n".to_owned()),
        (
            "raceguard-policy.yaml",
            trigger(
                "block",
                "    group_by: [service, version]\n    responses: [{block-build: {reason: it races}}]\n",
            ) + "policies:\n  - {id: p, version: 1, description: d, match: {over: findings, when: 'true'}, responses: [fail]}\n",
        ),
    ] {
        std::fs::write(module.join(name), text).expect("it can be written");
    }
    let run = |arguments: &[&str]| {
        let output = raceguard().args(arguments).current_dir(&module).output().expect("it runs");
        (output.status.code(), text(&output))
    };
    let (code, told) = run(&["check"]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) =
        run(&["policy", "push", "raceguard-policy.yaml", "--server", &base, "--token", &admin]);
    assert_eq!(code, Some(0), "{told}");
    let gate = |version: &str| {
        run(&["gate", "--server", &base, "--token", &admin, "--service", "pay", "--build-version", version])
    };
    let (code, told) = gate("1.0");
    assert_eq!(code, Some(0), "{told}");
    assert!(send(&base, &write, "pay", "s"));
    let started = Instant::now();
    let told = loop {
        let (code, told) = gate("1.0");
        if code != Some(0) {
            assert_eq!(code, Some(1), "{told}");
            break told;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "it is never blocked: {told}");
    };
    assert!(told.contains("build 1.0 of pay is blocked by trigger block: it races"), "{told}");
    assert_eq!(gate("1.1").0, Some(0), "another build is not");
    let (code, told) =
        run(&["gate", "--server", "http://127.0.0.1:1", "--service", "pay", "--build-version", "1"]);
    assert!(code == Some(2) && told.contains("does not answer"), "{told}");
}

#[test]
fn a_server_that_is_killed_lets_each_trigger_fire_once() {
    const SERVICES: usize = 12;
    let data = tempfile::tempdir().expect("there is room");
    let (admin, write) = (token(data.path(), "admin"), token(data.path(), "write"));
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let mut server = Some(Running::on(data.path(), port));
    let file = data.path().join("races.yaml");
    let said =
        "    threshold: 6\n    cooldown: 24h\n    group_by: [service]\n    responses: [alert, ticket]\n";
    std::fs::write(&file, trigger("six", said)).expect("it can be written");
    let pushed = raceguard()
        .args(["policy", "push", "--server", &base, "--token", &admin])
        .arg(&file)
        .output()
        .expect("it runs");
    assert!(pushed.status.success(), "{}", text(&pushed));
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for number in 0..SERVICES * 9 {
                let (service, stream) =
                    (format!("service-{}", number % SERVICES), format!("stream-{number}"));
                // Until it is acknowledged: it may have been written before, and then counts once.
                while !send(&base, &write, &service, &stream) {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        });
        let mut kills = 0_u64;
        while !sender.is_finished() {
            thread::sleep(Duration::from_millis(60 + 29 * (kills % 5)));
            drop(server.take());
            server = Some(Running::on(data.path(), port));
            kills += 1;
        }
        assert!(kills >= 2, "it was killed {kills} times");
    });
    let started = Instant::now();
    let firings = loop {
        let firings = get(&base, &admin, "/v1/firings");
        let all = get(&base, &admin, "/v1/policies")["stream"]["block"] == SERVICES * 9;
        if all && firings.as_array().is_some_and(|rows| rows.len() >= SERVICES) {
            break firings;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{firings}");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(firings.as_array().map(Vec::len), Some(SERVICES), "{firings}");
    assert!(firings.as_array().into_iter().flatten().all(|firing| firing["count"] == 6), "{firings}");
    let tickets = get(&base, &admin, "/v1/tickets");
    assert_eq!(tickets.as_array().map(Vec::len), Some(SERVICES));
}
