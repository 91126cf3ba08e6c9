//! Log records as protocol buffers.

use serde_json::Value as Json;

use super::value::any_value;
use crate::foreign::otlp::logs::LogRecord;
use crate::foreign::protobuf::{Fields, Value};

/// Reads a log record. A body with a structure becomes JSON, as a program would have printed it.
pub(super) fn read(message: &[u8]) -> LogRecord {
    let (mut record, mut observed) = (LogRecord::default(), 0);
    for (number, value) in Fields::of(message).flatten() {
        match (number, value) {
            (1, value) => record.time_unix_ns = value.fixed(),
            (11, value) => observed = value.fixed(),
            (5, Value::Bytes(body)) => {
                record.text = match any_value(body, 0) {
                    Json::String(text) => text,
                    Json::Null => String::new(),
                    other => other.to_string(),
                };
            }
            _ => {}
        }
    }
    if record.time_unix_ns == 0 {
        record.time_unix_ns = observed;
    }
    record
}
