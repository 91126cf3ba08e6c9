//! A span of OpenTelemetry.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::Extra;

/// One operation of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// 32 hex digits.
    #[serde(default)]
    pub trace_id: String,
    /// 16 hex digits.
    #[serde(default)]
    pub span_id: String,
    /// 16 hex digits; empty for a root.
    #[serde(default)]
    pub parent_span_id: String,
    /// Name of the operation.
    #[serde(default)]
    pub name: String,
    /// `internal`, `server`, `client`, `producer`, `consumer`, or empty.
    #[serde(default)]
    pub span_kind: String,
    /// `service.name` of the resource.
    #[serde(default)]
    pub service: String,
    /// `service.instance.id` of the resource, else its pod or host; empty when unknown.
    #[serde(default)]
    pub instance: String,
    /// `service.version` of the resource; empty when unknown.
    #[serde(default)]
    pub version: String,
    /// Start in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub start_unix_ns: u64,
    /// End likewise; before the start when clocks disagree.
    #[serde(default)]
    pub end_unix_ns: u64,
    /// `ok`, `error`, or empty.
    #[serde(default)]
    pub status: String,
    /// Text of the status.
    #[serde(default)]
    pub status_message: String,
    /// The instrumentation that made it, `net/http`; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Attributes by name, as JSON values; bytes as the file has them, in hex or base64.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// Attributes of the resource, without those that have a field of their own and those of the SDK (`telemetry.…`).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub resource: Map<String, Value>,
    /// Spans of other traces, or other places of this one, that it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<SpanLink>,
    /// Events such as exceptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Another span that a span belongs to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// 32 hex digits.
    #[serde(default)]
    pub trace_id: String,
    /// 16 hex digits.
    #[serde(default)]
    pub span_id: String,
}

/// Something that happened during a span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// `exception`, …
    #[serde(default)]
    pub name: String,
    /// When.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Attributes by name.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

impl Span {
    /// How long it took; 0 when its clock ran backwards.
    pub fn duration_ns(&self) -> u64 {
        self.end_unix_ns.saturating_sub(self.start_unix_ns)
    }
}
