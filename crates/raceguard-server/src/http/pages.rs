//! The pages' routes, and what goes with every page: the policy on what it may load, its language, faults in words.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;

use super::Shared;
use crate::pages::fault::PageFault;
use crate::pages::preferences::Preferences;
use crate::pages::{
    alerts, assets, audit, bundle, cause, causes, findings, ingest, locks, login, overview, policies,
    services,
};

/// What a page may load: our own files, nothing inside the page, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The pages.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/causes", get(causes::list))
        .route("/causes/{id}", get(cause::show))
        .route("/causes/{id}/state", post(cause::say))
        .route("/services", get(services::list))
        .route("/services/{name}", get(services::show))
        .route("/locks", get(locks::list))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}/acknowledge", post(alerts::acknowledge))
        .route("/alerts/silences", post(alerts::silence))
        .route("/alerts/silences/{id}/end", post(alerts::end_silence))
        .route("/bundles/{id}", get(bundle::download))
        .route("/policies", get(policies::list))
        .route("/policies/edit", get(policies::edit))
        .route("/policies/try", post(policies::try_out))
        .route("/policies/save", post(policies::save))
        .route("/policies/revisions/{number}", get(policies::revision))
        .route("/policies/revisions/{number}/rollback", post(policies::roll_back))
        .route("/policies/revisions/{number}/release", post(policies::release))
        .route("/ingest", get(ingest::show))
        .route("/audit", get(audit::list))
        .route("/findings", get(findings::list))
        .route("/findings/{fingerprint}", get(findings::show))
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/assets/{hash}/{name}", get(assets::get))
        .layer(from_fn(dress))
        .layer(CompressionLayer::new())
}

/// Puts headers on a page, keeps what its address says of language and colours, and puts a fault into words.
async fn dress(request: Request, next: Next) -> Response {
    let preferences = Preferences::of(request.uri(), request.headers());
    let cookies = Preferences::cookies(request.uri());
    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions_mut().remove::<PageFault>() {
        response = fault.page(preferences);
    }
    let headers = response.headers_mut();
    set(headers);
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
    response
}

fn set(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page shows what its reader may see; nobody else keeps it.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
