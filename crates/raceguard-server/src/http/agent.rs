//! What agents and gates ask, and what triggers left behind.
//!
//! | request | role | what |
//! |---|---|---|
//! | `GET /v1/agent/instructions?service=` | write | sampling rates and quarantines |
//! | `POST /v1/agent/overhead` | write | `{"service", "environment", "overhead": 0.07}`: what sampling costs |
//! | `GET /v1/builds?limit=` | read | builds that are blocked |
//! | `GET`, `PUT`, `DELETE /v1/builds/SERVICE/VERSION` | read, admin | whether a build is blocked |
//! | `GET /v1/quarantine?service=` | read | tests and instances that are set aside |
//! | `DELETE /v1/quarantine?kind=&service=&name=` | admin | ends one |
//! | `GET /v1/tickets?limit=`, `GET /v1/firings?limit=` | read | drafts, and triggers that fired |

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Problem, Shared};
use crate::clock::now_ms;
use crate::origin::checked;
use crate::responses::{self, Blocked, FiringRow, Quarantine, TicketRow};
use crate::token::Role;

/// Rows in an answer when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/agent/instructions", get(instructions))
        .route("/v1/agent/overhead", post(overhead))
        .route("/v1/builds", get(builds))
        .route("/v1/builds/{service}/{version}", get(build).put(block).delete(unblock))
        .route("/v1/quarantine", get(quarantine).delete(end_quarantine))
        .route("/v1/tickets", get(tickets))
        .route("/v1/firings", get(firings))
}

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
struct Question {
    limit: Option<usize>,
    service: Option<String>,
    kind: Option<String>,
    name: Option<String>,
}

impl Question {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT)
    }
}

type Asked = Result<Query<Question>, QueryRejection>;
type Build = Result<Path<(String, String)>, PathRejection>;

async fn instructions(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Value>, Problem> {
    shared.authorize(&headers, Role::Write).await?;
    let Query(question) = question?;
    let (sampling, quarantine) = shared
        .ask(move |reader| {
            let (service, now) = (question.service.as_deref(), now_ms());
            Ok((reader.sampling(service, now)?, reader.quarantine(service, now)?))
        })
        .await?;
    let sampling: Vec<Value> = sampling
        .iter()
        .map(|it| {
            json!({"service": it.service, "environment": it.environment, "rate": it.rate,
                "until_ms": it.until_ms, "max_overhead": it.max_overhead})
        })
        .collect();
    let revision = shared.policies.registry.generation();
    Ok(Json(json!({"revision": revision, "sampling": sampling, "quarantine": quarantine})))
}

/// What sampling costs a service.
#[derive(Debug, Deserialize)]
struct Overhead {
    service: String,
    #[serde(default)]
    environment: String,
    /// Share of the time, 0 to 1.
    overhead: f64,
}

async fn overhead(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    told: Result<Json<Overhead>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    shared.authorize(&headers, Role::Write).await?;
    let Json(Overhead { service, environment, overhead }) = told?;
    let (service, environment) = (checked("service", &service)?, checked("environment", &environment)?);
    if !overhead.is_finite() || overhead < 0.0 {
        let message = format!("the overhead {overhead} is no share of the time; 0.05 are 5 %");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    let lowered = shared
        .writer
        .change(move |connection| {
            responses::lower_sampling(connection, &service, &environment, overhead, now_ms())
        })
        .await?;
    Ok(Json(json!({ "lowered": lowered })))
}

async fn builds(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<Blocked>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let limit = question?.rows();
    Ok(Json(shared.ask(move |reader| reader.blocked_builds(limit)).await?))
}

async fn build(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    build: Build,
) -> Result<Json<Value>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Path((service, version)) = build?;
    let (asked_service, asked_version) = (service.clone(), version.clone());
    let blocked = shared.ask(move |reader| reader.blocked_build(&asked_service, &asked_version)).await?;
    Ok(Json(match blocked {
        None => json!({"service": service, "version": version, "blocked": false}),
        Some(it) => json!({"service": service, "version": version, "blocked": true, "reason": it.reason,
            "blocked_by": it.blocked_by, "blocked_ms": it.blocked_ms}),
    }))
}

/// Why a build is blocked.
#[derive(Debug, Deserialize)]
struct Reason {
    reason: String,
}

async fn block(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    build: Build,
    reason: Result<Json<Reason>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let (Path((service, version)), Json(Reason { reason })) = (build?, reason?);
    let (service, version) = (checked("service", &service)?, checked("version", &version)?);
    let reason = reason.chars().take(2_000).collect();
    let blocked = Blocked { service, version, reason, blocked_by: holder.name, blocked_ms: now_ms() };
    let kept = blocked.clone();
    shared.writer.change(move |connection| responses::block_build(connection, &kept)).await?;
    Ok(Json(json!({"blocked": true, "reason": blocked.reason, "blocked_by": blocked.blocked_by})))
}

async fn unblock(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    build: Build,
) -> Result<StatusCode, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    let Path((service, version)) = build?;
    let what = format!("blocked build {version} of {service}");
    let gone = shared
        .writer
        .change(move |connection| responses::unblock_build(connection, &service, &version))
        .await?;
    Problem::unless(gone, what)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn quarantine(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<Quarantine>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    Ok(Json(shared.ask(move |reader| reader.quarantine(question.service.as_deref(), now_ms())).await?))
}

async fn end_quarantine(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<StatusCode, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    let Query(Question { kind, service, name, .. }) = question?;
    let (Some(kind), Some(service), Some(name)) = (kind, service, name) else {
        let message = "say which one: ?kind=test&service=…&name=…";
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    };
    let what = format!("quarantine of {kind} {name} of {service}");
    let gone = shared
        .writer
        .change(move |connection| responses::end_quarantine(connection, &kind, &service, &name))
        .await?;
    Problem::unless(gone, what)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tickets(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<TicketRow>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let limit = question?.rows();
    Ok(Json(shared.ask(move |reader| reader.policy_tickets(limit)).await?))
}

async fn firings(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<FiringRow>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let limit = question?.rows();
    Ok(Json(shared.ask(move |reader| reader.policy_firings(limit)).await?))
}
