//! Alerts, silences, receivers and what was sent.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/alerts?all=true&limit=` | open alerts, or all of them, the last one first |
//! | `GET /v1/alerts/ID` | one |
//! | `POST /v1/alerts/ID/acknowledge` | somebody looks at it |
//! | `POST /v1/alerts/ID/resolve` | somebody says that it is over |
//! | `GET`, `POST /v1/silences`, `DELETE /v1/silences/ID` | what is not sent for a time |
//! | `GET /v1/receivers`, `PUT`, `DELETE /v1/receivers/NAME` | where alerts are sent; a webhook's URL is never shown again |
//! | `POST /v1/receivers/NAME/test` | sends a message that says that it is a test |
//! | `GET /v1/deliveries?limit=` | what was sent, and why something was not |

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Problem, Shared};
use crate::alerts::receiver::Receiver;
use crate::alerts::send::Sender;
use crate::alerts::{Alert, Delivery, NewSilence, Silence};
use crate::clock::now_ms;
use crate::token::Role;

/// Rows in an answer when the question does not say.
const DEFAULT_LIMIT: usize = 100;

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/alerts", get(list))
        .route("/v1/alerts/{id}", get(one))
        .route("/v1/alerts/{id}/acknowledge", post(acknowledge))
        .route("/v1/alerts/{id}/resolve", post(resolve))
        .route("/v1/silences", get(silences).post(silence))
        .route("/v1/silences/{id}", delete(end_silence))
        .route("/v1/receivers", get(receivers))
        .route("/v1/receivers/{name}", put(set_receiver).delete(remove_receiver))
        .route("/v1/receivers/{name}/test", post(test_receiver))
        .route("/v1/deliveries", get(deliveries))
}

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
struct Question {
    limit: Option<usize>,
    #[serde(default)]
    all: bool,
}

type Asked = Result<Query<Question>, QueryRejection>;
type Numbered = Result<Path<i64>, PathRejection>;

async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<Alert>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT);
    Ok(Json(shared.ask(move |reader| reader.alerts(question.all, limit)).await?))
}

async fn one(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Numbered,
) -> Result<Json<Alert>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(id) = id?;
    let alert = shared.ask(move |reader| reader.alert(id)).await?;
    alert.map(Json).ok_or_else(|| Problem::not_there(format!("alert {id}")))
}

async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Numbered,
) -> Result<Json<Value>, Problem> {
    let (id, by) = to_change(&shared, &headers, id).await?;
    let found = shared.alerts.acknowledge(id, &by, now_ms()).await?;
    Problem::unless(found, format_args!("open alert {id}"))?;
    Ok(Json(json!({"acknowledged": id, "by": by})))
}

async fn resolve(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Numbered,
) -> Result<Json<Value>, Problem> {
    let (id, by) = to_change(&shared, &headers, id).await?;
    let found = shared.alerts.close(id, &by, now_ms()).await?;
    Problem::unless(found, format_args!("open alert {id}"))?;
    Ok(Json(json!({"resolved": id, "by": by})))
}

/// What is to be changed, and by which administrator.
async fn to_change(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    id: Numbered,
) -> Result<(i64, String), Problem> {
    let holder = shared.authorize(headers, Role::Admin).await?;
    let Path(id) = id?;
    Ok((id, holder.name))
}

async fn silences(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Silence>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    Ok(Json(shared.ask(|reader| reader.silences(now_ms())).await?))
}

async fn silence(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    silence: Result<Json<NewSilence>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let Json(silence) = silence?;
    let silence = NewSilence { author: holder.name, ..silence }.checked()?;
    let id = shared.alerts.silence(silence).await?;
    Ok((StatusCode::CREATED, Json(json!({ "silence": id }))))
}

async fn end_silence(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    id: Numbered,
) -> Result<StatusCode, Problem> {
    let (id, by) = to_change(&shared, &headers, id).await?;
    let found = shared.alerts.end_silence(id, &by, now_ms()).await?;
    Problem::unless(found, format_args!("silence {id} that lasts"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn receivers(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let receivers = shared.ask(crate::store::Reader::receivers).await?;
    Ok(Json(receivers.iter().map(shown).collect()))
}

/// A receiver without its secrets.
fn shown(receiver: &Receiver) -> Value {
    let mut shown = serde_json::to_value(receiver).unwrap_or_default();
    let host = receiver.url.reveal().split('/').nth(2).unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    shown["url"] = json!(format!("{host}/…"));
    if receiver.secret.is_some() {
        shown["secret"] = json!("…");
    }
    shown
}

async fn set_receiver(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    receiver: Result<Json<Receiver>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let Json(receiver) = receiver?;
    let receiver = Receiver { name, ..receiver }.checked()?;
    let answer = shown(&receiver);
    shared.alerts.set_receiver(receiver, &holder.name).await?;
    Ok(Json(answer))
}

async fn remove_receiver(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let found = shared.alerts.remove_receiver(&name, &holder.name).await?;
    Problem::unless(found, format_args!("receiver {name}"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test_receiver(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    shared.authorize(&headers, Role::Admin).await?;
    let receivers = shared.ask(crate::store::Reader::receivers).await?;
    let receiver = receivers.into_iter().find(|receiver| receiver.name == name);
    let receiver = receiver.ok_or_else(|| Problem::not_there(format!("receiver {name}")))?;
    match Sender::test(&shared.alerts, receiver, shared.external_url.clone()).await {
        Ok(()) => Ok(Json(json!({ "sent": name }))),
        Err(why) => {
            Err(Problem::new(StatusCode::BAD_GATEWAY, format!("{name} did not take the message: {why}")))
        }
    }
}

async fn deliveries(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Result<Json<Vec<Delivery>>, Problem> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT);
    Ok(Json(shared.ask(move |reader| reader.deliveries(limit)).await?))
}
