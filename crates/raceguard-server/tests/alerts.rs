//! Alerts from firing to arrival: at receivers that fail, over a restart, and silenced.

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use raceguard_server::alerts::{Alerts, Firing, Severity};
use raceguard_server::limits::Limits;
use raceguard_server::store::Store;
use raceguard_server::token::Role;
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};

on_both! {
    a_message_is_tried_until_it_arrives_and_an_alert_is_told_once,
    what_could_not_be_sent_is_sent_after_a_restart,
    silences_and_acknowledgements_are_kept_with_who_made_them,
}

/// A receiver that answers with these statuses in turn, the last one for ever, and tells what it got.
struct Webhook {
    url: String,
    got: mpsc::Receiver<(Option<String>, Value)>,
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Webhook {
    fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}/hook/secret-path", listener.local_addr().expect("it has one"));
        let (tell, got) = mpsc::channel();
        let statuses = Arc::new(Mutex::new(statuses.to_vec()));
        let left = Arc::clone(&statuses);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (delivery, body) = read_request(&mut stream);
                let status = {
                    let mut left = left.lock().expect("nobody panics with it");
                    if left.len() > 1 { left.remove(0) } else { left[0] }
                };
                let _ =
                    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                if tell.send((delivery, body)).is_err() {
                    return;
                }
            }
        });
        Self { url, got, statuses }
    }

    fn next(&self) -> (Option<String>, Value) {
        self.got.recv_timeout(Duration::from_secs(20)).expect("a message comes")
    }
}

fn read_request(stream: &mut std::net::TcpStream) -> (Option<String>, Value) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
            };
            let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return (header("raceguard-delivery"), serde_json::from_str(body).expect("it is JSON"));
            }
        }
        let read = stream.read(&mut buffer).expect("it can be read");
        assert!(read > 0, "the request ends early: {text}");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn firing(key: &str, service: &str) -> Firing {
    Firing {
        key: key.to_owned(),
        severity: Severity::P2,
        title: format!("races in {service}"),
        text: "two stacks".to_owned(),
        labels: BTreeMap::from([("service".to_owned(), service.to_owned())]),
        link: "/causes/1".to_owned(),
        at_ms: raceguard_server::clock::now_ms(),
    }
}

async fn a_message_is_tried_until_it_arrives_and_an_alert_is_told_once(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, read) = (token(place, Role::Admin), token(place, Role::Read));
    let webhook = Webhook::start(&[503, 500, 200]);
    let server = Running::start(place, Limits::default()).await;
    let settings = json!({"kind": "generic", "url": webhook.url, "group_wait_s": 0, "secret": "k3y"});
    let (status, shown) = server.send(&read, "PUT", "/v1/receivers/chat", Some(settings.clone())).await;
    assert_eq!(status, 403, "{shown}");
    let (status, shown) = server.send(&admin, "PUT", "/v1/receivers/chat", Some(settings)).await;
    assert_eq!(status, 200, "{shown}");
    assert!(!shown.to_string().contains("secret-path") && !shown.to_string().contains("k3y"), "{shown}");

    let alerts = server.alerts();
    let id = alerts.fire(firing("races:gateway", "gateway")).await.expect("it is written");
    assert_eq!(alerts.fire(firing("races:gateway", "gateway")).await.expect("it is written"), id);
    let tries = [webhook.next(), webhook.next(), webhook.next()];
    assert!(tries.iter().all(|(delivery, _)| delivery.is_some() && *delivery == tries[0].0), "{tries:?}");
    assert_eq!(tries[2].1["firing"][0]["title"], "races in gateway");

    assert!(alerts.resolve("races:gateway", raceguard_server::clock::now_ms()).await.expect("it is written"));
    assert!(!alerts.resolve("races:gateway", 0).await.expect("it is written"));
    let (_, open) = server.send(&read, "GET", "/v1/alerts", None).await;
    assert_eq!(open, json!([]));
    let (_, all) = server.send(&read, "GET", "/v1/alerts?all=true", None).await;
    assert_eq!(all[0]["firings"], 2, "{all}");
    server.stop().await;
}

async fn what_could_not_be_sent_is_sent_after_a_restart(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, read) = (token(place, Role::Admin), token(place, Role::Read));
    let webhook = Webhook::start(&[500]);
    let server = Running::start(place, Limits::default()).await;
    let settings = json!({"kind": "generic", "url": webhook.url, "group_wait_s": 0});
    server.send(&admin, "PUT", "/v1/receivers/chat", Some(settings)).await;
    server.alerts().fire(firing("a", "gateway")).await.expect("it is written");
    let (first, _) = webhook.next();
    server.stop().await;
    webhook.statuses.lock().expect("nobody panics with it")[0] = 200;

    let server = Running::start(place, Limits::default()).await;
    let (again, body) = webhook.next();
    assert_eq!((&again, &body["firing"][0]["title"]), (&first, &json!("races in gateway")));
    for _ in 0..1_200 {
        let (_, deliveries) = server.send(&read, "GET", "/v1/deliveries", None).await;
        if deliveries[0]["sent_ms"].is_i64() {
            assert_eq!(deliveries.as_array().map(Vec::len), Some(1), "{deliveries}");
            return server.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it was not written that the message arrived");
}

async fn silences_and_acknowledgements_are_kept_with_who_made_them(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let admin = token(place, Role::Admin);
    let server = Running::start(place, Limits::default()).await;
    let id = server.alerts().fire(firing("a", "gateway")).await.expect("it is written");
    let (status, answer) = server.send(&admin, "POST", &format!("/v1/alerts/{id}/acknowledge"), None).await;
    assert_eq!((status, &answer["by"]), (200, &json!("admin")), "{answer}");
    let (status, _) = server.send(&admin, "POST", "/v1/alerts/99/acknowledge", None).await;
    assert_eq!(status, 404);
    let now = raceguard_server::clock::now_ms();
    let silence = json!({"labels": {"service": "*"}, "reason": "x", "starts_ms": now, "ends_ms": now + 1000});
    let (status, answer) = server.send(&admin, "POST", "/v1/silences", Some(silence)).await;
    assert_eq!(status, 422, "{answer}");
    let silence = json!({"labels": {"service": "gateway"}, "reason": "being mended", "starts_ms": now - 1, "ends_ms": now + 60_000});
    let (status, answer) = server.send(&admin, "POST", "/v1/silences", Some(silence)).await;
    assert_eq!(status, 201, "{answer}");
    let (_, silences) = server.send(&admin, "GET", "/v1/silences", None).await;
    assert_eq!((&silences[0]["author"], &silences[0]["reason"]), (&json!("admin"), &json!("being mended")));
    let path = format!("/v1/silences/{}", answer["silence"]);
    assert_eq!(server.send(&admin, "DELETE", &path, None).await.0, 204);
    assert_eq!(server.send(&admin, "DELETE", &path, None).await.0, 404);
    let (status, answer) = server.send(&admin, "POST", &format!("/v1/alerts/{id}/resolve"), None).await;
    assert_eq!((status, &answer["by"]), (200, &json!("admin")), "{answer}");
    let resolved = server.send(&admin, "POST", &format!("/v1/alerts/{id}/resolve"), None).await;
    assert_eq!(resolved.0, 404, "it is over already");
    let settings = json!({"kind": "generic", "url": "http://127.0.0.1:1/"});
    assert_eq!(server.send(&admin, "PUT", "/v1/receivers/chat", Some(settings)).await.0, 200);
    assert_eq!(server.send(&admin, "DELETE", "/v1/receivers/chat", None).await.0, 204);
    let (_, log) = server.send(&admin, "GET", "/v1/audit", None).await;
    let entries = log["entries"].as_array().expect("it is a list");
    let acts: Vec<&str> = entries
        .iter()
        .filter(|entry| entry["actor"] == "token:admin")
        .filter_map(|entry| entry["act"].as_str())
        .collect();
    let expected = [
        "alert.acknowledge",
        "silence.add",
        "silence.end",
        "alert.resolve",
        "receiver.set",
        "receiver.remove",
    ];
    assert_eq!(acts, expected, "each once, and nothing of what was refused: {log}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_firings_is_one_alert() {
    let folder = tempfile::tempdir().expect("there is room");
    let store = Store::open(folder.path(), Vec::new()).expect("it opens");
    let alerts = Alerts::new(store.writer.clone());
    for _ in 0..500 {
        alerts.fire(firing("flood", "gateway")).await.expect("it is written");
    }
    let kept = store.reader.alerts(false, 10).expect("it answers");
    assert_eq!((kept.len(), kept[0].firings), (1, 500));
}
