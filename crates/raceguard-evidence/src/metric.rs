//! A data point of a metric that bears on concurrency.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::Extra;

/// One value of one time series of one program, from OpenTelemetry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name of the instrument, `go.goroutine.count`.
    #[serde(default)]
    pub name: String,
    /// As the producer names it (UCUM), `{goroutine}`; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// `gauge`, `sum`, or `histogram` for everything that has a sum and a count.
    #[serde(default)]
    pub metric_kind: String,
    /// `service.name` of the resource.
    #[serde(default)]
    pub service: String,
    /// `service.instance.id` of the resource, else its pod or host; empty when unknown.
    #[serde(default)]
    pub instance: String,
    /// `service.version` of the resource; empty when unknown.
    #[serde(default)]
    pub version: String,
    /// Since when a sum or histogram counts, in nanoseconds since the Unix epoch; 0 when unknown.
    #[serde(default)]
    pub start_unix_ns: u64,
    /// When the value was taken, likewise.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// The value; the sum of a histogram.
    #[serde(default)]
    pub value: f64,
    /// How many values a histogram has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Attributes by name, which tell one time series from another.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
