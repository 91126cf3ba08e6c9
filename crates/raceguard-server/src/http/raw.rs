//! `POST /v1/raw?name=FILE`: a file of any format that `raceguard ingest` reads, acknowledged when its evidence is durable.
//!
//! The same headers as with evidence say where it is from. Sending a file again is harmless, under another name too.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use raceguard_evidence::{Skipped, Source};
use serde::{Deserialize, Serialize};

use super::evidence::{origin, text};
use super::{Problem, Shared};
use crate::batch::Batch;
use crate::body::Encoding;
use crate::intake::{Received, Refusal, Reservation, Transport};
use crate::limits::Limits;
use crate::origin::checked;
use crate::raw;

/// What may follow the `?`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    /// How its sender calls the file.
    #[serde(default)]
    name: String,
}

/// What became of the file.
#[derive(Debug, Serialize)]
pub(super) struct Acknowledgement {
    /// The format that recognised it.
    format: String,
    /// Records that are new and now durable, the description of the file among them.
    accepted: u64,
    /// Records that had been received before.
    duplicates: u64,
    /// Parts that were not understood.
    skipped: Vec<Skipped>,
    /// What a reader must know to judge the records.
    warnings: Vec<String>,
}

pub(super) async fn take(
    State(shared): State<Arc<Shared>>,
    question: Result<Query<Question>, QueryRejection>,
    request: Request,
) -> Result<Json<Acknowledgement>, Problem> {
    shared.intake.counters.request(Transport::Raw);
    let question = question.map_err(|rejection| Refusal::Header(rejection.body_text()));
    let taken = match question {
        Ok(Query(question)) => take_file(&shared, question.name, request).await,
        Err(refusal) => Err(refusal),
    };
    Ok(Json(taken.inspect_err(|refusal| shared.intake.counters.refuse(refusal.reason()))?))
}

async fn take_file(shared: &Arc<Shared>, name: String, request: Request) -> Result<Acknowledgement, Refusal> {
    let (head, body) = request.into_parts();
    let token = shared.sender(&head.headers).await?;
    let received = shared.intake.receive(token, body).await?;
    let place = shared.intake.file_place().await?;
    let limits = shared.limits;
    let read = tokio::task::spawn_blocking(move || read(&name, &head.headers, received, &limits)).await;
    let (batch, source, memory) = read.map_err(|error| Refusal::Fault(error.to_string()))??;
    drop(place);
    let counters = &shared.intake.counters;
    counters.files.add(1);
    counters.bytes_decompressed.add(batch.body.len() as u64);
    counters.skipped.add(source.skipped.iter().map(|skipped| skipped.count).sum());
    let receipt = shared.intake.write(&shared.writer, token, batch).await?;
    drop(memory);
    Ok(Acknowledgement {
        format: source.format,
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        skipped: source.skipped,
        warnings: source.warnings,
    })
}

fn read(
    name: &str,
    headers: &HeaderMap,
    received: Received,
    limits: &Limits,
) -> Result<(Batch, Source, Reservation), Refusal> {
    let Received { body, mut memory } = received;
    let name = if name.is_empty() { "(unnamed)".to_owned() } else { checked("the file's name", name)? };
    let origin = origin(headers)?;
    let encoding = Encoding::named(text(headers, CONTENT_ENCODING.as_str())?)?;
    let file = encoding.decode(body, limits.decompressed, &mut memory)?;
    let (batch, source) = raw::read(&name, origin, &file, limits, &mut memory)?;
    Ok((batch, source, memory))
}
