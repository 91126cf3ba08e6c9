//! Root causes and services.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/causes?state=&service=&window=&limit=&cursor=` | [`CausePage`]: the last seen first; with a window (`5m`, `1h`, `24h`, `7d`) those that happened most and worst in it |
//! | `GET /v1/causes/ID` | [`CauseDetail`] |
//! | `POST /v1/causes/ID/state` | [`StateChange`]; answers as the list would |
//! | `GET /v1/services` | [`Services`] |
//! | `GET /v1/live/maps` | [`LiveMaps`] |

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::{Problem, Shared};
use crate::causes::changes::set_state;
use crate::causes::questions::{CauseFilter, Cursor, Window};
use crate::causes::rows::{CauseDetail, CausePage, CauseRow, Services};
use crate::causes::state::{BadChange, CauseState, StateChange};
use crate::clock::now_ms;
use crate::live::report::LiveMaps;
use crate::token::Role;

/// Causes in an answer when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/causes", get(list))
        .route("/v1/causes/{id}", get(one))
        .route("/v1/causes/{id}/state", post(change))
        .route("/v1/services", get(services))
        .route("/v1/live/maps", get(maps))
}

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
struct Question {
    state: Option<String>,
    service: Option<String>,
    window: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Question {
    fn filter(self) -> Result<CauseFilter, Problem> {
        let state = read("state", self.state, CauseState::named, "open, acknowledged, fixed, regressed")?;
        let window = read("window", self.window, Window::named, "5m, 1h, 24h, 7d")?;
        let cursor = read("cursor", self.cursor, Cursor::read, "what next says in the answer before")?;
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, LIMIT);
        Ok(CauseFilter { state, service: self.service, window, limit, cursor })
    }
}

/// A parameter, if it is one of those that there are. An empty one is none.
fn read<T>(
    name: &str,
    text: Option<String>,
    of: impl FnOnce(&str) -> Option<T>,
    known: &str,
) -> Result<Option<T>, Problem> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => of(&text).map(Some).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, format!("{name}={text} is not known; there are {known}"))
        }),
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<CausePage>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let filter = question?.0.filter()?;
    Ok(Json(shared.ask(move |reader| reader.causes(&filter, now_ms())).await?))
}

async fn one(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<CauseDetail>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(id) = id?;
    let cause = shared.ask(move |reader| reader.cause(id, now_ms())).await?;
    cause.map(Json).ok_or_else(|| Problem::not_there(format!("cause {id}")))
}

async fn change(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Result<Path<i64>, PathRejection>,
    change: Result<Json<StateChange>, JsonRejection>,
) -> Result<Json<CauseRow>, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let (Path(id), Json(change)) = (id?, change?);
    let change = change.checked()?;
    let changed = shared
        .writer
        .change(move |connection| set_state(connection, id, &change, &holder.name, now_ms()))
        .await?;
    let id = changed.ok_or_else(|| Problem::not_there(format!("cause {id}")))?;
    let live = Arc::clone(&shared.live);
    let cause = shared
        .ask(move |reader| {
            live.reload(reader)?;
            reader.cause(id, now_ms())
        })
        .await?;
    cause.map(|cause| Json(cause.cause)).ok_or_else(|| Problem::not_there(format!("cause {id}")))
}

async fn services(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Services>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let live = Arc::clone(&shared.live);
    Ok(Json(shared.ask(move |reader| reader.services(&live, now_ms())).await?))
}

async fn maps(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<LiveMaps>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    Ok(Json(shared.live.report()))
}

impl From<BadChange> for Problem {
    fn from(error: BadChange) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}
