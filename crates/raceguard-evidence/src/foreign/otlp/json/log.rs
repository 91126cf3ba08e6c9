//! Log records as JSON.

use serde::Deserialize;
use serde_json::Value as Json;

use super::value::{Number, any_value};
use crate::foreign::otlp::logs::LogRecord;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JsonLog {
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number,
    #[serde(alias = "observed_time_unix_nano")]
    observed_time_unix_nano: Number,
    body: Json,
}

impl JsonLog {
    /// The record. A body with a structure becomes JSON, as a program would have printed it.
    pub(super) fn into_record(self) -> LogRecord {
        let time_unix_ns = match self.time_unix_nano.0 {
            0 => self.observed_time_unix_nano.0,
            time => time,
        };
        let text = match any_value(self.body, 0) {
            Json::String(text) => text,
            Json::Null => String::new(),
            other => other.to_string(),
        };
        LogRecord { time_unix_ns, text }
    }
}
