//! `/v1/tokens`: who may use the server. `GET` lists, `POST` makes one, `DELETE /v1/tokens/NAME` revokes one.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Problem, Shared};
use crate::clock::now_ms;
use crate::origin::checked;
use crate::token::Role;
use crate::token::table::{self, NewToken, TokenRow};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/tokens", get(list).post(add)).route("/v1/tokens/{name}", delete(revoke))
}

/// A token that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    role: String,
    #[serde(default)]
    expires_ms: Option<i64>,
}

/// The token, to be seen once.
#[derive(Serialize)]
struct Made {
    token: String,
}

async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Vec<TokenRow>>, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    Ok(Json(shared.ask(|reader| reader.ask(table::list)).await?))
}

async fn add(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Made>, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let Json(wanted) = wanted.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let unfit = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let role = Role::named(&wanted.role).map_err(|error| unfit(error.to_string()))?;
    let name = checked("the token's name", &wanted.name).map_err(|error| unfit(error.to_string()))?;
    if name.is_empty() || wanted.expires_ms.is_some_and(|end| end <= now_ms()) {
        return Err(unfit("a token needs a name, and an end that is not over".to_owned()));
    }
    let actor = format!("token:{}", holder.name);
    let expires_ms = wanted.expires_ms;
    let made = shared.writer.change(move |connection| {
        table::add(connection, NewToken { name: &name, role, expires_ms }, &actor, now_ms())
    });
    Ok(Json(Made { token: made.await?.reveal().to_owned() }))
}

async fn revoke(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let actor = format!("token:{}", holder.name);
    shared.writer.change(move |connection| table::revoke(connection, &name, &actor, now_ms())).await?;
    Ok(StatusCode::NO_CONTENT)
}
