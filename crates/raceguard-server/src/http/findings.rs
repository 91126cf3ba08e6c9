//! `GET /v1/findings`: what was found, the last seen first.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{Problem, Shared};
use crate::store::{FindingRow, Totals};
use crate::token::Role;

/// Findings in an answer when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    totals: Totals,
    findings: Vec<FindingRow>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Findings>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT);
    let ask = move |reader: &crate::store::Reader| {
        Ok(Findings { totals: reader.totals()?, findings: reader.findings(limit)? })
    };
    Ok(Json(shared.ask(ask).await?))
}
