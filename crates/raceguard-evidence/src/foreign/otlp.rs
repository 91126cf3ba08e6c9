//! OpenTelemetry's protocol, OTLP: files that the collector's file exporter writes, and requests that exporters send
//! ([`read_request`]).
//!
//! Forms of files that are read:
//!
//! - JSON: one document, or one in each line. Ids are hex, 64-bit numbers are strings or numbers, and names of fields
//!   are taken in `lowerCamelCase` and in `snake_case`.
//! - Protocol buffers: one message (`TracesData`, `ExportTraceServiceRequest`; several behind one another are one
//!   message too), or messages that each have their length before them, as four bytes (big endian, as the collector's
//!   file exporter writes) or as a varint.
//!
//! Each span is a [`Span`](crate::Span) record. Logs are read as what the program printed that they are from, so race
//! reports and crashes in them are records too ([`logs`]). Of metrics those are kept that bear on concurrency
//! ([`metrics`]). One message, or one line, is held in memory at a time: [`LARGEST_MESSAGE`].

mod framing;
mod json;
mod logs;
mod message;
mod metrics;
mod request;
mod resource;

use std::io::BufRead;

use super::{ForeignError, Format, Input, Recognition, Sink};
use framing::Framing;
pub use logs::LogTail;
pub use request::{Encoding, Producer, RequestError, RequestLimits, ResourceEvidence, Signal, read_request};

/// OTLP.
pub(super) const FORMAT: Format = Format {
    name: "otlp",
    title: "spans, logs and metrics of OpenTelemetry (OTLP, protobuf or JSON)",
    recognise,
    read,
};

/// Largest message, or part of one about one resource, and largest JSON document, in bytes.
const LARGEST_MESSAGE: usize = 64 << 20;

/// What messages are called that are no protocol buffers.
const DAMAGED_MESSAGES: &str = "messages cut off or damaged";

/// What items of messages are called that are no protocol buffers.
const DAMAGED_ITEMS: &str = "spans cut off or damaged";

/// What spans are called that nothing can refer to.
const SPANS_WITHOUT_IDS: &str = "spans without ids";

/// How deep lists and maps of attributes may lie in each other.
const DEEPEST_VALUE: usize = 16;

fn recognise(head: &[u8]) -> Recognition {
    if json::is_recognised(head) {
        return Recognition::Sure;
    }
    Framing::of(head).map_or(Recognition::No, |(_, recognition)| recognition)
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let framing = match input.fill_buf() {
        Ok(head) => Framing::of(head),
        Err(error) => return Err(input.read_error(error)),
    };
    match framing {
        Some((framing, _)) => message::read(framing, input, sink),
        None => json::read(input, sink),
    }
}
