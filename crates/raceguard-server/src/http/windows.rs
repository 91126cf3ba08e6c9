//! What is counted in windows of five minutes: requests, and waiting for locks.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/slts?service=&hours=` | [`Slts`]: windows of the last hours, 1 when not said, at most 168 |
//! | `GET /v1/slo` | [`Objectives`] |
//! | `GET /v1/locks?service=&hours=&limit=` | [`LockTable`]: calls with most waiting; 24 hours when not said, at most 168 |

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use super::{Problem, Shared};
use crate::clock::now_ms;
use crate::locks::questions::LockTable;
use crate::slts::questions::{Objectives, Slts};
use crate::token::Role;

/// Hours that an answer goes back at most.
const HOURS: i64 = 7 * 24;

/// Calls in an answer when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/slts", get(slts)).route("/v1/slo", get(slo)).route("/v1/locks", get(locks))
}

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
struct Question {
    service: Option<String>,
    hours: Option<i64>,
    limit: Option<usize>,
}

impl Question {
    fn hours(&self, default: i64) -> i64 {
        self.hours.unwrap_or(default).clamp(1, HOURS)
    }
}

type Asked = Result<Query<Question>, QueryRejection>;

async fn slts(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Slts>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let hours = question.hours(1);
    let ask = move |reader: &crate::store::Reader| reader.slts(question.service.as_deref(), hours, now_ms());
    Ok(Json(shared.ask(ask).await?))
}

async fn slo(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Objectives>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    Ok(Json(shared.ask(|reader| reader.objectives(now_ms())).await?))
}

async fn locks(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<LockTable>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let (hours, limit) = (question.hours(24), question.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, LIMIT));
    let ask = move |reader: &crate::store::Reader| {
        reader.locks(question.service.as_deref(), hours, limit, now_ms())
    };
    Ok(Json(shared.ask(ask).await?))
}
