//! What people do through the forms of the pages, in both languages and colours, without scripts.

mod support;
#[path = "support/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;

use raceguard_server::alerts::{Firing, Severity};
use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::token::Role;
use support::{Running, race, token};
use visitor::{Page, Visitor};

/// A policy that fires at the first race of a service.
const RACES: &str = "schema: 1
triggers:
  - id: races
    version: 1
    description: a race \"in\" <any> service
    when: sighting.kind == 'race'
    window: 1h
    group_by: [service]
    responses: [alert]
";

/// How a reader has the pages: address, tag of the language, theme, and the words for what is in force and on trial.
const READERS: [(&str, &str, &str, &str, &str); 2] = [
    ("/?lang=en&theme=light", "en", "light", "In force", "On trial"),
    ("/?lang=zh&theme=dark", "zh-CN", "dark", "生效中", "试行中"),
];

/// Runs what blocks where the server goes on meanwhile.
fn visit<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn is_dressed(page: &Page, tag: &str, theme: &str) {
    page.expect(&[&format!("<html lang=\"{tag}\" data-theme=\"{theme}\">")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_saved_released_and_taken_back_through_its_forms() {
    for (address, tag, theme, in_force, on_trial) in READERS {
        let folder = tempfile::tempdir().expect("there is room");
        let (write, admin) = (token(folder.path(), Role::Write), token(folder.path(), Role::Admin));
        let server = Running::start(folder.path(), Limits::default()).await;
        let headers = [("raceguard-service", "pay"), ("raceguard-version", "1.0")];
        let (status, answer) = server.post(&write, &headers, race("1-1", "m.Put")).await;
        assert_eq!(status, 200, "{answer}");
        visit(|| {
            let visitor = Visitor::new(format!("http://{}", server.address));
            visitor.log_in(&admin);
            is_dressed(&visitor.open(address), tag, theme);
            let form = visitor.open("/policies/edit");
            is_dressed(&form, tag, theme);

            // A mistake is told with its line, and nothing that was typed is lost.
            let wrong = RACES.replace("window", "windov");
            let typed = [("name", "races"), ("body", &*wrong), ("message", "the first")];
            let told = visitor.submit(&form, "/policies/save", &typed);
            told.expect(&["role=\"alert\"", "windov", "races.yaml:7:5", "value=\"the first\""]);

            // Tried on the last hour, which changes nothing.
            let typed = [("body", RACES)];
            let tried = visitor.submit_to(&told, "/policies/save", "/policies/try", &typed);
            tried.expect(&["badge warn", "1 time", "1 service", "m.Put", "value=\"races\""]);
            is_dressed(&tried, tag, theme);
            visitor.open("/policies").expect(&["class=\"empty\""]);

            // Saved for all, then changed for a share.
            let saved = visitor.submit(&tried, "/policies/save", &[]);
            assert_eq!((saved.status, &*saved.path), (200, "/policies/revisions/1"), "{}", saved.body);
            saved.expect(&["the first", "badge enforce", in_force, "+  - id: races"]);
            let form = visitor.open("/policies/edit?name=races");
            let changed = RACES.replace("1h", "2h");
            let typed = [("body", &*changed), ("message", "the second"), ("share", "25")];
            let saved = visitor.submit(&form, "/policies/save", &typed);
            assert_eq!((saved.status, &*saved.path), (200, "/policies/revisions/2"), "{}", saved.body);
            saved.expect(&["badge canary", on_trial, "-    window: 1h", "+    window: 2h"]);
            visitor.open("/policies").expect(&["25 %", "badge canary", "badge enforce"]);
            // Somebody else saved meanwhile: the form is of the revision before.
            assert_eq!(visitor.submit(&form, "/policies/save", &typed).status, 409);

            let page = visitor.open("/policies/revisions/2");
            let released = visitor.submit(&page, "/policies/revisions/2/release", &[("share", "100")]);
            assert_eq!((released.status, &*released.path), (200, "/policies/revisions/2"));
            released.expect(&["badge enforce"]);
            let first = visitor.open("/policies/revisions/1");
            let back = visitor.submit(&first, "/policies/revisions/1/rollback", &[]);
            assert_eq!((back.status, &*back.path), (200, "/policies/revisions/3"));
            back.expect(&["badge enforce", "+    window: 1h", "-    window: 2h"]);
            visitor.open("/audit").expect(&["policy.", "token:admin"]);
        });
        let (_, list) = server.get(&admin, "/v1/policies").await;
        let text = list.to_string();
        assert!(text.contains("window: 1h") && !text.contains("window: 2h"), "{text}");
        server.stop().await;
    }
}

fn firing(key: &str) -> Firing {
    let labels = [("service", "pay"), ("policy", "races")];
    let labels: BTreeMap<_, _> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Firing {
        key: key.to_owned(),
        severity: Severity::P1,
        title: "pay <races>".to_owned(),
        text: "three times".to_owned(),
        labels,
        link: "/causes/1".to_owned(),
        at_ms: now_ms(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_acknowledged_and_silenced_through_its_forms() {
    for (address, tag, theme, ..) in READERS {
        let folder = tempfile::tempdir().expect("there is room");
        let admin = token(folder.path(), Role::Admin);
        let server = Running::start(folder.path(), Limits::default()).await;
        let id = server.alerts().fire(firing("a")).await.expect("it is kept");
        visit(|| {
            let visitor = Visitor::new(format!("http://{}", server.address));
            visitor.log_in(&admin);
            visitor.open(address);
            let page = visitor.open("/alerts");
            is_dressed(&page, tag, theme);
            page.expect(&["badge firing", "pay &#60;races&#62;", "service=pay"]);
            let acknowledge = format!("/alerts/{id}/acknowledge");
            let page = visitor.submit(&page, &acknowledge, &[]);
            assert_eq!((page.status, &*page.path), (200, "/alerts"));
            page.expect(&["badge acknowledged", "admin"]);
            assert!(!page.has_form(&acknowledge), "it is done");

            // The form of the alert knows its labels.
            let known = [("hours", "3"), ("reason", "known since Monday")];
            let page = visitor.submit(&page, "/alerts/silences", &known);
            page.expect(&["known since Monday", "policy=races, service=pay"]);
            let end =
                page.body.split("action=\"/alerts/silences/").nth(1).and_then(|it| it.split('"').next());
            let end = format!("/alerts/silences/{}", end.expect("it can be ended"));
            let page = visitor.submit(&page, &end, &[]);
            assert!(!page.body.contains("known since Monday"), "{}", page.body);
            for (hours, reason) in [("0", "too short"), ("3", "")] {
                let refused =
                    visitor.submit(&page, "/alerts/silences", &[("hours", hours), ("reason", reason)]);
                assert_eq!(refused.status, 422, "{hours} hours, {reason}: {}", refused.body);
            }
            visitor.open("/audit").expect(&["alert.acknowledge", "silence.add", "silence.end"]);
        });
        let (_, alerts) = server.get(&admin, "/v1/alerts").await;
        assert_eq!(alerts[0]["acknowledged_by"], "admin", "{alerts}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_sees_no_form_and_can_send_none() {
    let folder = tempfile::tempdir().expect("there is room");
    let (read, admin) = (token(folder.path(), Role::Read), token(folder.path(), Role::Admin));
    let server = Running::start(folder.path(), Limits::default()).await;
    let id = server.alerts().fire(firing("a")).await.expect("it is kept");
    visit(|| {
        let base = format!("http://{}", server.address);
        let (reader, chief) = (Visitor::new(base.clone()), Visitor::new(base));
        reader.log_in(&read);
        chief.log_in(&admin);
        let form = chief.open("/policies/edit");
        chief.submit(&form, "/policies/save", &[("name", "races"), ("body", RACES)]);
        let acts = [
            ("/policies/edit", "/policies/save".to_owned(), "name=a&body=b&expected=1"),
            ("/policies/edit", "/policies/try".to_owned(), "name=a&body=b&expected=1"),
            ("/policies/revisions/1", "/policies/revisions/1/rollback".to_owned(), ""),
            ("/policies/revisions/1", "/policies/revisions/1/release".to_owned(), "share=10"),
            ("/alerts", format!("/alerts/{id}/acknowledge"), ""),
            ("/alerts", "/alerts/silences".to_owned(), "labels=service%3Dpay&hours=2&reason=known"),
        ];
        for (shown_on, action, body) in acts {
            assert!(!reader.open(shown_on).has_form(&action), "{action}");
            // The reader's own form token, which is that of the session, is no help; a wrong one is none to an admin.
            let own = reader.open("/");
            let own =
                own.body.split("name=\"form_token\" value=\"").nth(1).and_then(|it| it.split('"').next());
            let own = own.expect("one can log out");
            assert_eq!(reader.post(&action, &format!("form_token={own}&{body}")).status, 403, "{action}");
            assert_eq!(chief.post(&action, &format!("form_token={own}&{body}")).status, 403, "{action}");
        }
    });
    let (_, alerts) = server.get(&admin, "/v1/alerts").await;
    assert!(alerts[0]["acknowledged_by"].is_null(), "{alerts}");
    server.stop().await;
}
