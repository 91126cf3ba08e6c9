//! Sessions and what goes with every page, without a browser.

mod support;

use raceguard_server::limits::Limits;
use raceguard_server::token::{Role, Token};
use support::{Running, token};
use ureq::http::Response;

/// Sends a request; redirects are not followed.
async fn send(
    server: &Running,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<String> {
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", server.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned()).expect("it is a request");
    let send = move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let (parts, mut body) = agent.run(request).expect("it answers").into_parts();
        Response::from_parts(parts, body.read_to_string().expect("it is text"))
    };
    tokio::task::spawn_blocking(send).await.expect("it runs")
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The cookie of a new session.
async fn log_in(server: &Running, token: &Token) -> String {
    let answer =
        send(server, "POST", "/login", &[FORM], &format!("token={}&next=/causes", token.reveal())).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/causes"));
    let cookie = header(&answer, "set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

fn header<'a>(answer: &'a Response<String>, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What forms of the session carry.
fn form_token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("the page has a form");
    rest.split('"').next().unwrap_or_default()
}

#[tokio::test]
async fn a_session_lasts_until_it_or_its_token_ends() {
    let folder = tempfile::tempdir().expect("there is room");
    let (read, write) = (token(folder.path(), Role::Read), token(folder.path(), Role::Write));
    let server = Running::start(folder.path(), Limits::default()).await;
    let stranger = send(&server, "GET", "/causes?state=open", &[], "").await;
    assert_eq!(
        (stranger.status().as_u16(), header(&stranger, "location")),
        (303, "/login?next=%2Fcauses%3Fstate%3Dopen")
    );
    for bad in ["rgt_00", write.reveal(), ""] {
        let refused = send(&server, "POST", "/login", &[FORM], &format!("token={bad}")).await;
        assert_eq!((refused.status().as_u16(), header(&refused, "set-cookie")), (403, ""), "{bad}");
    }
    let cookie = log_in(&server, &read).await;
    let with_cookie = [("cookie", cookie.as_str()), FORM];
    let page = send(&server, "GET", "/", &with_cookie, "").await;
    assert_eq!(page.status().as_u16(), 200, "{}", page.body());
    let left = send(&server, "POST", "/logout", &with_cookie, "form_token=guessed").await;
    assert_eq!(left.status().as_u16(), 403);
    let left = format!("form_token={}", form_token(page.body()));
    assert_eq!(send(&server, "POST", "/logout", &with_cookie, &left).await.status().as_u16(), 303);
    assert_eq!(send(&server, "GET", "/", &with_cookie, "").await.status().as_u16(), 303);

    let cookie = log_in(&server, &read).await;
    let database = rusqlite::Connection::open(folder.path().join("server.db")).expect("it is one");
    database.execute("UPDATE token SET revoked_ms = 1 WHERE name = 'read'", []).expect("it can be written");
    assert_eq!(send(&server, "GET", "/", &[("cookie", &cookie)], "").await.status().as_u16(), 303);
    server.stop().await;
}

#[tokio::test]
async fn who_may_read_sees_and_only_an_admin_acts() {
    let folder = tempfile::tempdir().expect("there is room");
    let (read, admin) = (token(folder.path(), Role::Read), token(folder.path(), Role::Admin));
    let server = Running::start(folder.path(), Limits::default()).await;
    for (token, expected) in [(read, 403), (admin, 303)] {
        let cookie = log_in(&server, &token).await;
        let headers = [("cookie", cookie.as_str()), FORM];
        let page = send(&server, "GET", "/alerts", &headers, "").await;
        let form = form_token(page.body());
        let silence = |form: &str| format!("form_token={form}&labels=service%3Dpay&hours=2&reason=known");
        let acted = send(&server, "POST", "/alerts/silences", &headers, &silence(form)).await;
        assert_eq!(acted.status().as_u16(), expected, "{}", acted.body());
        let foreign = send(&server, "POST", "/alerts/silences", &headers, &silence("00")).await;
        assert_eq!(foreign.status().as_u16(), 403);
    }
    server.stop().await;
}

#[tokio::test]
async fn every_page_goes_with_a_strict_policy_compressed() {
    let folder = tempfile::tempdir().expect("there is room");
    let read = token(folder.path(), Role::Read);
    let server = Running::start(folder.path(), Limits::default()).await;
    let cookie = log_in(&server, &read).await;
    for path in ["/", "/login", "/causes/99", "/findings/none"] {
        let page = send(&server, "GET", path, &[("cookie", &cookie)], "").await;
        let policy = header(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&page, "cache-control"), "no-store", "{path}");
        assert!(!page.body().contains("style=\"") && !page.body().contains("<script>"), "{path}");
        assert_eq!(page.status().as_u16() == 404, path.len() > 6, "{path}");
    }
    let chinese =
        send(&server, "GET", "/causes/99", &[("cookie", &cookie), ("accept-language", "zh-CN")], "").await;
    assert!(chinese.body().contains("返回总览"), "{}", chinese.body());
    let packed = send(&server, "GET", "/login", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(header(&packed, "vary"), "accept-encoding");
    server.stop().await;
}

#[tokio::test]
async fn a_link_from_elsewhere_leads_on_within_the_site() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Running::start(folder.path(), Limits::default()).await;
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = send(&server, "GET", "/causes/1", &headers, "").await;
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.body().contains("content=\"0; url=/causes/1\""), "{}", page.body());
    server.stop().await;
}
