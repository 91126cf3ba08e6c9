//! Metrics as JSON.

use serde::Deserialize;
use serde_json::Value as Json;

use super::value::{Attributes, Number};
use crate::foreign::otlp::metrics::{self, OTHERS, Point, Series, Shape};
use crate::foreign::otlp::resource::Resource;
use crate::foreign::{ForeignError, Sink};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JsonMetric {
    name: String,
    unit: String,
    gauge: JsonData,
    sum: JsonData,
    histogram: JsonData,
    #[serde(alias = "exponential_histogram")]
    exponential_histogram: JsonData,
    summary: JsonData,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonData {
    #[serde(rename = "dataPoints", alias = "data_points")]
    points: Vec<JsonPoint>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonPoint {
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number,
    #[serde(alias = "as_double")]
    as_double: Json,
    #[serde(alias = "as_int")]
    as_int: Json,
    sum: Json,
    count: Option<Number>,
    attributes: Attributes,
}

impl JsonMetric {
    /// Hands its data points on, if it is of those that are kept.
    pub(super) fn take(
        self,
        resource: &Resource,
        line: u64,
        sink: &mut dyn Sink,
    ) -> Result<(), ForeignError> {
        let series = Series { name: self.name, unit: self.unit };
        if !metrics::is_kept(&series.name) {
            sink.skip(OTHERS, line);
            return Ok(());
        }
        let data = [
            (Shape::Gauge, self.gauge),
            (Shape::Sum, self.sum),
            (Shape::Histogram, self.histogram),
            (Shape::Histogram, self.exponential_histogram),
            (Shape::Histogram, self.summary),
        ];
        for (shape, data) in data {
            for point in data.points {
                metrics::take(&series, shape, point.into_point(), resource, line, sink)?;
            }
        }
        Ok(())
    }
}

impl JsonPoint {
    fn into_point(self) -> Point {
        let value = [&self.as_double, &self.as_int, &self.sum].into_iter().find_map(number);
        Point {
            start_unix_ns: self.start_time_unix_nano.0,
            time_unix_ns: self.time_unix_nano.0,
            value,
            count: self.count.map(|count| count.0),
            attributes: self.attributes.into_map(),
        }
    }
}

/// A number, which JSON may hold as a string: integers of 64 bits, `NaN`, `Infinity`.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}
