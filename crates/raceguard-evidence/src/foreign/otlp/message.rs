//! OTLP as protocol buffers.

use std::fmt::Write as _;
use std::io::{self, Read};

use serde_json::{Map, Value as Json};

use super::framing::Framing;
use super::resource::{Resource, span_kind, status};
use super::{DEEPEST_VALUE, LARGEST_MESSAGE};
use crate::foreign::protobuf::{Damaged, Fields, Value};
use crate::foreign::{ForeignError, Input, Sink};
use crate::record::Record;
use crate::span::{Span, SpanEvent, SpanLink};

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
                sink.skip("messages cut off or damaged", at);
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
            Err(Damaged { .. }) => sink.skip("messages cut off or damaged", at),
        }
    }
    Ok(())
}

fn read_resource(message: &[u8], at: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let attributes = Fields::of(message)
        .flatten()
        .filter(|&(number, _)| number == 1)
        .flat_map(|(_, resource)| Fields::of(resource.bytes()).flatten());
    let attributes = key_values(attributes.filter(|&(number, _)| number == 1).map(|(_, value)| value));
    let resource = Resource::new(attributes);
    for field in Fields::of(message) {
        match field {
            Ok((2 | 1000, per_scope)) => read_scope(per_scope.bytes(), &resource, at, sink)?,
            Ok(_) => {}
            Err(Damaged { .. }) => sink.skip("messages cut off or damaged", at),
        }
    }
    Ok(())
}

fn read_scope(message: &[u8], resource: &Resource, at: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    // The collector writes fields in descending order, so the scope may come last.
    let scope = Fields::of(message).flatten().find(|&(number, _)| number == 1);
    let scope = scope.map_or_else(String::new, |(_, value)| first_text(value.bytes()));
    for field in Fields::of(message) {
        match field {
            Ok((2, item)) => match Item::of(item.bytes()) {
                Item::Span => {
                    let (mut span, dropped) = read_span(item.bytes());
                    resource.describe(&mut span);
                    span.scope.clone_from(&scope);
                    if dropped {
                        sink.skip("spans of which the producer dropped attributes, events or links", at);
                    }
                    sink.record(Record::Span(Box::new(span)))?;
                }
                Item::Log => sink.skip("log records", at),
                Item::Metric => sink.skip("metrics", at),
                Item::Damaged => sink.skip("spans cut off or damaged", at),
            },
            Ok(_) => {}
            Err(Damaged { .. }) => sink.skip("messages cut off or damaged", at),
        }
    }
    Ok(())
}

/// What spans, log records and metrics are told apart by: they lie in the same place.
enum Item {
    Span,
    Log,
    Metric,
    Damaged,
}

impl Item {
    fn of(message: &[u8]) -> Self {
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
        match (trace_id && span_id, log) {
            (true, _) => Self::Span,
            (false, true) => Self::Log,
            (false, false) => Self::Metric,
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

fn key_values<'a>(values: impl Iterator<Item = Value<'a>>) -> Map<String, Json> {
    values.filter_map(|value| key_value(value.bytes(), 0)).collect()
}

fn key_value(message: &[u8], depth: usize) -> Option<(String, Json)> {
    let mut key = None;
    let mut json = Json::Null;
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => key = Some(value.text()),
            2 => json = any_value(value.bytes(), depth),
            _ => {}
        }
    }
    Some((key?, json))
}

fn any_value(message: &[u8], depth: usize) -> Json {
    let Some(Ok((number, value))) = Fields::of(message).next() else { return Json::Null };
    let items = || Fields::of(value.bytes()).flatten().filter(|&(number, _)| number == 1);
    match number {
        1 => value.text().into(),
        2 => (value.number() != 0).into(),
        3 => value.signed().into(),
        4 => f64::from_bits(value.fixed()).into(),
        5 | 6 if depth >= DEEPEST_VALUE => "(nested too deep)".into(),
        5 => items().map(|(_, item)| any_value(item.bytes(), depth + 1)).collect(),
        6 => Json::Object(items().filter_map(|(_, item)| key_value(item.bytes(), depth + 1)).collect()),
        7 => hex(value.bytes()).into(),
        _ => Json::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len().min(64)), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
