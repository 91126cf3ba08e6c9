//! OTLP as protocol buffers.

mod log;
mod metric;
mod value;

use std::io::{self, Read};

use super::framing::Framing;
use super::logs::{LogTail, ResourceLog};
use super::request::{RequestError, RequestReader, Signal};
use super::resource::{Resource, span_kind, status};
use super::{DAMAGED_ITEMS, DAMAGED_MESSAGES, LARGEST_MESSAGE, SPANS_WITHOUT_IDS};
use crate::foreign::protobuf::{Damaged, Fields, Value};
use crate::foreign::{ForeignError, Input, Sink};
use crate::hex::hex;
use crate::record::Record;
use crate::span::{Span, SpanEvent, SpanLink};
use value::{key_value, key_values};

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads the messages of a file.
pub(super) fn read(framing: Framing, input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    loop {
        let at = input.position();
        let next = match framing {
            Framing::None => next_resource(input),
            Framing::FourBytes => next_message(input, four_bytes),
            Framing::Varint => next_message(input, varint),
        };
        let part = match next {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                sink.skip(DAMAGED_MESSAGES, at);
                sink.warn(format!("the file is cut off or damaged at byte {at}: what came before was read"));
                return Ok(());
            }
            Err(error) => return Err(input.read_error(error)),
        };
        match part {
            Part::Resource(content) => read_resource(&content, at, sink)?,
            Part::Message(content) if content.starts_with(&ZSTD) => {
                sink.skip("messages compressed with zstd (write the file without `compression`)", at);
            }
            Part::Message(content) => read_message(&content, at, sink)?,
            Part::Other => sink.skip("fields that are no spans", at),
            Part::TooLarge => sink.skip("messages larger than 64 MiB", at),
        }
    }
}

enum Part {
    /// All of one resource.
    Resource(Vec<u8>),
    Message(Vec<u8>),
    Other,
    TooLarge,
}

/// The next field of the one message that the file is. An unexpected end of file stands for damage of any kind.
fn next_resource(input: &mut Input<'_>) -> io::Result<Option<Part>> {
    let Some(tag) = varint(input)? else { return Ok(None) };
    let damaged = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let length = match tag & 7 {
        0 => {
            varint(input)?.ok_or_else(damaged)?;
            return Ok(Some(Part::Other));
        }
        1 => 8,
        2 => varint(input)?.ok_or_else(damaged)?,
        5 => 4,
        _ => return Err(damaged()),
    };
    if tag != 0x0a {
        skip(input, length)?;
        return Ok(Some(Part::Other));
    }
    Ok(Some(content(input, length)?.map_or(Part::TooLarge, Part::Resource)))
}

fn next_message(
    input: &mut Input<'_>,
    length: fn(&mut Input<'_>) -> io::Result<Option<u64>>,
) -> io::Result<Option<Part>> {
    let Some(length) = length(input)? else { return Ok(None) };
    Ok(Some(content(input, length)?.map_or(Part::TooLarge, Part::Message)))
}

/// The next bytes; `None` for more than are read at once.
fn content(input: &mut Input<'_>, length: u64) -> io::Result<Option<Vec<u8>>> {
    if length > LARGEST_MESSAGE as u64 {
        skip(input, length)?;
        return Ok(None);
    }
    let mut content = Vec::new();
    input.take(length).read_to_end(&mut content)?;
    if (content.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(content))
}

fn skip(input: &mut Input<'_>, length: u64) -> io::Result<()> {
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// `None` at the end of the file.
fn four_bytes(input: &mut Input<'_>) -> io::Result<Option<u64>> {
    let mut length = Vec::new();
    input.take(4).read_to_end(&mut length)?;
    match <[u8; 4]>::try_from(length.as_slice()) {
        Ok(length) => Ok(Some(u32::from_be_bytes(length).into())),
        Err(_) if length.is_empty() => Ok(None),
        Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `None` at the end of the file.
fn varint(input: &mut Input<'_>) -> io::Result<Option<u64>> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        if input.read(&mut byte)? == 0 {
            return if shift == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(Some(number));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn read_message(message: &[u8], at: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    for field in Fields::of(message) {
        match field {
            Ok((1, value)) => read_resource(value.bytes(), at, sink)?,
            Ok(_) => sink.skip("fields that are no spans", at),
            Err(Damaged { .. }) => sink.skip(DAMAGED_MESSAGES, at),
        }
    }
    Ok(())
}

/// Reads a request: a message whose only field is the resources.
pub(super) fn read_request(body: &[u8], request: &mut RequestReader<'_>) -> Result<(), RequestError> {
    let damaged = |at: usize| RequestError::Malformed(format!("it is cut off or damaged at byte {at}"));
    let signal = request.signal;
    let mut fields = Fields::of(body);
    loop {
        let at = fields.at();
        match fields.next() {
            None => return Ok(()),
            Some(Ok((1, Value::Bytes(content)))) => {
                let resource = resource_of(content);
                request.resource(&[content], resource.producer(), |tail, sink| {
                    read_scopes(content, &resource, Some(signal), tail, at as u64, sink)
                })?;
            }
            // A field of a newer version.
            Some(Ok((2.., _))) => {}
            Some(Ok(_) | Err(Damaged { .. })) => return Err(damaged(at)),
        }
    }
}

fn read_resource(message: &[u8], at: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    read_scopes(message, &resource_of(message), None, LogTail::default(), at, sink).map(drop)
}

fn resource_of(message: &[u8]) -> Resource {
    let attributes = Fields::of(message)
        .flatten()
        .filter(|&(number, _)| number == 1)
        .flat_map(|(_, resource)| Fields::of(resource.bytes()).flatten());
    let attributes = key_values(attributes.filter(|&(number, _)| number == 1).map(|(_, value)| value));
    Resource::new(attributes)
}

/// Reads what is of one resource: of the signal, or when that is unknown, of what it looks like.
fn read_scopes(
    message: &[u8],
    resource: &Resource,
    signal: Option<Signal>,
    tail: LogTail,
    at: u64,
    sink: &mut dyn Sink,
) -> Result<LogTail, ForeignError> {
    let mut log = ResourceLog::after(tail);
    for field in Fields::of(message) {
        match field {
            Ok((2 | 1000, per_scope)) => {
                read_scope(per_scope.bytes(), resource, signal, &mut log, at, sink)?;
            }
            Ok(_) => {}
            Err(Damaged { .. }) => sink.skip(DAMAGED_MESSAGES, at),
        }
    }
    log.finish(at, sink)
}

fn read_scope(
    message: &[u8],
    resource: &Resource,
    signal: Option<Signal>,
    log: &mut ResourceLog,
    at: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    // The collector writes fields in descending order, so the scope may come last.
    let scope = Fields::of(message).flatten().find(|&(number, _)| number == 1);
    let scope = scope.map_or_else(String::new, |(_, value)| first_text(value.bytes()));
    for field in Fields::of(message) {
        match field {
            Ok((2, item)) => match Item::of(item.bytes(), signal) {
                Item::Span => take_span(item.bytes(), &scope, resource, at, sink)?,
                Item::Log => log.record(log::read(item.bytes()), sink)?,
                Item::Metric => metric::read(item.bytes(), resource, at, sink)?,
                Item::Damaged => sink.skip(DAMAGED_ITEMS, at),
            },
            Ok(_) => {}
            Err(Damaged { .. }) => sink.skip(DAMAGED_MESSAGES, at),
        }
    }
    Ok(())
}

fn take_span(
    message: &[u8],
    scope: &str,
    resource: &Resource,
    at: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    let (mut span, dropped) = read_span(message);
    if span.trace_id.len() != 32 || span.span_id.len() != 16 {
        sink.skip(SPANS_WITHOUT_IDS, at);
        return Ok(());
    }
    resource.describe(&mut span);
    scope.clone_into(&mut span.scope);
    if dropped {
        sink.skip("spans of which the producer dropped attributes, events or links", at);
    }
    sink.record(Record::Span(Box::new(span)))
}

/// What spans, log records and metrics are told apart by: they lie in the same place.
enum Item {
    Span,
    Log,
    Metric,
    Damaged,
}

impl Item {
    /// What an item is, of the signal where that is known.
    fn of(message: &[u8], signal: Option<Signal>) -> Self {
        let (mut trace_id, mut span_id, mut log) = (false, false, false);
        for field in Fields::of(message) {
            match field {
                Ok((1, Value::Bytes(id))) => trace_id = id.len() == 16,
                Ok((2, Value::Bytes(id))) => span_id = id.len() == 8,
                Ok((1 | 11, Value::Fixed64(_))) => log = true,
                Ok(_) => {}
                Err(Damaged { .. }) => return Self::Damaged,
            }
        }
        match (signal, trace_id && span_id, log) {
            (Some(Signal::Traces), ..) | (None, true, _) => Self::Span,
            (Some(Signal::Logs), ..) | (None, false, true) => Self::Log,
            (Some(Signal::Metrics), ..) | (None, false, false) => Self::Metric,
        }
    }
}

/// The span, and whether its producer dropped a part of it.
fn read_span(message: &[u8]) -> (Span, bool) {
    let mut span = Span::default();
    let mut dropped = false;
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => span.trace_id = hex(value.bytes()),
            2 => span.span_id = hex(value.bytes()),
            4 => span.parent_span_id = parent(value.bytes()),
            5 => span.name = value.text(),
            6 => span_kind(value.number()).clone_into(&mut span.span_kind),
            7 => span.start_unix_ns = value.fixed(),
            8 => span.end_unix_ns = value.fixed(),
            9 => span.attributes.extend(key_value(value.bytes(), 0)),
            10 | 12 | 14 => dropped |= value.number() > 0,
            11 => span.events.push(read_event(value.bytes())),
            13 => span.links.push(read_link(value.bytes())),
            15 => read_status(value.bytes(), &mut span),
            _ => {}
        }
    }
    (span, dropped)
}

/// Some producers write zeroes for no parent.
fn parent(id: &[u8]) -> String {
    if id.iter().all(|&byte| byte == 0) { String::new() } else { hex(id) }
}

fn read_event(message: &[u8]) -> SpanEvent {
    let mut event = SpanEvent::default();
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => event.time_unix_ns = value.fixed(),
            2 => event.name = value.text(),
            3 => event.attributes.extend(key_value(value.bytes(), 0)),
            _ => {}
        }
    }
    event
}

fn read_link(message: &[u8]) -> SpanLink {
    let mut link = SpanLink::default();
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => link.trace_id = hex(value.bytes()),
            2 => link.span_id = hex(value.bytes()),
            _ => {}
        }
    }
    link
}

fn read_status(message: &[u8], span: &mut Span) {
    for (number, value) in Fields::of(message).flatten() {
        match number {
            2 => span.status_message = value.text(),
            3 => status(value.number()).clone_into(&mut span.status),
            _ => {}
        }
    }
}

fn first_text(message: &[u8]) -> String {
    Fields::of(message)
        .flatten()
        .find(|&(number, _)| number == 1)
        .map_or(String::new(), |(_, value)| value.text())
}
