//! `/v1/queue/set-aside`: messages of the cluster's queue that could not be written. `GET ?limit=` lists them, oldest first;
//! `POST /v1/queue/set-aside/replay?limit=` puts them back into the queue.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Problem, Shared};
use crate::audit;
use crate::cluster::{ClusterError, Replayed, SetAside};
use crate::token::Role;

/// Messages in an answer, or tried again with one request, when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/queue/set-aside", get(list)).route("/v1/queue/set-aside/replay", post(replay))
}

#[derive(Debug, Deserialize)]
struct Question {
    limit: Option<usize>,
}

type Asked = Result<Query<Question>, QueryRejection>;

fn limit(question: Asked) -> Result<usize, Problem> {
    Ok(question?.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT))
}

async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Value>, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    let limit = limit(question)?;
    let (messages, total) = queue(&shared).await?.list(limit).await.map_err(unavailable)?;
    Ok(Json(json!({ "total": total, "messages": messages })))
}

async fn replay(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Replayed>, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let limit = limit(question)?;
    let queue = queue(&shared).await?;
    // Noted first: an act that is not in the log is worse than one that is there and came to nothing.
    let actor = format!("token:{}", holder.name);
    let noted = shared.writer.change(move |connection| {
        audit::record(connection, &actor, "queue.replay", "set-aside", &format!("at most {limit}"))
    });
    noted.await?;
    Ok(Json(queue.replay(limit as u64).await.map_err(unavailable)?))
}

async fn queue(shared: &Shared) -> Result<SetAside, Problem> {
    let Some(cluster) = &shared.cluster else {
        let message =
            "this server is no replica of a cluster, so it has no queue; evidence is written at once";
        return Err(Problem::new(StatusCode::NOT_FOUND, message));
    };
    cluster.set_aside().await.map_err(unavailable)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn unavailable(error: ClusterError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
