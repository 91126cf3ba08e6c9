//! The dashboard as people use it: real evidence of the examples, looked at in a Chromium without a window.
//!
//! These tests need Chromium on PATH; without it they fail.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/fleet.rs"]
mod fleet;
mod support;

use browser::Browser;
use fleet::{Fleet, GATEWAY, LOST_UPDATE, look};
use serde_json::json;

/// All pages, and what each must say in English and in Chinese.
fn pages(cause: i64) -> Vec<(String, &'static str, &'static str)> {
    let page = |path: &str, english, chinese| (path.to_owned(), english, chinese);
    vec![
        page("/", "New root causes", "新根因"),
        page("/causes", "Root causes", "根因"),
        page(&format!("/causes/{cause}"), "Evidence chain", "证据链"),
        page("/services", "gateway", "gateway"),
        page("/services/gateway", "Operations", "操作"),
        page("/locks", "Locks", "锁"),
        page("/alerts", "Silences", "静默规则"),
        page("/findings?kind=race&sort=count", "Data race", "数据竞争"),
        page("/policies", "Revisions", "修订历史"),
        page("/policies/edit", "Try on the last hour", "用最近一小时试算"),
        page("/ingest", "Streams that came last", "最近的数据流"),
        page("/audit", "What administrators did", "管理员的操作记录"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_in_both_languages_and_colours_with_and_without_scripts() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::start(folder.path()).await;
    let causes = fleet.causes(2).await;
    let cause = causes[0]["id"].as_i64().expect("it has one");
    look(|| {
        let profile = tempfile::tempdir().expect("there is room");
        let browser = Browser::start(profile.path(), 1400, 900);
        fleet.log_in(&browser, &fleet.admin);
        for (language, theme, scripts) in
            [("en", "light", true), ("zh", "dark", true), ("en", "dark", false), ("zh", "light", false)]
        {
            browser.call("Emulation.setScriptExecutionDisabled", json!({"value": !scripts}));
            browser.open(&fleet.url(&format!("/?lang={language}&theme={theme}")));
            for (path, english, chinese) in pages(cause) {
                browser.open(&fleet.url(&path));
                let expected = if language == "en" { english } else { chinese };
                let text = browser.text();
                assert!(text.contains(expected), "{path} in {language} lacks {expected}:\n{text}");
                assert_eq!(browser.eval("document.documentElement.dataset.theme"), json!(theme));
                let wider = browser.eval("document.documentElement.scrollWidth - innerWidth");
                assert!(wider.as_i64().is_some_and(|wider| wider <= 0), "{path} scrolls sideways by {wider}");
                assert_eq!(browser.problems(), Vec::<String>::new(), "{path} in {language}, {theme}");
            }
        }
        let dark = "getComputedStyle(document.body).backgroundColor";
        browser.open(&fleet.url("/?theme=dark"));
        let dark_colour = browser.eval(dark);
        browser.open(&fleet.url("/?theme=light"));
        assert_ne!(browser.eval(dark), dark_colour);
        let resources = browser
            .eval("performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)");
        let origin = format!("http://{}", fleet.server.address);
        assert!(
            resources.as_array().is_some_and(|all| all.iter().all(|one| *one == json!(origin))),
            "{resources}"
        );
    });
    fleet.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cause_shows_its_evidence_and_takes_what_people_say() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::start(folder.path()).await;
    let causes = fleet.causes(2).await;
    let gateway = causes.iter().find(|cause| cause["services"] == json!(["gateway"])).expect("it is there");
    let path = format!("/causes/{}", gateway["id"]);
    look(|| {
        let profile = tempfile::tempdir().expect("there is room");
        let browser = Browser::start(profile.path(), 1400, 900);
        fleet.log_in(&browser, &fleet.admin);
        browser.open(&fleet.url(&path));
        for part in ["Later access", "Earlier access", "What to do", "By version", "1.4.2", "pod-a", "canary"]
        {
            assert!(browser.text().contains(part), "no {part}:\n{}", browser.text());
        }
        assert!(browser.eval("document.querySelectorAll('svg.graph g').length").as_i64() >= Some(3));
        browser.wait("document.querySelectorAll('.uplot canvas').length >= 1");
        browser.eval("document.getElementById('state').value = 'fixed'");
        browser.eval("document.getElementById('version').value = '1.5.0'");
        browser.eval("document.getElementById('note').value = 'a lock around both'");
        browser.eval("document.querySelector('form[action$=\"/state\"]').requestSubmit()");
        browser.wait("document.body.innerText.includes('a lock around both')");
        assert!(browser.text().contains("fixed") && browser.text().contains("1.5.0"));
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
    let (_, answer) = fleet.server.send(&fleet.read, "GET", &format!("/v1{path}"), None).await;
    assert_eq!(answer["cause"]["state"], "fixed", "{answer}");
    assert_eq!(answer["cause"]["changed_by"], "admin");
    fleet.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_evidence_shows_by_itself() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::start(folder.path()).await;
    fleet.causes(2).await;
    let browser = look(|| {
        let profile = tempfile::tempdir().expect("there is room").keep();
        let browser = Browser::start(&profile, 1400, 900);
        fleet.log_in(&browser, &fleet.read);
        browser.open(&fleet.url("/"));
        browser.wait("document.querySelector('[data-live]').dataset.state === 'on'");
        browser.eval("window.before = document.querySelector('[data-total=records]').textContent");
        browser
    });
    fleet.push("stats", LOST_UPDATE).await;
    look(|| {
        browser.wait("document.querySelector('[data-total=records]').textContent !== window.before");
        browser.wait("[...document.querySelectorAll('[data-list=cause] tr')].some((row) => row.innerText.includes('stats'))");
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
    drop(browser);
    fleet.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything_in_order() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::start(folder.path()).await;
    fleet.causes(2).await;
    look(|| {
        let profile = tempfile::tempdir().expect("there is room");
        let browser = Browser::start(profile.path(), 1400, 900);
        fleet.log_in(&browser, &fleet.read);
        browser.open(&fleet.url("/causes"));
        let mut visited = Vec::new();
        for _ in 0..22 {
            browser.press("Tab", 9);
            let focused = browser.eval(
                "(() => { const e = document.activeElement; return e.getAttribute('href') ?? e.id ?? e.tagName; })()",
            );
            visited.push(focused.as_str().unwrap_or_default().to_owned());
        }
        let place = |wanted: &str| {
            visited
                .iter()
                .position(|focused| focused == wanted)
                .unwrap_or_else(|| panic!("no {wanted}: {visited:?}"))
        };
        assert_eq!(visited[0], "#content", "{visited:?}");
        assert!(place("/") < place("/causes") && place("/causes") < place("/services"), "{visited:?}");
        assert!(place("/services") < place("state") && place("state") < place("service"), "{visited:?}");
        let first = visited.iter().position(|focused| focused.starts_with("/causes/"));
        assert!(first.is_some_and(|first| first > place("service")), "{visited:?}");
        let unnamed = "[...document.querySelectorAll('input:not([type=hidden]),select,textarea')]\
                       .filter((field) => field.labels.length === 0).length";
        assert_eq!(browser.eval(unnamed), json!(0));
        let landmarks = "['main', 'nav', 'h1'].map((name) => document.querySelectorAll(name).length)";
        assert_eq!(browser.eval(landmarks), json!([1, 1, 1]));
    });
    fleet.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_evidence_is_not_run() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::start(folder.path()).await;
    let hostile = GATEWAY
        .replace("(*RouteTable)", "<img src=x onerror=alert(1)>")
        .replace("routes.go", "</script><script>alert(2)</script>.go");
    assert_ne!(hostile, GATEWAY);
    fleet.push("\"><script>alert(3)</script>", &hostile).await;
    let causes = fleet.causes(3).await;
    look(|| {
        let profile = tempfile::tempdir().expect("there is room");
        let browser = Browser::start(profile.path(), 1400, 900);
        fleet.log_in(&browser, &fleet.admin);
        let mut paths: Vec<String> = causes.iter().map(|cause| format!("/causes/{}", cause["id"])).collect();
        paths.extend(
            ["/", "/causes", "/services", "/findings", "/findings?q=%22%3E%3Cscript%3Ealert(4)%3C/script%3E"]
                .map(str::to_owned),
        );
        for path in paths {
            browser.open(&fleet.url(&path));
            assert_eq!(
                browser.eval("document.querySelectorAll('img[src=x], main script').length"),
                json!(0),
                "{path}"
            );
            assert_eq!(browser.problems(), Vec::<String>::new(), "{path}");
        }
        browser.open(&fleet.url("/findings"));
        assert!(browser.text().contains("onerror=alert(1)"), "it is shown as text:\n{}", browser.text());
    });
    fleet.server.stop().await;
}
