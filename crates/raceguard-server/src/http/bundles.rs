//! Root-cause bundles: what was known of a service when its error budget was exhausted, each in one file.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/bundles?limit=` | all, the newest first |
//! | `POST /v1/bundles` | `{"service": "pay"}`: makes one of what is known now; without a service of all together |
//! | `GET /v1/bundles/ID` | the file, HTML that needs no other one and holds the same as JSON |

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Problem, Shared};
use crate::audit;
use crate::clock::now_ms;
use crate::slts::bundle::table::BundleRow;
use crate::slts::watch::make_bundle;
use crate::store::StoreError;
use crate::token::Role;

/// Rows in an answer when the question does not say.
const DEFAULT_LIMIT: usize = 100;

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/bundles", get(list).post(make)).route("/v1/bundles/{id}", get(download))
}

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
struct Question {
    limit: Option<usize>,
}

async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Vec<BundleRow>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT);
    Ok(Json(shared.ask(move |reader| reader.bundles(limit)).await?))
}

/// Of what a bundle is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    service: Option<String>,
}

async fn make(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let Json(wanted) = wanted?;
    let now = now_ms();
    let objectives = shared.ask(move |reader| reader.objectives(now)).await?;
    let (fleet, mut services) = (objectives.fleet, objectives.services.into_iter());
    let slo = match &wanted.service {
        None => Some(fleet),
        Some(service) => services.find(|slo| slo.service == *service),
    };
    let missing =
        || Problem::not_there("a service of this name with requests in the last 30 days".to_owned());
    let slo = slo.ok_or_else(missing)?;
    let (actor, subject) = (format!("token:{}", holder.name), slo.service.clone());
    let id = make_bundle(&shared, slo, now).await?;
    let log = move |connection: &mut (dyn crate::store::sql::Connection + 'static)| {
        audit::record(connection, &actor, "bundle.make", &subject, &format!("bundle {id}"))
    };
    shared.writer.change(log).await?;
    Ok((StatusCode::CREATED, Json(json!({ "bundle": id }))))
}

async fn download(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(id) = id?;
    let found = file(&shared, id).await?;
    found.ok_or_else(|| Problem::not_there(format!("bundle {id}")))
}

/// The file of a bundle, to be saved; nothing when there is none of this number.
pub(crate) async fn file(shared: &Arc<Shared>, id: i64) -> Result<Option<Response>, StoreError> {
    let found = shared.question(move |reader| reader.bundle(id)).await?;
    Ok(found.map(|(row, page)| {
        // It is opened from where it was saved: its own styles are nothing that pages of this server may have.
        let name = format!("attachment; filename=\"raceguard-bundle-{}.html\"", row.id);
        let kind = "text/html; charset=utf-8".to_owned();
        ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], page).into_response()
    }))
}
