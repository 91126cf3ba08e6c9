//! What runs a server day by day: TLS, tokens, the audit log, backups, a configuration file, an orderly stop. And that no
//! token is in anything that is printed.

mod agent_support;
mod serve_support;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use agent_support::{Place, append, evidence, race};
use raceguard_server::audit;
use raceguard_server::store::Store;
use serve_support::{Running, text};

fn raceguard(words: &[&str]) -> Output {
    serve_support::raceguard().args(words).env("USER", "tester").output().expect("it runs")
}

/// Runs a command that must end with this code; gives what it prints.
fn ends_with(code: i32, words: &[&str]) -> String {
    let output = raceguard(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output));
    text(&output)
}

fn certificate(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("it is written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    [certificate, key].map(|path| path.to_string_lossy().into_owned())
}

#[test]
fn push_and_agent_reach_a_server_with_tls_and_no_token_is_printed() {
    let place = Place::new();
    let folder = place.folder.path();
    let [certificate, key] = certificate(folder);
    let config = folder.join("server.toml");
    let listen = format!("127.0.0.1:{}", place.port);
    fs::write(
        &config,
        format!("data = {:?}\nlisten = \"{listen}\"\ntls_cert = {certificate:?}\ntls_key = {key:?}\notlp_grpc = \"none\"\n", folder.join("data").display().to_string()),
    )
    .expect("it is written");
    let server = Running::serve(&["--config", &config.to_string_lossy()]);
    assert!(server.first_line.contains("https://"), "{}", server.first_line);
    let url = format!("https://localhost:{}", place.port);

    let file = folder.join("run/evidence.jsonl");
    fs::create_dir(folder.join("run")).expect("it is made");
    append(&file, &(evidence(1) + &evidence(2)));
    let file = file.to_string_lossy().into_owned();
    let push = |rest: &[&str]| {
        raceguard(&[&["push", &file, "--server", &url, "--token", &place.write], rest].concat())
    };
    let trusting = push(&[]);
    let known = push(&["--ca", &certificate]);
    assert!(text(&known).contains("2 records sent"), "{}", text(&known));
    assert_eq!(trusting.status.code(), Some(2));
    assert!(text(&trusting).contains("does not show who it is"), "{}", text(&trusting));
    let wrong = raceguard(&["push", &file, "--server", &url, "--token", "rgt_wrong", "--ca", &certificate]);
    assert!(text(&wrong).contains("401"), "{}", text(&wrong));

    place.configure(&format!("[[tail]]\npaths = [\"{}/*.log\"]\n", place.logs().display()));
    let path = folder.join("agent.toml");
    let agent = fs::read_to_string(&path).expect("it reads");
    let agent =
        agent.replace(&place.base(), &url).replace("[server]", &format!("[server]\nca = {certificate:?}"));
    fs::write(&path, agent).expect("it is written");
    append(&place.logs().join("a.log"), &race(9));
    let agent = place.agent(Stdio::piped());
    thread::sleep(Duration::from_millis(1500));
    let (agent_said, code) = agent.stop();
    assert!(code == Some(0) && agent_said.contains(" 1 files followed, 2 records sent"), "{agent_said}");

    let (server_said, code) = server.stop();
    assert_eq!(code, Some(0), "{server_said}");
    let said = [server_said, agent_said, text(&trusting), text(&known), text(&wrong)].concat();
    for token in [&place.write, &place.read, "rgt_wrong"] {
        assert!(!said.contains(token), "a token is in the output: {said}");
    }
    let data = folder.join("data");
    assert_eq!(records(&data), 4);
}

#[test]
fn policies_gate_and_audit_reach_a_server_with_tls() {
    let folder = tempfile::tempdir().expect("there is room");
    let [certificate, key] = certificate(folder.path());
    let data = folder.path().join("data");
    let admin = serve_support::token(&data, "admin");
    let at = data.to_string_lossy().into_owned();
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = Running::serve(
        &[&["--otlp-grpc", "none", "--listen", "127.0.0.1:0", "--data", &at][..], &tls].concat(),
    );
    let port = server.base().rsplit(':').next().expect("it names one").to_owned();
    let url = format!("https://localhost:{port}");
    let there = ["--server", &url, "--token", &admin];
    let commands: [&[&str]; 3] =
        [&["policy", "list"], &["gate", "--service", "pay", "--build-version", "1"], &["audit", "list"]];
    for command in commands {
        let said = text(&raceguard(&[command, &there].concat()));
        assert!(said.contains("does not show who it is"), "{command:?}: {said}");
        let said = text(&raceguard(&[command, &there, &["--ca", &certificate]].concat()));
        assert!(!said.contains("does not"), "{command:?}: {said}");
    }
    let said = ends_with(0, &[commands[0], &there, &["--ca", &certificate]].concat());
    assert!(said.contains("revision 0 is in force"), "{said}");
    let said = ends_with(2, &[commands[0], &there, &["--ca", &key]].concat());
    assert!(said.contains("there is no certificate in"), "{said}");
}

fn records(data: &Path) -> u64 {
    let row = Store::read(data, |connection| connection.row("SELECT records FROM total", &[]));
    row.expect("it reads").expect("it is there").get(0).expect("it is a number")
}

#[test]
fn mistakes_of_the_configuration_are_told() {
    let place = Place::new();
    let data = place.folder.path().join("data").to_string_lossy().into_owned();
    let said = ends_with(2, &["serve", "--data", &data, "--listen", "0.0.0.0:0"]);
    assert!(said.contains("--tls-cert") && said.contains("--insecure"), "{said}");
    let said = ends_with(2, &["serve", "--data", &data, "--tls-cert", "/none"]);
    assert!(said.contains("belong together"), "{said}");
    let said = ends_with(2, &["serve", "--data", &data, "--tls-cert", "/none", "--tls-key", "/none"]);
    assert!(said.contains("cannot take a certificate from /none"), "{said}");
    let file = place.folder.path().join("server.toml");
    fs::write(&file, "data = \"/d\"\n\nkeep_days = \"x\"\n").expect("it is written");
    let said = ends_with(2, &["serve", "--config", &file.to_string_lossy()]);
    assert!(
        said.contains("server.toml") && said.contains("line 3") && said.contains("--keep-days"),
        "{said}"
    );
}

#[test]
fn tokens_are_listed_and_revoked_and_the_log_tells_of_tampering() {
    let place = Place::new();
    let data = place.folder.path().join("data");
    let at = data.to_string_lossy().into_owned();
    let made = ends_with(0, &["token", "add", "canary", "--expires", "2d", "--data", &at]);
    assert!(made.starts_with("rgt_"), "{made}");
    let said = ends_with(0, &["token", "revoke", "canary", "--data", &at]);
    assert!(said.contains("canary is revoked"), "{said}");
    let list = ends_with(0, &["token", "list", "--data", &at]);
    assert!(list.contains("canary") && list.contains("revoked 2") && list.contains("for ever"), "{list}");
    assert!(!list.contains(made.trim()) && !list.contains(&made.trim()[4..]), "the token is shown");
    let said = ends_with(2, &["token", "revoke", "none", "--data", &at]);
    assert!(said.contains("no token named none"), "{said}");
    let said = ends_with(2, &["token", "list", "--data", "/none"]);
    assert!(said.contains("no server.db in /none"), "{said}");

    let log = ends_with(0, &["audit", "list", "--data", &at]);
    assert!(log.contains("local:tester") && log.contains("token.revoke") && !log.contains("rgt_"), "{log}");
    let verified = ends_with(0, &["audit", "verify", "--data", &at]);
    assert!(verified.starts_with("4 entries, none of them changed"), "{verified}");
    let noted = verified.trim().rsplit(' ').next().expect("it names the newest").to_owned();
    ends_with(0, &["audit", "verify", "--data", &at, "--since", &noted]);

    let _server = place.server();
    let admin = ends_with(0, &["token", "add", "root", "--role", "admin", "--data", &at]);
    let asked =
        |what: &str, token: &str| raceguard(&["audit", what, "--server", &place.base(), "--token", token]);
    assert!(text(&asked("verify", admin.trim())).contains("5 entries, none of them changed"));
    assert!(text(&asked("list", &place.read)).contains("403"));

    // Who can write the database changes an entry, or cuts off the end.
    let tamper = |sql: &'static str| {
        Store::change(&data, |connection| connection.execute(sql, &[])).expect("it works")
    };
    tamper("DELETE FROM audit WHERE id = 5");
    tamper("DELETE FROM audit WHERE id = 4");
    ends_with(0, &["audit", "verify", "--data", &at]);
    let said = ends_with(1, &["audit", "verify", "--data", &at, "--since", &noted]);
    assert!(said.contains("its end was cut off"), "{said}");
    tamper("UPDATE audit SET actor = 'local:mallory' WHERE id = 2");
    let said = ends_with(1, &["audit", "verify", "--data", &at]);
    assert!(said.contains("entry 2 or one before it was changed"), "{said}");
    assert_eq!(asked("verify", admin.trim()).status.code(), Some(1), "the server's answer tells too");
    let entries = Store::read(&data, |connection| audit::page(connection, 0, 9)).expect("it reads");
    assert_eq!(entries.len(), 3);
}

#[test]
fn a_backup_of_a_running_server_is_restored() {
    let place = Place::new();
    let folder = place.folder.path();
    let (data, file, other) = (folder.join("data"), folder.join("a.backup"), folder.join("other"));
    let [at, file, other] = [&data, &file, &other].map(|path| path.to_string_lossy().into_owned());
    let server = place.server();
    let run = folder.join("evidence.jsonl");
    append(&run, &evidence(1));
    let pushed =
        ends_with(0, &["push", &run.to_string_lossy(), "--server", &place.base(), "--token", &place.write]);
    assert!(pushed.contains("1 records sent"), "{pushed}");
    let said = ends_with(0, &["backup", "--data", &at, &file]);
    assert!(said.contains("checked") && said.contains("3 entries in its audit log"), "{said}");
    ends_with(2, &["backup", "--data", &at, &file]);
    let said = ends_with(2, &["restore", &file, "--data", &at]);
    assert!(said.contains("is not empty"), "{said}");
    drop(server);
    ends_with(0, &["restore", &file, "--data", &other]);
    assert_eq!(records(Path::new(&other)), 1);
    ends_with(0, &["audit", "verify", "--data", &other]);

    // A database that is damaged is refused with the way to this.
    fs::write(data.join("server.db"), "rubbish").expect("it is written");
    let said = ends_with(2, &["serve", "--data", &at, "--listen", "127.0.0.1:0"]);
    assert!(said.contains("is damaged") && said.contains("raceguard restore"), "{said}");
}

#[test]
fn an_orderly_stop_under_load_answers_what_it_took() {
    let place = Place::new();
    let server = place.server();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let refused = AtomicU64::new(0);
    thread::scope(|scope| {
        for sender in 0..4_u64 {
            let (stop, acknowledged, refused, place) = (&stop, &acknowledged, &refused, &place);
            scope.spawn(move || {
                let agent: ureq::Agent =
                    ureq::Agent::config_builder().http_status_as_error(false).build().into();
                let mut first = 0;
                while !stop.load(Ordering::Relaxed) {
                    let line = |n| {
                        format!("{{\"schema\":1,\"kind\":\"repeat\",\"race\":\"1-{n}\",\"pid\":{sender}}}\n")
                    };
                    let body: String = (first..first + 20_u64).map(line).collect();
                    let answer = agent
                        .post(format!("{}/v1/evidence", place.base()))
                        .header("authorization", format!("Bearer {}", place.write))
                        .header("raceguard-stream", format!("sender {sender}"))
                        .header("raceguard-sequence", first.to_string())
                        .send(body.as_bytes());
                    if answer.is_ok_and(|answer| answer.status() == 200) {
                        acknowledged.fetch_add(20, Ordering::Relaxed);
                        first += 20;
                    } else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(800));
        let (said, code) = server.stop();
        stop.store(true, Ordering::Relaxed);
        assert!(code == Some(0) && said.contains("everything that was acknowledged is written"), "{said}");
    });
    let (sent, data) = (acknowledged.load(Ordering::Relaxed), place.folder.path().join("data"));
    assert!(sent > 400 && refused.load(Ordering::Relaxed) > 0, "{sent}");
    // Requests that were under way were answered before it ended, so nothing else is there either.
    assert_eq!(records(&data), sent);
    assert!(!data.join("server.db-wal").exists(), "nothing is left for the next start to mend");
}

#[test]
fn a_hangup_ends_no_server() {
    let place = Place::new();
    let mut server = place.server();
    server.signal("HUP");
    let said = server.next_line();
    assert!(said.contains("SIGHUP") && said.contains("--tls-cert"), "{said}");
    assert!(place.findings().is_some(), "it still answers");
    let (said, code) = server.stop();
    assert_eq!(code, Some(0), "{said}");

    let [certificate, key] = certificate(place.folder.path());
    let data = place.folder.path().join("data");
    let listen = format!("127.0.0.1:{}", place.port);
    let mut server = Running::serve(&[
        "--otlp-grpc",
        "none",
        "--listen",
        &listen,
        "--data",
        &data.to_string_lossy(),
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    server.signal("HUP");
    assert!(server.next_line().contains("certificate and key were read again"));
    fs::write(&certificate, "none").expect("it is written");
    server.signal("HUP");
    let said = server.next_line();
    assert!(said.contains("those from before stay in use"), "{said}");
    assert_eq!(server.stop().1, Some(0));
}

#[test]
fn a_server_that_nobody_has_a_token_for_says_how_to_make_one() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut server = Running::on(folder.path(), 0);
    let hint = server.next_line();
    assert!(hint.contains("raceguard token add NAME --role admin --data"), "{hint}");
    assert_eq!(server.stop().1, Some(0));

    serve_support::token(folder.path(), "read");
    let (said, code) = Running::on(folder.path(), 0).stop();
    assert!(!said.contains("token add"), "{said}");
    assert_eq!(code, Some(0), "{said}");
}
