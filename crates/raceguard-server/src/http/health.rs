//! `GET /healthz` and `GET /readyz`, for probes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::{Problem, Shared};

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers, and the cluster where there is one.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    if shared.cluster.as_ref().is_some_and(|cluster| !cluster.is_ready()) {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "NATS does not answer; see that its servers run",
        ));
    }
    shared.ask(crate::store::Reader::totals).await?;
    Ok("ready\n")
}
