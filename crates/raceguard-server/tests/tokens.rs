//! Tokens that end, are made and revoked while the server runs, and the log of who did that.

mod support;

use std::time::{Duration, Instant};

use raceguard_server::audit::{Chain, Entry};
use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::store::Store;
use raceguard_server::token::table::{self, NewToken};
use raceguard_server::token::{Role, Token};
use serde_json::json;
use support::{Running, token};

fn held(text: &serde_json::Value) -> Token {
    let text = text["token"].as_str().expect("it is made");
    Token::of_header(&format!("Bearer {text}")).expect("it is a token")
}

#[tokio::test]
async fn a_token_works_at_once_and_is_refused_within_a_second_of_its_end() {
    let folder = tempfile::tempdir().expect("there is room");
    let admin = token(folder.path(), Role::Admin);
    let server = Running::start(folder.path(), Limits::default()).await;
    let wanted = json!({"name": "people", "role": "read"});
    let (status, made) = server.send(&admin, "POST", "/v1/tokens", Some(wanted.clone())).await;
    assert_eq!(status, 200, "{made}");
    let people = held(&made);
    assert_eq!(server.get(&people, "/v1/findings").await.0, 200);
    assert_eq!(server.send(&admin, "POST", "/v1/tokens", Some(wanted)).await.0, 409, "the name is taken");
    assert_eq!(server.get(&people, "/v1/tokens").await.0, 403, "it may only read");

    // Revoked by another process, as `raceguard token revoke` does it.
    Store::change(folder.path(), |connection| table::revoke(connection, "people", "local:root", now_ms()))
        .expect("it is there");
    let revoked = Instant::now();
    while server.get(&people, "/v1/findings").await.0 == 200 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "it is still taken");
    }
    assert_eq!(server.get(&people, "/v1/findings").await.0, 401);

    let short = json!({"name": "short", "role": "read", "expires_ms": now_ms() + 1_500});
    let short = held(&server.send(&admin, "POST", "/v1/tokens", Some(short)).await.1);
    assert_eq!(server.get(&short, "/v1/findings").await.0, 200);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(server.get(&short, "/v1/findings").await.0, 401);

    assert_eq!(server.send(&admin, "DELETE", "/v1/tokens/none", None).await.0, 404);
    assert_eq!(server.send(&admin, "DELETE", "/v1/tokens/short", None).await.0, 204);
    for wrong in
        [json!({"name": "", "role": "read"}), json!({"name": "x", "role": "root"}), json!({"name": "x"})]
    {
        assert_eq!(server.send(&admin, "POST", "/v1/tokens", Some(wrong)).await.0, 422);
    }
    server.stop().await;
    // When it was last used was written down when the server stopped.
    let tokens = Store::read(folder.path(), table::list).expect("it reads");
    let used: Vec<_> =
        tokens.iter().map(|token| (token.name.as_str(), token.last_used_ms.is_some())).collect();
    assert_eq!(used, [("admin", true), ("people", true), ("short", true)]);
}

#[tokio::test]
async fn the_log_says_who_did_what_and_is_for_administrators() {
    let folder = tempfile::tempdir().expect("there is room");
    let (admin, read) = (token(folder.path(), Role::Admin), token(folder.path(), Role::Read));
    let server = Running::start(folder.path(), Limits::default()).await;
    for n in 0..3 {
        let wanted = json!({"name": format!("ci-{n}"), "role": "write"});
        assert_eq!(server.send(&admin, "POST", "/v1/tokens", Some(wanted)).await.0, 200);
    }
    server.send(&admin, "DELETE", "/v1/tokens/ci-1", None).await;
    assert_eq!(server.get(&read, "/v1/audit").await.0, 403);
    let (status, first) = server.get(&admin, "/v1/audit?limit=4").await;
    let (_, rest) = server.get(&admin, "/v1/audit?after=4").await;
    assert_eq!(status, 200, "{first}");
    let entries = |page: &serde_json::Value| -> Vec<Entry> {
        serde_json::from_value(page["entries"].clone()).expect("they are entries")
    };
    let all = [entries(&first), entries(&rest)].concat();
    let acts: Vec<_> =
        all.iter().map(|entry| (entry.actor.as_str(), entry.act.as_str(), entry.subject.as_str())).collect();
    assert_eq!(acts[0], ("local", "token.add", "admin"));
    assert_eq!(acts[2..5], ["ci-0", "ci-1", "ci-2"].map(|name| ("token:admin", "token.add", name)));
    assert_eq!(acts[5], ("token:admin", "token.revoke", "ci-1"));
    let mut chain = Chain::new(None);
    all.iter().try_for_each(|entry| chain.check(entry)).expect("nothing was changed");
    let head = serde_json::to_value(chain.end().expect("it is whole")).expect("it is JSON");
    assert_eq!(head, rest["head"]);
    let text = serde_json::to_string(&all).expect("it is JSON");
    assert!(!text.contains("rgt_"), "a token is in the log");
    server.stop().await;
}

#[test]
fn nothing_of_a_token_is_kept() {
    let folder = tempfile::tempdir().expect("there is room");
    let new = NewToken { name: "ci", role: Role::Write, expires_ms: None };
    let token = Store::change(folder.path(), |connection| table::add(connection, new, "local:root", 1))
        .expect("it is made");
    let secret = token.reveal().trim_start_matches("rgt_").as_bytes();
    for entry in std::fs::read_dir(folder.path()).expect("it lists") {
        let content = std::fs::read(entry.expect("it is there").path()).expect("it reads");
        assert!(!content.windows(secret.len()).any(|part| part == secret));
    }
}
