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
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use serde::Serialize;

use super::{Problem, Shared};
use crate::batch::{Batch, Rejected};
use crate::body::Encoding;
use crate::intake::{Received, Refusal, Transport};
use crate::limits::Limits;
use crate::origin::{Origin, StreamName, checked};

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
    shared.intake.counters.request(Transport::Evidence);
    let taken = take_batch(&shared, request).await;
    Ok(Json(taken.inspect_err(|refusal| shared.intake.counters.refuse(refusal.reason()))?))
}

async fn take_batch(shared: &Arc<Shared>, request: Request) -> Result<Acknowledgement, Refusal> {
    let (head, body) = request.into_parts();
    let token = shared.sender(&head.headers).await?;
    let received = shared.intake.receive(token, body).await?;
    let limits = shared.limits;
    let read = tokio::task::spawn_blocking(move || read(&head.headers, received, &limits)).await;
    let (mut batch, memory) = read.map_err(|error| Refusal::Fault(error.to_string()))??;
    shared.intake.counters.bytes_decompressed.add(batch.body.len() as u64);
    let rejected = std::mem::take(&mut batch.rejected);
    shared.intake.counters.rejected_lines.add(rejected.len() as u64);
    let receipt = shared.intake.write(&shared.writer, token, batch).await?;
    drop(memory);
    Ok(Acknowledgement { accepted: receipt.accepted, duplicates: receipt.duplicates, rejected })
}

fn read(
    headers: &HeaderMap,
    received: Received,
    limits: &Limits,
) -> Result<(Batch, impl Send + use<>), Refusal> {
    let Received { body, mut memory } = received;
    let encoding = Encoding::named(text(headers, CONTENT_ENCODING.as_str())?)?;
    let body = encoding.decode(body, limits.decompressed, &mut memory)?;
    let origin = origin(headers)?;
    let stream = match text(headers, "raceguard-stream")? {
        Some(name) => StreamName::new(name)?,
        None => StreamName::of_content("sha256", &origin.digest(&body)),
    };
    let first = match text(headers, "raceguard-sequence")? {
        None => 0,
        Some(number) => number
            .trim()
            .parse()
            .map_err(|_| Refusal::Header(format!("Raceguard-Sequence {number:?} is no number")))?,
    };
    Ok((Batch::read(origin, stream, first, body, limits.lines)?, memory))
}

/// The program that the headers name.
pub(super) fn origin(headers: &HeaderMap) -> Result<Origin, Refusal> {
    let name = |header: &'static str| -> Result<String, Refusal> {
        Ok(checked(header, text(headers, header)?.unwrap_or_default())?)
    };
    Ok(Origin {
        service: name("raceguard-service")?,
        version: name("raceguard-version")?,
        instance: name("raceguard-instance")?,
        environment: name("raceguard-environment")?,
    })
}

/// A header, if it is there.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str();
    text.map(Some).map_err(|_| Refusal::Header(format!("the header {name} is not plain text")))
}
