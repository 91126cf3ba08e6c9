//! `GET /v1/audit?after=0&limit=1000`: what administrators did, the oldest first, and the end of the log.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Problem, Shared};
use crate::audit::{self, Entry, Head};
use crate::token::Role;

/// Entries in an answer, at most.
const LIMIT: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/audit", get(list))
}

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Page {
    entries: Vec<Entry>,
    head: Head,
}

async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    let Query(question) =
        question.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let limit = question.limit.unwrap_or(LIMIT).min(LIMIT);
    let page = shared.ask(move |reader| {
        reader.ask(|connection| {
            let entries = audit::page(connection, question.after, limit)?;
            Ok(Page { entries, head: audit::head(connection)? })
        })
    });
    Ok(Json(page.await?))
}
