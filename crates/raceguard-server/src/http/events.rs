//! `GET /events`: live updates as [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Problem, Shared};
use crate::pages::session;
use crate::token::Role;

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    /// The last event that is known, as in `Last-Event-ID`.
    after: Option<String>,
}

/// A stream that ends when the listener falls behind or the server stops.
pub(super) async fn listen(
    State(shared): State<Arc<Shared>>,
    Query(question): Query<Question>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = session::of_request(&shared, &headers).await.ok().flatten();
    if session.is_none() {
        shared.authorize(&headers, Role::Read).await?;
    }
    // A browser that connects again by itself sends the header, which is newer than the address.
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = header.or(question.after.as_deref()).filter(|after| !after.is_empty());
    let listener = shared.events.listen(after).ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many listen to live updates as may; try again later",
        )
    })?;
    let stream = futures_util::stream::unfold(listener, |mut listener| async {
        let bytes = listener.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), listener))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(stream)).into_response())
}
