//! OTLP: traces, metrics and logs as OpenTelemetry's exporters and collectors send them.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/>. [`grpc`] listens on a port of its own; over HTTP the requests
//! come on the port of everything else. What spans, logs and metrics become is the matter of `raceguard-evidence`.
//!
//! OTLP has no sequence numbers, so a request counts once by its content: each resource is a stream of its own, named after
//! the hash of what was sent. A request is answered when the batches of all its resources are durable. If one of them
//! was not written, the request is refused and sent again, and those that were written count as duplicates then.

pub mod answer;
pub mod grpc;
mod tails;

use std::sync::Arc;

use raceguard_evidence::foreign::otlp::{Encoding, RequestLimits, ResourceEvidence, Signal, read_request};
use tokio::task::JoinSet;

pub use tails::LogTails;

use crate::batch::Batch;
use crate::http::Shared;
use crate::intake::{IntakeCounters, Refusal, Reservation};
use crate::limits::TokenKey;
use crate::origin::{Origin, StreamName, fitted};

/// Batches of one request that are written at once.
const AT_ONCE: usize = 32;

/// What became of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Spans that can't be taken; sending them again does not help.
    pub rejected: u64,
}

/// Takes a request; returns when all that is evidence in it is durable.
pub async fn export(
    shared: &Arc<Shared>,
    token: TokenKey,
    signal: Signal,
    encoding: Encoding,
    body: Vec<u8>,
    mut memory: Reservation,
) -> Result<Exported, Refusal> {
    let limits = RequestLimits {
        resources: shared.limits.resources,
        records: shared.limits.lines as u64,
        bytes: shared.limits.decompressed,
    };
    shared.intake.counters.bytes_decompressed.add(body.len() as u64);
    let reader = Arc::clone(shared);
    let read = tokio::task::spawn_blocking(move || {
        let tails = &reader.intake.tails;
        let resources = read_request(signal, encoding, &body, limits, |producer| tails.of(token, producer))?;
        memory.grow(resources.iter().map(|resource| resource.lines.len()).sum())?;
        Ok::<_, Refusal>((resources, memory))
    });
    let (mut resources, memory) = read.await.map_err(|error| Refusal::Fault(error.to_string()))??;
    write_all(shared, token, &mut resources).await?;
    drop(memory);
    let mut exported = Exported::default();
    for resource in resources {
        exported.rejected += resource.rejected;
        count(&shared.intake.counters, signal, &resource);
        if signal == Signal::Logs {
            shared.intake.tails.keep(token, resource.producer, resource.tail);
        }
    }
    Ok(exported)
}

/// Writes the evidence of each resource. All are awaited; the first failure is told.
async fn write_all(
    shared: &Arc<Shared>,
    token: TokenKey,
    resources: &mut [ResourceEvidence],
) -> Result<(), Refusal> {
    let mut first = Ok(());
    for group in resources.chunks_mut(AT_ONCE) {
        let mut writing = JoinSet::new();
        for resource in group.iter_mut().filter(|resource| resource.records > 0) {
            let lines = std::mem::take(&mut resource.lines);
            let batch = batch(resource, lines, shared.limits.lines)?;
            let shared = Arc::clone(shared);
            writing.spawn(async move { shared.intake.write(&shared.writer, token, batch).await });
        }
        while let Some(written) = writing.join_next().await {
            let written = written.unwrap_or_else(|error| Err(Refusal::Fault(error.to_string())));
            first = std::mem::replace(&mut first, Ok(())).and(written.map(drop));
        }
        if first.is_err() {
            break;
        }
    }
    first
}

fn batch(resource: &ResourceEvidence, lines: Vec<u8>, limit: usize) -> Result<Batch, Refusal> {
    let producer = &resource.producer;
    let origin = Origin {
        service: fitted(&producer.service),
        version: fitted(&producer.version),
        instance: fitted(&producer.instance),
        environment: fitted(&producer.environment),
    };
    Ok(Batch::read(origin, StreamName::of_content("otlp", &resource.digest), 0, lines, limit)?)
}

fn count(counters: &IntakeCounters, signal: Signal, resource: &ResourceEvidence) {
    let (kept, dropped) = match signal {
        Signal::Traces => (&counters.spans, &counters.spans_rejected),
        Signal::Metrics => (&counters.data_points, &counters.metrics_dropped),
        Signal::Logs => (&counters.log_findings, &counters.log_records_dropped),
    };
    kept.add(resource.records);
    dropped.add(resource.rejected + resource.dropped);
    let skipped: u64 = resource.skipped.iter().map(|skipped| skipped.count).sum();
    counters.skipped.add(skipped.saturating_sub(resource.rejected + resource.dropped));
}
