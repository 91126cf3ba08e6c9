//! `GET /metrics`, for Prometheus; needs a token that may read, unless the server was told otherwise.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::{Problem, Shared};
use crate::clock::now_ms;
use crate::metrics::{self, encode, gather};
use crate::token::Role;

pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    if !shared.metrics_open {
        shared.authorize(&headers, Role::Read).await?;
    }
    let asked = Arc::clone(&shared);
    let text = shared.ask(move |_| Ok(encode(gather(&asked, now_ms())?))).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}
