//! Policies over HTTP: revisions, conflicts, rollback, trial on some services, what they would have done, git.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use raceguard_server::limits::Limits;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, race, token};

mod support;

/// A trigger that fires for each service on its own.
fn trigger(id: &str, when: &str, rest: &str) -> String {
    format!(
        "schema: 1\ntriggers:\n  - id: {id}\n    version: 1\n    description: {id} of a service\n    when: {when}\n    \
         window: 5m\n    group_by: [service]\n{rest}    responses: [alert]\n"
    )
}

async fn put(server: &Running, admin: &Token, name: &str, text: &str) -> (u16, Value) {
    server.send(admin, "PUT", &format!("/v1/policies/{name}"), Some(json!({ "text": text }))).await
}

/// Waits until an answer is as wanted.
async fn until(server: &Running, token: &Token, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let (_, answer) = server.send(token, "GET", path, None).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{path} stays {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn each_change_is_a_revision_and_there_is_a_way_back(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, read) = (token(place, Role::Admin), token(place, Role::Read));
    let server = Running::start(place, Limits::default()).await;
    let (status, answer) = put(&server, &admin, "crashes", &trigger("a", "sighting.is_new", "")).await;
    assert_eq!((status, &answer["revision"]["number"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["revision"]["author"], "admin");
    let (_, answer) = put(&server, &admin, "crashes", &trigger("b", "sighting.is_new", "")).await;
    assert_eq!(answer["revision"]["number"], 2);
    let (_, again) = put(&server, &admin, "crashes", &trigger("b", "sighting.is_new", "")).await;
    assert_eq!((&again["changed"], &again["revision"]["number"]), (&json!(false), &json!(2)));
    let (_, second) = server.send(&read, "GET", "/v1/policies/revisions/2", None).await;
    let diff = second["diff"].as_str().expect("it is text");
    assert!(diff.contains("--- a/crashes.yaml") && diff.contains("-  - id: a\n+  - id: b\n"), "{diff}");
    assert_eq!(second["sha256"].as_str().map(str::len), Some(64));

    let (status, answer) = server.send(&admin, "POST", "/v1/policies/rollback", Some(json!({"to": 1}))).await;
    assert_eq!((status, &answer["revision"]["number"]), (200, &json!(3)), "{answer}");
    let (_, answer) = server.send(&read, "GET", "/v1/policies", None).await;
    assert_eq!((&answer["revision"], &answer["policies"][0]["triggers"][0]["id"]), (&json!(3), &json!("a")));
    let (status, _) = server.send(&admin, "DELETE", "/v1/policies/crashes", None).await;
    assert_eq!(status, 200);
    let (_, all) = server.send(&read, "GET", "/v1/policies/revisions", None).await;
    let numbers: Vec<i64> =
        all.as_array().into_iter().flatten().filter_map(|it| it["number"].as_i64()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    server.stop().await;

    let server = Running::start(place, Limits::default()).await;
    let (_, answer) = server.send(&read, "GET", "/v1/policies", None).await;
    assert_eq!((&answer["revision"], &answer["policies"]), (&json!(4), &json!([])), "kept over a restart");
    server.stop().await;
}

async fn what_is_refused_says_why_and_changes_nothing(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, read) = (token(place, Role::Admin), token(place, Role::Read));
    let server = Running::start(place, Limits::default()).await;
    let good = trigger("a", "sighting.is_new", "");
    put(&server, &admin, "crashes", &good).await;
    let (status, answer) = put(&server, &admin, "crashes", &trigger("a", "sighting.isnew", "")).await;
    assert_eq!((status, &answer["problems"][0]["line"]), (422, &json!(6)), "{answer}");
    assert!(answer["problems"][0]["hint"].as_str().is_some_and(|hint| hint.contains("is_new")), "{answer}");
    for (name, text, part) in [
        ("other", good.clone(), "second trigger `a`"),
        ("x%20y", good.clone(), "no name"),
        (
            "costly",
            trigger(
                "c",
                "sighting.tests.exists(a, sighting.tests.exists(b, sighting.tests.exists(c, \
            a == b && b == c)))",
                "",
            ),
            "steps",
        ),
        (
            "groupless",
            good.replace("responses: [alert]", "responses: [block-build]").replace("id: a", "id: g"),
            "needs groups by version",
        ),
        ("bomb", "a: &a [x]\nb: [*a, *a]\n".to_owned(), "anchor"),
    ] {
        let (status, answer) = put(&server, &admin, name, &text).await;
        assert_eq!(status, 422, "{name}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{name}: {answer}");
    }
    let (status, _) = put(&server, &read, "crashes", &good).await;
    assert_eq!(status, 403);
    for (method, path, body, expected) in [
        ("POST", "/v1/policies/rollback", json!({"to": 99}), 404),
        ("POST", "/v1/policies/revisions/1/release", json!({"share": 7}), 422),
        ("DELETE", "/v1/policies/nothing", Value::Null, 404),
        ("POST", "/v1/policies", json!({"policy": {}}), 422),
    ] {
        let (status, answer) = server.send(&admin, method, path, Some(body)).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    let (_, answer) = server.send(&read, "GET", "/v1/policies", None).await;
    assert_eq!((&answer["revision"], &answer["head"]), (&json!(1), &json!(1)));
    server.stop().await;
}

async fn a_change_based_on_an_older_revision_is_refused(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let admin = token(place, Role::Admin);
    let server = Running::start(place, Limits::default()).await;
    let text = |id: &str| trigger(id, "sighting.is_new", "");
    let with = async |revision: &str, id: &str| {
        let body = json!({ "text": text(id) }).to_string();
        let headers = [("content-type", "application/json"), ("if-match", revision)];
        server.put(&admin, "/v1/policies/crashes", &headers, body).await
    };
    assert_eq!(with("\"0\"", "a").await.0, 200);
    assert_eq!(with("1", "b").await.0, 200);
    let (status, answer) = with("1", "c").await;
    assert_eq!(status, 412, "{answer}");
    assert!(
        answer["error"].as_str().is_some_and(|error| error.contains("the newest revision is 2")),
        "{answer}"
    );
    assert_eq!(with("x", "c").await.0, 400);
    // Of many at once that are based on the same revision one is made.
    let mut made = 0;
    for answer in futures(&server, &admin).await {
        made += usize::from(answer == 200);
        assert!(answer == 200 || answer == 412, "{answer}");
    }
    assert_eq!(made, 1);
    server.stop().await;
}

/// Eight changes at once, all based on revision 2.
async fn futures(server: &Running, admin: &Token) -> Vec<u16> {
    let one = async |number: usize| {
        let body = json!({"text": trigger(&format!("t{number}"), "sighting.is_new", "")}).to_string();
        let headers = [("content-type", "application/json"), ("if-match", "2")];
        server.put(admin, "/v1/policies/crashes", &headers, body).await.0
    };
    futures_util::future::join_all((0..8).map(one)).await
}

async fn what_a_set_would_have_done_is_told_before_it_is_in_force(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, write) = (token(place, Role::Admin), token(place, Role::Write));
    let server = Running::start(place, Limits::default()).await;
    for service in ["gateway", "pay", "web"] {
        for number in 0..5 {
            let function = format!("{service}.Put{number}");
            let stream = format!("{service}-{number}");
            let headers = [("raceguard-stream", stream.as_str()), ("raceguard-service", service)];
            let (status, answer) = server.post(&write, &headers, race("1-1", &function)).await;
            assert_eq!(status, 200, "{answer}");
        }
    }
    until(&server, &admin, "/v1/policies", |it| it["stream"]["sightings"] == 15).await;
    // One for each finding, but those of `web`.
    let text = trigger("races", "sighting.kind == 'race' && sighting.service != 'web'", "")
        .replace("[service]", "[service, fingerprint]");
    let body = json!({"policies": {"races": text}});
    let (status, answer) = server.send(&admin, "POST", "/v1/policies/validate", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let shadow = &answer["shadow"];
    assert_eq!(shadow["summary"], "would have fired 10 times on 2 services", "{answer}");
    assert_eq!((&shadow["complete"], &shadow["sightings"]), (&json!(true), &json!(15)));
    assert_eq!(shadow["triggers"][0]["examples"].as_array().map(Vec::len), Some(3));
    // Its policies judge each service by what it showed, where that is enough.
    let policies = "schema: 1\npolicies:\n  - {id: no-races, version: 1, description: d, match: {over: findings, when: \"finding.kind == 'race' && !finding.function.startsWith('web.')\"}, responses: [fail]}\n  - {id: covered, version: 1, description: d, match: {over: coverage, when: coverage.percent < 50.0}, responses: [fail]}\n";
    let body = json!({"policies": {"gate": policies}});
    let (status, answer) = server.send(&admin, "POST", "/v1/policies/validate", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let shadow = &answer["shadow"];
    assert_eq!(
        shadow["summary"], "would have fired 0 times on 0 services, and failed 2 services",
        "{answer}"
    );
    assert_eq!(shadow["policies"][0]["fails"], json!(["gateway", "pay"]), "{shadow}");
    assert_eq!(shadow["policies"][0]["examples"].as_array().map(Vec::len), Some(3), "{shadow}");
    assert_eq!(
        (&shadow["policies"][0]["judged"], &shadow["policies"][1]["judged"]),
        (&json!(true), &json!(false))
    );
    // It is told with a revision that is kept and not in force, too.
    let body = json!({"text": text, "release": {"share": 0}});
    let (_, answer) = server.send(&admin, "PUT", "/v1/policies/races", Some(body)).await;
    assert_eq!(answer["shadow"]["fired"], 10, "{answer}");
    let (_, answer) = server.send(&admin, "GET", "/v1/policies", None).await;
    assert_eq!((&answer["head"], &answer["revision"]), (&json!(1), &json!(0)), "{answer}");
    let (_, answer) = server.send(&admin, "GET", "/v1/policies/revisions/1/shadow", None).await;
    assert_eq!(answer["fired"], 10);
    let (_, answer) = server.send(&admin, "GET", "/v1/firings", None).await;
    assert_eq!(answer, json!([]), "nothing fired in earnest");
    server.stop().await;
    // The hour is looked through again after a restart.
    let server = Running::start(place, Limits::default()).await;
    let (_, answer) = server.send(&admin, "GET", "/v1/policies/revisions/1/shadow", None).await;
    assert_eq!(answer["fired"], 10, "{answer}");
    server.stop().await;
}

async fn a_revision_is_tried_on_some_services_before_all(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, write) = (token(place, Role::Admin), token(place, Role::Write));
    let server = Running::start(place, Limits::default()).await;
    let body = json!({"text": trigger("races", "sighting.kind == 'race'", ""),
        "release": {"services": ["canary"]}, "message": "try it"});
    let (status, answer) = server.send(&admin, "PUT", "/v1/policies/races", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let (_, answer) = server.send(&admin, "GET", "/v1/policies", None).await;
    assert_eq!((&answer["revision"], &answer["canary"]["revision"]), (&json!(0), &json!(1)), "{answer}");
    let send = async |service: &str, stream: &str| {
        let headers = [("raceguard-stream", stream), ("raceguard-service", service)];
        assert_eq!(server.post(&write, &headers, race("1-1", "m.Put")).await.0, 200);
    };
    send("canary", "a").await;
    send("steady", "b").await;
    until(&server, &admin, "/v1/policies", |it| it["stream"]["sightings"] == 2).await;
    let firings = until(&server, &admin, "/v1/firings", |it| it[0]["id"] == 1).await;
    assert_eq!(firings.as_array().map(Vec::len), Some(1), "{firings}");
    assert_eq!((&firings[0]["service"], &firings[0]["revision"]), (&json!("canary"), &json!(1)));

    let (status, answer) =
        server.send(&admin, "POST", "/v1/policies/revisions/1/release", Some(json!({"share": 1.0}))).await;
    assert_eq!(status, 200, "{answer}");
    send("steady", "c").await;
    send("canary", "d").await;
    until(&server, &admin, "/v1/policies", |it| it["stream"]["sightings"] == 4).await;
    let firings = until(&server, &admin, "/v1/firings", |it| it[0]["id"] == 2).await;
    assert_eq!(firings[0]["service"], "steady", "the canary is still in its cool-down: {firings}");
    server.stop().await;
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output();
    let done = done.expect("git is there");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

async fn commits_of_a_watched_folder_come_into_force(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (place, repository) = (scratch.place(), scratch.folder().join("repository"));
    let (admin, read) = (token(place, Role::Admin), token(place, Role::Read));
    let policies = repository.join("policies");
    std::fs::create_dir_all(policies.join("team")).expect("there is room");
    let commit = |text: &str, message: &str| {
        std::fs::write(policies.join("team/races.yaml"), text).expect("it can be written");
        git(&repository, &["add", "-A"]);
        git(&repository, &["commit", "-q", "-m", message]);
    };
    git(&repository, &["init", "-q", "-b", "main"]);
    std::fs::write(repository.join("unrelated.yaml"), "a: 1\n").expect("it can be written");
    commit(&trigger("a", "sighting.is_new", ""), "the first");
    let watched = GitFolder { folder: policies.clone(), branch: "main".to_owned() };
    let server = Running::watching(place, Limits::default(), Some(watched.clone())).await;
    let (path, one) = ("/v1/policies", json!(1));
    let answer = until(&server, &read, path, |it| it["revision"] == one).await;
    assert_eq!(answer["policies"][0]["name"], "team.races", "{answer}");

    commit(&trigger("a", "sighting.isnew", ""), "a mistake");
    until(&server, &read, "/v1/alerts", |it| {
        it[0]["title"].as_str().is_some_and(|title| title.contains("is refused"))
    })
    .await;
    let (_, answer) = server.send(&read, "GET", path, None).await;
    assert_eq!(answer["revision"], 1, "what is in force stays");
    server.stop().await;

    commit(&trigger("b", "sighting.is_new", ""), "mended");
    let server = Running::watching(place, Limits::default(), Some(watched)).await;
    until(&server, &read, path, |it| it["revision"] == 2).await;
    let (_, revisions) = server.send(&admin, "GET", "/v1/policies/revisions", None).await;
    assert_eq!(revisions.as_array().map(Vec::len), Some(2), "{revisions}");
    assert_eq!(
        (&revisions[0]["author"], &revisions[0]["message"]),
        (&json!("Ada <ada@example.com>"), &json!("mended"))
    );
    assert_eq!(revisions[0]["commit"].as_str().map(str::len), Some(40));
    until(&server, &read, "/v1/alerts", |it| *it == json!([])).await;
    server.stop().await;
}

on_both! {
    each_change_is_a_revision_and_there_is_a_way_back,
    what_is_refused_says_why_and_changes_nothing,
    a_change_based_on_an_older_revision_is_refused,
    what_a_set_would_have_done_is_told_before_it_is_in_force,
    a_revision_is_tried_on_some_services_before_all,
    commits_of_a_watched_folder_come_into_force,
}
