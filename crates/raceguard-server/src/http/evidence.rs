//! `POST /v1/evidence`: a batch of evidence, acknowledged when it is durable.
//!
//! The body is JSON Lines, as in `evidence.jsonl`, identity, gzip or zstd. Headers say where it is from:
//!
//! | header | meaning |
//! |---|---|
//! | `Raceguard-Stream` | name of the sequence that the lines are part of; without it, the body itself is the name |
//! | `Raceguard-Sequence` | number in the stream of the first line, 0 when absent |
//! | `Raceguard-Service`, `-Version`, `-Instance`, `-Environment` | the program, as OpenTelemetry names them |
//!
//! Sending a line of a stream again is harmless: it is counted as a duplicate and nothing else happens.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Problem, Shared};
use crate::batch::{Batch, Rejected};
use crate::body::Encoding;
use crate::clock::now_ms;
use crate::hex::hex;
use crate::limits::Limits;
use crate::origin::{Origin, StreamName, checked};
use crate::token::Role;

/// What became of the batch.
#[derive(Debug, Serialize)]
pub(super) struct Acknowledgement {
    /// Records that are new and now durable.
    accepted: u64,
    /// Records that had been received before.
    duplicates: u64,
    /// Lines that are no records; sending them again will not help.
    rejected: Vec<Rejected>,
}

pub(super) async fn take(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Json<Acknowledgement>, Problem> {
    let limits = shared.limits;
    let headers = request.headers().clone();
    shared.authorize(&headers, Role::Write).await?;
    let body = tokio::time::timeout(limits.body_time, Bytes::from_request(request, &shared))
        .await
        .map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long; send smaller batches")
        })?
        .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let read = tokio::task::spawn_blocking(move || read(&headers, &body, &limits)).await;
    let mut batch =
        read.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the batch could not be read"))??;
    let rejected = std::mem::take(&mut batch.rejected);
    let receipt = shared.intake.take(batch, now_ms()).await?;
    Ok(Json(Acknowledgement { accepted: receipt.accepted, duplicates: receipt.duplicates, rejected }))
}

fn read(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Result<Batch, Problem> {
    let encoding = Encoding::named(text(headers, CONTENT_ENCODING.as_str())?)?;
    let body = encoding.decode(body, limits.decompressed)?;
    let stream = match text(headers, "raceguard-stream")? {
        Some(name) => StreamName::new(name)?,
        None => StreamName::new(&format!("sha256:{}", hex(&Sha256::digest(&body))))?,
    };
    let first = match text(headers, "raceguard-sequence")? {
        None => 0,
        Some(number) => number.trim().parse().map_err(|_| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("Raceguard-Sequence {number:?} is no number"),
            )
        })?,
    };
    Ok(Batch::read(origin(headers)?, stream, first, body, limits.lines)?)
}

fn origin(headers: &HeaderMap) -> Result<Origin, Problem> {
    let name = |header: &'static str| -> Result<String, Problem> {
        Ok(checked(header, text(headers, header)?.unwrap_or_default())?)
    };
    Ok(Origin {
        service: name("raceguard-service")?,
        version: name("raceguard-version")?,
        instance: name("raceguard-instance")?,
        environment: name("raceguard-environment")?,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str();
    text.map(Some).map_err(|_| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the header {name} is not plain text"))
    })
}
