//! Numbers, enumerations and attributes as JSON.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::{Map, Value as Json};

use crate::foreign::otlp::DEEPEST_VALUE;

/// An enumeration: its number, or its name.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Choice {
    Number(u64),
    Name(String),
}

impl Default for Choice {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Choice {
    /// The number, when `shown` gives the names without their prefix, in lower case.
    pub(super) fn number(&self, prefix: &str, shown: fn(u64) -> &'static str) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Name(name) => {
                let name = name.strip_prefix(prefix).unwrap_or(name);
                (1..=5).find(|&number| shown(number).eq_ignore_ascii_case(name)).unwrap_or(0)
            }
        }
    }
}

/// A number of 64 bits, which JSON may hold as a string.
#[derive(Clone, Copy, Default)]
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number, or a string of one")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(u64::try_from(number).unwrap_or(0)))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number as u64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                let number = text.parse().map(Number);
                number.map_err(|_| E::custom(format!("`{text}` is no number")))
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Attributes, `[{"key": …, "value": {"stringValue": …}}]`.
#[derive(Default)]
pub(super) struct Attributes(Vec<(String, Json)>);

impl Attributes {
    pub(super) fn into_map(self) -> Map<String, Json> {
        self.0.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json::Array(attributes) = Json::deserialize(deserializer)? else {
            return Err(D::Error::custom("attributes are no list"));
        };
        Ok(Self(attributes.into_iter().filter_map(|attribute| key_value(attribute, 0)).collect()))
    }
}

fn key_value(mut attribute: Json, depth: usize) -> Option<(String, Json)> {
    let key = attribute.get("key")?.as_str()?.to_owned();
    let value = attribute.get_mut("value").map_or(Json::Null, |value| any_value(value.take(), depth));
    Some((key, value))
}

pub(super) fn any_value(value: Json, depth: usize) -> Json {
    let Json::Object(value) = value else { return Json::Null };
    let Some((kind, mut content)) = value.into_iter().next() else { return Json::Null };
    let is_nested =
        |kind: &str| matches!(kind, "arrayValue" | "array_value" | "kvlistValue" | "kvlist_value");
    if is_nested(&kind) && depth >= DEEPEST_VALUE {
        return "(nested too deep)".into();
    }
    let mut values = || match content.get_mut("values").map(Json::take) {
        Some(Json::Array(values)) => values,
        _ => Vec::new(),
    };
    match kind.as_str() {
        "intValue" | "int_value" => match content.as_str().map(str::parse::<i64>) {
            Some(Ok(number)) => number.into(),
            _ => content,
        },
        "arrayValue" | "array_value" => values().into_iter().map(|item| any_value(item, depth + 1)).collect(),
        "kvlistValue" | "kvlist_value" => {
            Json::Object(values().into_iter().filter_map(|item| key_value(item, depth + 1)).collect())
        }
        _ => content,
    }
}
