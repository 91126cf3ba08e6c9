//! `GET /healthz` and `GET /readyz`, for probes.

use std::sync::Arc;

use axum::extract::State;

use super::{Problem, Shared};

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    shared.ask(crate::store::Reader::totals).await?;
    Ok("ready\n")
}
