//! Sessions: a browser that showed a token gets a cookie in its place.
//!
//! The cookie holds 32 random bytes; kept is their hash, beside that of the token, so a session ends when its token is
//! revoked. Forms carry a word made from the cookie, which no other site can know.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest as _, Sha256};

use super::fault::PageFault;
use super::login::Bounce;
use super::preferences::{Preferences, cookie};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::sql::values;
use crate::store::{Reader, StoreError};
use crate::token::{Holder, Role, Token};
use raceguard_evidence::hex::hex;

/// The cookie.
const NAME: &str = "raceguard_session";

/// How long a session lasts, in milliseconds: a working day.
const LASTS_MS: i64 = 12 * 3_600_000;

/// Who looks at a page.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    /// Name of the token of the session.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// What forms must carry.
    pub(crate) form_token: String,
    /// How the reader wants the page.
    pub(crate) preferences: Preferences,
    /// Path and query of the page.
    pub(crate) address: Uri,
    /// The last event before the page was asked for.
    pub(crate) after: String,
}

impl Viewer {
    /// Whether forms that change something are for them.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// How the log of acts calls them.
    pub(crate) fn actor(&self) -> String {
        format!("token:{}", self.name)
    }

    /// Whether they may do what a form asks for.
    ///
    /// # Errors
    ///
    /// Without the session's own form token, or when the session's token is no admin's.
    pub(crate) fn may_change(&self, form_token: &str) -> Result<(), PageFault> {
        if form_token != self.form_token {
            return Err(PageFault::foreign_form());
        }
        if !self.is_admin() {
            return Err(PageFault::admins_only());
        }
        Ok(())
    }
}

impl FromRequestParts<Arc<Shared>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let after = shared.events.last();
        let found = of_request(shared, &parts.headers).await.map_err(IntoResponse::into_response)?;
        let Some((secret, holder)) = found else { return Err(to_login(parts)) };
        Ok(Self {
            name: holder.name,
            role: holder.role,
            form_token: form_token(&secret),
            preferences: Preferences::of(&parts.uri, &parts.headers),
            address: parts.uri.clone(),
            after,
        })
    }
}

/// The session of a request: its secret, and who opened it.
pub(crate) async fn of_request(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
) -> Result<Option<(String, Holder)>, PageFault> {
    let Some(secret) = cookie(headers, NAME) else { return Ok(None) };
    let hash = hash(&secret);
    let holder = shared.ask(move |reader| reader.session(&hash, now_ms())).await?;
    Ok(holder.map(|holder| (secret, holder)))
}

/// Where somebody without a session is sent.
fn to_login(parts: &Parts) -> Response {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    // A link on another site brings no strict cookie along; a page of our own that leads on does.
    let foreign = parts.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if foreign && parts.headers.contains_key("sec-fetch-mode") && parts.method == axum::http::Method::GET {
        return Bounce::to(target, Preferences::of(&parts.uri, &parts.headers)).into_response();
    }
    let next: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

/// Opens a session for the holder of a token; gives the cookie. Nothing when the token may not read.
pub(super) async fn open(
    shared: &Arc<Shared>,
    token: &Token,
    secure: bool,
) -> Result<Option<HeaderValue>, PageFault> {
    let token = token.hash();
    let holder = shared.ask(move |reader| reader.holder(&token)).await?;
    if !holder.is_some_and(|holder| holder.role.covers(Role::Read)) {
        return Ok(None);
    }
    let secret = random()?;
    let (hash, now) = (hash(&secret), now_ms());
    shared
        .writer
        .change(move |connection| {
            connection.execute("DELETE FROM session WHERE expires_ms <= $1", values![now])?;
            connection.execute(
                "INSERT INTO session (hash, token, created_ms, expires_ms) VALUES ($1, $2, $3, $4)",
                values![&hash, &token, now, now + LASTS_MS],
            )
        })
        .await?;
    Ok(Some(set_cookie(&secret, LASTS_MS / 1000, secure)))
}

/// Ends the session of a request; gives the cookie that takes the place of its own.
pub(super) async fn end(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<HeaderValue, PageFault> {
    if let Some(secret) = cookie(headers, NAME) {
        let hash = hash(&secret);
        let delete = move |connection: &mut (dyn crate::store::sql::Connection + 'static)| {
            connection.execute("DELETE FROM session WHERE hash = $1", values![&hash])
        };
        shared.writer.change(delete).await?;
    }
    Ok(set_cookie("", 0, false))
}

fn set_cookie(secret: &str, seconds: i64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{NAME}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).unwrap_or_else(|_| unreachable!("hex digits are fit for a header"))
}

fn random() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Random(error.to_string()))?;
    Ok(hex(&bytes))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn form_token(secret: &str) -> String {
    hex(&Sha256::digest(format!("form {secret}").as_bytes()))
}

impl Reader {
    /// Who opened a session that has not ended; nothing when the token was revoked since.
    fn session(&self, hash: &[u8; 32], now_ms: i64) -> Result<Option<Holder>, StoreError> {
        let row = self.ask(|connection| {
            connection
                .row("SELECT token FROM session WHERE hash = $1 AND expires_ms > $2", values![hash, now_ms])
        })?;
        let Some(row) = row else { return Ok(None) };
        match row.get::<Vec<u8>>(0)?.try_into() {
            Ok(token) => self.holder(&token),
            Err(_) => Err(StoreError::Incomplete("session")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_token_is_neither_the_secret_nor_what_is_kept() {
        let secret = random().expect("there is chance");
        assert_eq!(form_token(&secret).len(), 64);
        assert_ne!(form_token(&secret), secret);
        assert_ne!(form_token(&secret), hex(&hash(&secret)));
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_the_cookie() {
        let cookie = set_cookie("ab", 60, true);
        let cookie = cookie.to_str().expect("it is text");
        assert!(
            ["HttpOnly", "SameSite=Strict", "Secure", "Max-Age=60"].iter().all(|part| cookie.contains(part))
        );
        assert!(!set_cookie("ab", 60, false).to_str().expect("it is text").contains("Secure"));
    }
}
