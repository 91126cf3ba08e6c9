//! `GET` and `POST /login`, `POST /logout`: a token for a session, and back.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::fault::PageFault;
use super::preferences::Preferences;
use super::session::{self, Viewer};
use super::shell::Shell;
use crate::http::Shared;
use crate::token::Token;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    next: String,
    refused: bool,
}

/// A page that does nothing but lead on, from our own site.
#[derive(Template)]
#[template(path = "bounce.html")]
pub(super) struct Bounce {
    shell: Shell,
    target: String,
}

impl Bounce {
    pub(super) fn to(target: &str, preferences: Preferences) -> Self {
        Self { shell: Shell::bare(preferences, "Raceguard"), target: own(target) }
    }
}

impl IntoResponse for Bounce {
    fn into_response(self) -> Response {
        self.render().map(Html).map_err(PageFault::from).into_response()
    }
}

/// What may follow the `?` of the login.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    next: String,
}

/// What the form of the login holds.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    token: String,
    #[serde(default)]
    next: String,
}

/// What the form of the logout holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Logout {
    form_token: String,
}

/// The form.
pub(crate) async fn show(
    uri: Uri,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Result<Html<String>, PageFault> {
    page(Preferences::of(&uri, &headers), &question.next, false)
}

/// Takes a token.
pub(crate) async fn enter(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Result<Response, PageFault> {
    if !is_own(&headers) {
        return Err(PageFault::foreign_form());
    }
    let token = Token::of_header(&format!("Bearer {}", credentials.token));
    let secure =
        shared.is_secure || headers.get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    let cookie = match &token {
        Some(token) => session::open(&shared, token, secure).await?,
        None => None,
    };
    if let Some(cookie) = cookie {
        let to = [(LOCATION, own(&credentials.next)), (SET_COOKIE, text(&cookie))];
        return Ok((StatusCode::SEE_OTHER, to).into_response());
    }
    let page = page(Preferences::of(&uri, &headers), &credentials.next, true)?;
    Ok((StatusCode::FORBIDDEN, page).into_response())
}

/// Ends the session.
pub(crate) async fn leave(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    headers: HeaderMap,
    Form(logout): Form<Logout>,
) -> Result<Response, PageFault> {
    if logout.form_token != viewer.form_token {
        return Err(PageFault::foreign_form());
    }
    let cookie = session::end(&shared, &headers).await?;
    let to = [(LOCATION, "/login".to_owned()), (SET_COOKIE, text(&cookie))];
    Ok((StatusCode::SEE_OTHER, to).into_response())
}

fn page(preferences: Preferences, next: &str, refused: bool) -> Result<Html<String>, PageFault> {
    let shell = Shell::bare(preferences, preferences.language.text().login);
    Ok(Html(LoginPage { shell, next: own(next), refused }.render()?))
}

fn text(header: &axum::http::HeaderValue) -> String {
    header.to_str().unwrap_or_default().to_owned()
}

/// The address, if it is a page of ours; the first page otherwise.
fn own(next: &str) -> String {
    let is_path =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r', '\t']);
    let is_plain = next.chars().all(|character| character.is_ascii_graphic());
    if is_path && is_plain && !next.starts_with("/login") { next.to_owned() } else { "/".to_owned() }
}

/// Whether a form was sent from a page of ours. Browsers say so; what is no browser has no session to lose.
fn is_own(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_leads_to_pages_of_ours_alone() {
        assert_eq!(own("/causes/7?x=1"), "/causes/7?x=1");
        for foreign in
            ["https://e.example", "//e.example", "/\\e.example", "/\t/e.example", "", "javascript:1"]
        {
            assert_eq!(own(foreign), "/", "{foreign}");
        }
    }
}
