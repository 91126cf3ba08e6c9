//! Metrics as protocol buffers.

use super::value::key_value;
use crate::foreign::otlp::metrics::{self, OTHERS, Point, Series, Shape};
use crate::foreign::otlp::resource::Resource;
use crate::foreign::protobuf::{Fields, Value};
use crate::foreign::{ForeignError, Sink};

/// Bit of a data point's flags: no value was recorded.
const NO_RECORDED_VALUE: u64 = 1;

/// Reads a metric with its data points.
pub(super) fn read(
    message: &[u8],
    resource: &Resource,
    at: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    let mut series = Series::default();
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => series.name = value.text(),
            3 => series.unit = value.text(),
            _ => {}
        }
    }
    if !metrics::is_kept(&series.name) {
        sink.skip(OTHERS, at);
        return Ok(());
    }
    for (number, data) in Fields::of(message).flatten() {
        let (shape, point): (_, fn(&[u8]) -> Point) = match number {
            5 => (Shape::Gauge, number_point),
            7 => (Shape::Sum, number_point),
            9 => (Shape::Histogram, histogram_point),
            10 => (Shape::Histogram, exponential_histogram_point),
            11 => (Shape::Histogram, summary_point),
            _ => continue,
        };
        for (number, content) in Fields::of(data.bytes()).flatten() {
            if number == 1 {
                metrics::take(&series, shape, point(content.bytes()), resource, at, sink)?;
            }
        }
    }
    Ok(())
}

/// Fields 2 and 3 of every kind of data point.
fn times(point: &mut Point, number: u32, value: Value<'_>) {
    match number {
        2 => point.start_unix_ns = value.fixed(),
        3 => point.time_unix_ns = value.fixed(),
        _ => {}
    }
}

#[expect(clippy::cast_precision_loss, reason = "values are floating point in evidence")]
fn number_point(message: &[u8]) -> Point {
    let (mut point, mut is_absent) = (Point::default(), false);
    for (number, value) in Fields::of(message).flatten() {
        match number {
            4 => point.value = Some(f64::from_bits(value.fixed())),
            6 => point.value = Some(value.fixed().cast_signed() as f64),
            7 => point.attributes.extend(key_value(value.bytes(), 0)),
            8 => is_absent = value.number() & NO_RECORDED_VALUE != 0,
            _ => times(&mut point, number, value),
        }
    }
    if is_absent {
        point.value = None;
    }
    point
}

fn histogram_point(message: &[u8]) -> Point {
    distribution(message, 9)
}

fn exponential_histogram_point(message: &[u8]) -> Point {
    distribution(message, 1)
}

fn summary_point(message: &[u8]) -> Point {
    distribution(message, 7)
}

/// Count and sum have the same numbers in all of them, attributes have not.
fn distribution(message: &[u8], attributes: u32) -> Point {
    let mut point = Point::default();
    for (number, value) in Fields::of(message).flatten() {
        match number {
            4 => point.count = Some(value.fixed()),
            5 => point.value = Some(f64::from_bits(value.fixed())),
            _ if number == attributes => point.attributes.extend(key_value(value.bytes(), 0)),
            _ => times(&mut point, number, value),
        }
    }
    point
}
