//! Policies: what is in force, revisions, changes, and what a change would have done.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/policies` | the set in force and the newest revision, whose number is the `ETag` |
//! | `GET /v1/policies/NAME` | one text, as YAML |
//! | `PUT /v1/policies/NAME` | adds or replaces one text |
//! | `POST /v1/policies` | replaces the set: `{"policies": {NAME: TEXT}, "message", "release"}` |
//! | `DELETE /v1/policies/NAME` | removes one text |
//! | `POST /v1/policies/validate` | mistakes with their places, and what the set would have done in the last hour |
//! | `POST /v1/policies/rollback` | `{"to": N}`: a new revision with the texts of revision N |
//! | `GET /v1/policies/revisions?limit=` | revisions, the newest first |
//! | `GET /v1/policies/revisions/N` | one, with its texts and its difference to the one before |
//! | `GET /v1/policies/revisions/N/shadow` | what it would have done in the last hour |
//! | `POST /v1/policies/revisions/N/release` | `{"share": 0.1}` or `{"services": […]}`: for which services it is in force |
//!
//! A body is JSON, or a text of policies as it is; then `?message=` says what it is about. With `If-Match: N` a change is
//! made only if N is the newest revision (412 when it is not).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use raceguard_policy::trigger::Act;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Problem, Shared};
use crate::clock::now_ms;
use crate::policies::in_force::{Release, Released};
use crate::policies::registry::{Change, Edit, RegistryError};
use crate::policies::revision::Revision;
use crate::policies::set::{SetError, Texts};
use crate::policies::shadow::{Shadow, ShadowError, shadow};
use crate::token::Role;

/// Rows in an answer when the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const LIMIT: usize = 1_000;

/// How long is looked at what a change would have done before it is made, and when that alone is asked.
const BEFORE_CHANGE: Duration = Duration::from_millis(200);
const WHEN_ASKED: Duration = Duration::from_secs(10);

/// The routes of this page.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/policies", get(in_force).post(replace))
        .route("/v1/policies/validate", post(validate))
        .route("/v1/policies/rollback", post(rollback))
        .route("/v1/policies/revisions", get(revisions))
        .route("/v1/policies/revisions/{number}", get(revision))
        .route("/v1/policies/revisions/{number}/shadow", get(shadow_of))
        .route("/v1/policies/revisions/{number}/release", post(release))
        .route("/v1/policies/{name}", get(text).put(put).delete(remove))
}

/// Why a request about policies got no answer.
pub(super) enum Refusal {
    /// As everywhere.
    Plain(Problem),
    /// Mistakes in policies, each with its place.
    Mistakes(SetError),
}

impl<T: Into<Problem>> From<T> for Refusal {
    fn from(problem: T) -> Self {
        Self::Plain(problem.into())
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let status = match error {
            RegistryError::Set(error) => return Self::Mistakes(error),
            RegistryError::Store(error) => return Self::Plain(error.into()),
            RegistryError::Conflict { .. } => StatusCode::PRECONDITION_FAILED,
            RegistryError::NoRevision(_) | RegistryError::NoPolicies(_) => StatusCode::NOT_FOUND,
            RegistryError::Share(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RegistryError::Map(_) | RegistryError::Random(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::Plain(Problem::new(status, error.to_string()))
    }
}

impl From<ShadowError> for Refusal {
    fn from(error: ShadowError) -> Self {
        match error {
            ShadowError::Set(error) => Self::Mistakes(error),
            ShadowError::Store(error) => Self::Plain(error.into()),
            ShadowError::Map(error) => {
                Self::Plain(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Plain(problem) => problem.into_response(),
            Self::Mistakes(error) => {
                let problems = match &error {
                    SetError::Problems(problems) => problems.list().to_vec(),
                    SetError::Name(_) | SetError::TooMuch { .. } => Vec::new(),
                };
                let body = json!({"error": error.to_string(), "problems": problems});
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
        }
    }
}

type Answer<T> = Result<T, Refusal>;

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
struct Question {
    limit: Option<usize>,
    message: Option<String>,
    share: Option<f64>,
}

type Asked = Result<Query<Question>, QueryRejection>;

/// For which services a change is to be in force.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedRelease {
    share: Option<f64>,
    #[serde(default)]
    services: Vec<String>,
}

impl WantedRelease {
    /// All, unless it says something.
    fn release(self) -> Release {
        let share = self.share.unwrap_or(if self.services.is_empty() { 1.0 } else { 0.0 });
        Release { share, services: self.services }
    }
}

/// A body of a change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Of one text.
    text: Option<String>,
    /// Of the whole set.
    policies: Option<Texts>,
    /// Of a rollback.
    to: Option<i64>,
    message: Option<String>,
    release: Option<WantedRelease>,
}

impl Body {
    fn read(headers: &HeaderMap, bytes: &Bytes) -> Answer<Self> {
        let unreadable = |what: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what);
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            return serde_json::from_slice(bytes)
                .map_err(|error| unreadable(format!("the body is not what is expected: {error}")).into());
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| unreadable("the body is no text in UTF-8".to_owned()))?
            .to_owned();
        Ok(Self { text: (!text.is_empty()).then_some(text), ..Self::default() })
    }
}

/// The revision that a change is based on.
fn expected(headers: &HeaderMap) -> Answer<Option<i64>> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    number.map(Some).ok_or_else(|| {
        let message = "If-Match is no number of a revision; GET /v1/policies gives it as ETag";
        Problem::new(StatusCode::BAD_REQUEST, message).into()
    })
}

async fn in_force(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer<Response> {
    shared.authorize(&headers, Role::Read).await?;
    let (row, head) = shared.ask(|reader| Ok((reader.policies_in_force()?, reader.policy_head()?.0))).await?;
    let current = shared.policies.registry.in_force().current().map_err(RegistryError::from)?;
    let canary = current
        .canary()
        .map(|it| json!({"revision": it.revision, "release": it.release, "policies": described(it)}));
    let body = json!({
        "head": head,
        "revision": current.stable().map_or(0, |it| it.revision),
        "since_ms": row.changed_ms,
        "problem": current.stable().and_then(|it| it.problem.clone()),
        "policies": current.stable().map(|it| described(it.as_ref())).unwrap_or_default(),
        "canary": canary,
        "stream": shared.policies.stream.figures.state(),
    });
    Ok(([(ETAG, format!("\"{head}\""))], Json(body)).into_response())
}

/// The texts of a revision, and what they hold.
fn described(released: &Released) -> Vec<Value> {
    let set = &released.set.policies;
    let of = |name: &str, file: &std::path::Path| file.as_os_str().to_str() == Some(&format!("{name}.yaml"));
    let text = |(name, text): (&String, &String)| {
        let policies = set.policies.iter().filter(|it| of(name, &it.file)).map(
            |it| json!({"id": it.id, "version": it.version, "hash": it.hash, "description": it.description}),
        );
        let triggers = set.triggers.iter().filter(|it| of(name, &it.file)).map(|it| {
            let responses: Vec<&str> = it.responses.iter().map(Act::name).collect();
            json!({"id": it.id, "version": it.version, "hash": it.hash, "description": it.description,
                "responses": responses})
        });
        json!({"name": name, "text": text, "policies": policies.collect::<Vec<_>>(),
            "triggers": triggers.collect::<Vec<_>>()})
    };
    released.set.texts.iter().map(text).collect()
}

async fn text(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Answer<Response> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(name) = name?;
    let current = shared.policies.registry.in_force().current().map_err(RegistryError::from)?;
    let text = current.stable().and_then(|it| it.set.texts.get(&name).cloned());
    let text = text.ok_or(RegistryError::NoPolicies(name))?;
    Ok(([(CONTENT_TYPE, "application/yaml; charset=utf-8")], text).into_response())
}

/// What became of a change.
#[derive(Debug, Serialize)]
struct Changed {
    revision: Revision,
    /// Whether there is a new revision.
    #[serde(rename = "changed")]
    is_new: bool,
    release: Release,
    /// Milliseconds from the request to being in force.
    took_ms: u64,
    /// What the set would have done in the last hour.
    shadow: Option<Shadow>,
}

async fn put(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
    question: Asked,
    bytes: Bytes,
) -> Answer<Json<Changed>> {
    let Path(name) = name?;
    let body = Body::read(&headers, &bytes)?;
    let missing = "there is no text; send the YAML as it is, or {\"text\": …} as application/json";
    let text = body.text.clone().ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, missing))?;
    change(&shared, &headers, Edit::Put(name, text), body, question).await
}

async fn replace(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
    bytes: Bytes,
) -> Answer<Json<Changed>> {
    let body = Body::read(&headers, &bytes)?;
    let missing = "there is no set; send {\"policies\": {NAME: TEXT}} as application/json";
    let texts =
        body.policies.clone().ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, missing))?;
    change(&shared, &headers, Edit::Replace(texts), body, question).await
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
    question: Asked,
) -> Answer<Json<Changed>> {
    let Path(name) = name?;
    change(&shared, &headers, Edit::Delete(name), Body::default(), question).await
}

async fn rollback(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
    bytes: Bytes,
) -> Answer<Json<Changed>> {
    let body = Body::read(&headers, &bytes)?;
    let missing = "to which revision? Send {\"to\": N} as application/json";
    let to = body.to.ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, missing))?;
    let message = body.message.clone().or(Some(format!("Rollback to revision {to}")));
    change(&shared, &headers, Edit::Rollback(to), Body { message, ..body }, question).await
}

async fn change(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    edit: Edit,
    body: Body,
    question: Asked,
) -> Answer<Json<Changed>> {
    let started = Instant::now();
    let holder = shared.authorize(headers, Role::Admin).await?;
    let Query(question) = question?;
    let wanted = body.release.unwrap_or(WantedRelease { share: question.share, services: Vec::new() });
    let release = wanted.release();
    let message = body.message.or(question.message).unwrap_or_default();
    let expected = expected(headers)?;
    let is_urgent = matches!(edit, Edit::Rollback(_));
    let texts = shared.policies.registry.preview(edit.clone(), expected).await?;
    // Before it is released; a way back does not wait for it.
    let shadow = if is_urgent { None } else { Some(look(shared, texts, BEFORE_CHANGE).await?) };
    let change = Change {
        edit,
        expected,
        author: holder.name,
        message: message.chars().take(2_000).collect(),
        commit: String::new(),
        release: release.clone(),
    };
    let made = shared.policies.registry.change(change, now_ms()).await?;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(Changed { revision: made.revision, is_new: made.is_new, release, took_ms, shadow }))
}

/// What texts would have done in the last hour.
async fn look(shared: &Arc<Shared>, texts: Texts, time: Duration) -> Answer<Shadow> {
    let end = Instant::now() + time;
    let recent = tokio::time::timeout(time, shared.policies.stream.recent()).await.ok().flatten();
    let reader = shared.reader.clone();
    let looked =
        tokio::task::spawn_blocking(move || shadow(texts, recent.as_ref(), &reader, now_ms(), end)).await;
    let stopping = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
    Ok(looked.map_err(stopping)??)
}

async fn validate(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<Json<Value>> {
    shared.authorize(&headers, Role::Read).await?;
    let body = Body::read(&headers, &bytes)?;
    let texts = match (body.policies, body.text) {
        (Some(texts), _) => texts,
        (None, Some(text)) => [("policies".to_owned(), text)].into(),
        (None, None) => {
            let missing = "there is nothing to validate; send YAML, or {\"policies\": {NAME: TEXT}}";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, missing).into());
        }
    };
    let shadow = look(&shared, texts, WHEN_ASKED).await?;
    Ok(Json(json!({"valid": true, "shadow": shadow})))
}

async fn revisions(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    question: Asked,
) -> Answer<Json<Vec<Revision>>> {
    shared.authorize(&headers, Role::Read).await?;
    let Query(question) = question?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT);
    Ok(Json(shared.ask(move |reader| reader.policy_revisions(limit)).await?))
}

/// A revision with everything.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    revision: Revision,
    policies: Texts,
    /// Unified, against the revision before.
    diff: String,
}

type Numbered = Result<Path<i64>, PathRejection>;

async fn whole(shared: &Arc<Shared>, number: i64) -> Answer<Whole> {
    let found = shared.ask(move |reader| reader.policy_revision(number)).await?;
    let (revision, policies, diff) = found.ok_or(RegistryError::NoRevision(number))?;
    Ok(Whole { revision, policies, diff })
}

async fn revision(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    number: Numbered,
) -> Answer<Json<Whole>> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(number) = number?;
    Ok(Json(whole(&shared, number).await?))
}

async fn shadow_of(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    number: Numbered,
) -> Answer<Json<Shadow>> {
    shared.authorize(&headers, Role::Read).await?;
    let Path(number) = number?;
    let texts = whole(&shared, number).await?.policies;
    Ok(Json(look(&shared, texts, WHEN_ASKED).await?))
}

async fn release(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    number: Numbered,
    wanted: Result<Json<WantedRelease>, axum::extract::rejection::JsonRejection>,
) -> Answer<Json<Value>> {
    let holder = shared.authorize(&headers, Role::Admin).await?;
    let Path(number) = number?;
    let Json(wanted) = wanted?;
    let release = wanted.release();
    shared
        .policies
        .registry
        .release(number, release.clone(), format!("token:{}", holder.name), now_ms())
        .await?;
    Ok(Json(json!({"revision": number, "release": release})))
}
