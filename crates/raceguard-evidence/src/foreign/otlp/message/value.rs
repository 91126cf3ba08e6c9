//! Attributes and their values as protocol buffers.

use serde_json::{Map, Value as Json};

use crate::foreign::otlp::DEEPEST_VALUE;
use crate::foreign::protobuf::{Fields, Value};
use crate::hex::hex;

pub(super) fn key_values<'a>(values: impl Iterator<Item = Value<'a>>) -> Map<String, Json> {
    values.filter_map(|value| key_value(value.bytes(), 0)).collect()
}

pub(super) fn key_value(message: &[u8], depth: usize) -> Option<(String, Json)> {
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

pub(super) fn any_value(message: &[u8], depth: usize) -> Json {
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
