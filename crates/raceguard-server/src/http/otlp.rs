//! `POST /v1/traces`, `/v1/metrics` and `/v1/logs`: OTLP over HTTP, as protocol buffers or JSON.
//!
//! Answers are of the type of the request, as the specification wants it: an `Export…ServiceResponse`, or a `google.rpc.Status`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use prost::Message;
use raceguard_evidence::foreign::otlp::{Encoding, Signal};
use serde::Serialize;

use super::Shared;
use super::evidence::text;
use crate::body;
use crate::intake::{Reason, Received, Refusal, Transport};
use crate::otlp::answer::{ExportResponse, StatusBody};
use crate::otlp::{Exported, export};

pub(super) async fn traces(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, Signal::Traces, request).await
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, Signal::Metrics, request).await
}

pub(super) async fn logs(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take(&shared, Signal::Logs, request).await
}

async fn take(shared: &Arc<Shared>, signal: Signal, request: Request) -> Response {
    shared.intake.counters.request(Transport::OtlpHttp);
    let encoding = encoding(request.headers());
    match take_request(shared, signal, encoding.as_ref().ok().copied(), request).await {
        Ok(exported) => {
            answer(StatusCode::OK, encoding.unwrap_or(Encoding::Json), &ExportResponse::from(exported))
        }
        Err(refusal) => {
            shared.intake.counters.refuse(refusal.reason());
            refused(&refusal, encoding.unwrap_or(Encoding::Json))
        }
    }
}

async fn take_request(
    shared: &Arc<Shared>,
    signal: Signal,
    encoding: Option<Encoding>,
    request: Request,
) -> Result<Exported, Refusal> {
    let (head, body) = request.into_parts();
    let token = shared.sender(&head.headers).await?;
    let encoding = encoding.ok_or_else(|| {
        Refusal::MediaType("send OTLP as Content-Type application/x-protobuf or application/json".to_owned())
    })?;
    let compression = body::Encoding::named(text(&head.headers, CONTENT_ENCODING.as_str())?)?;
    let Received { body, mut memory } = shared.intake.receive(token, body).await?;
    let limit = shared.limits.otlp;
    let decoded = tokio::task::spawn_blocking(move || {
        Ok::<_, Refusal>((compression.decode(body, limit, &mut memory)?, memory))
    });
    let (body, memory) = decoded.await.map_err(|error| Refusal::Fault(error.to_string()))??;
    export(shared, token, signal, encoding, body, memory).await
}

/// How the request is written, and the answer will be.
fn encoding(headers: &HeaderMap) -> Result<Encoding, ()> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => Err(()),
    }
}

fn refused(refusal: &Refusal, encoding: Encoding) -> Response {
    let mut response = answer(status(refusal), encoding, &StatusBody::of(refusal));
    if let Some(wait) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

/// The status. Clients of OTLP send again after 429, 502, 503 and 504 alone, so what may pass is one of these.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.reason() {
        Reason::Slow | Reason::NotWritten => StatusCode::SERVICE_UNAVAILABLE,
        Reason::Malformed | Reason::Header if refusal.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            StatusCode::BAD_REQUEST
        }
        _ => refusal.status(),
    }
}

fn answer(status: StatusCode, encoding: Encoding, message: &(impl Message + Serialize)) -> Response {
    match encoding {
        Encoding::Protobuf => {
            (status, [(CONTENT_TYPE, "application/x-protobuf")], message.encode_to_vec()).into_response()
        }
        Encoding::Json => (status, axum::Json(message)).into_response(),
    }
}
