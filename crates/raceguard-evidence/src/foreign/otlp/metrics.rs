//! Which metrics are evidence, and the records that they become.
//!
//! Kept are those of Go's runtime (goroutines, scheduling, locks, memory), which show what concurrency costs, and
//! raceguard's own. All others say nothing about races; they are counted as skipped.

use serde_json::{Map, Value};

use super::resource::Resource;
use crate::foreign::{ForeignError, Sink};
use crate::metric::Metric;

/// How the names of metrics begin that are kept: OpenTelemetry's semantic conventions for Go (`go.`), the names of its
/// older instrumentations, those of Prometheus, and raceguard's own.
const KEPT: [&str; 6] = ["go.", "process.runtime.go.", "runtime.go.", "go_", "raceguard.", "raceguard_"];

/// What metrics are called that were not kept.
pub(super) const OTHERS: &str = "metrics";

/// A metric, without its data points.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) unit: String,
}

/// What the values of a data point are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Gauge,
    Sum,
    /// Anything with a sum and a count.
    Histogram,
}

/// A data point.
#[derive(Debug, Default)]
pub(super) struct Point {
    pub(super) start_unix_ns: u64,
    pub(super) time_unix_ns: u64,
    /// Nothing when none was recorded.
    pub(super) value: Option<f64>,
    pub(super) count: Option<u64>,
    pub(super) attributes: Map<String, Value>,
}

/// Whether metrics of this name are kept.
pub(super) fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|start| name.starts_with(start))
}

/// Hands a data point on as a record.
pub(super) fn take(
    series: &Series,
    shape: Shape,
    point: Point,
    resource: &Resource,
    at: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    // JSON has no number for the others.
    let Some(value) = point.value.filter(|value| value.is_finite()) else {
        sink.skip("data points without a finite value", at);
        return Ok(());
    };
    let kind = match shape {
        Shape::Gauge => "gauge",
        Shape::Sum => "sum",
        Shape::Histogram => "histogram",
    };
    let mut record = Metric {
        name: series.name.clone(),
        unit: series.unit.clone(),
        metric_kind: kind.to_owned(),
        start_unix_ns: point.start_unix_ns,
        time_unix_ns: point.time_unix_ns,
        value,
        count: point.count,
        attributes: point.attributes,
        ..Metric::default()
    };
    resource.describe_metric(&mut record);
    sink.record(record.into())
}
