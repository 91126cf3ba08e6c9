//! Charts, drawn by the server as SVG. A script may put one to look into in their place, from the same numbers.

use askama::Template;
use askama::filters::HtmlSafe;
use serde::Serialize;

/// Size of the drawing.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;
/// Below the bars, for the labels.
const FOOT: f64 = 18.0;

/// Bars over time.
#[derive(Debug, Template)]
#[template(path = "part/bar_chart.html")]
pub(super) struct BarChart {
    /// What is counted.
    label: &'static str,
    pub(super) bars: Vec<Bar>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Where the bars stand.
    pub(super) base: f64,
    /// What the script draws from, as JSON: seconds since the Unix epoch, and counts.
    pub(super) points: String,
    /// Time at the left and right end.
    pub(super) ends: [String; 2],
}

impl HtmlSafe for BarChart {}

/// A bar.
#[derive(Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Time and count.
    pub(super) label: String,
}

#[derive(Serialize)]
struct Points<'a> {
    x: &'a [i64],
    y: &'a [u64],
    step: i64,
}

impl BarChart {
    /// One bar for each step of time; `first` and `step` are in seconds since the Unix epoch.
    pub(super) fn new(label: &'static str, first: i64, step: i64, counts: &[u64]) -> Self {
        let times: Vec<i64> =
            (first..).step_by(usize::try_from(step).unwrap_or(1)).take(counts.len()).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        let (slot, room) = (WIDTH / number(counts.len().max(1) as u64), HEIGHT - FOOT - 4.0);
        let base = HEIGHT - FOOT;
        let bars = times.iter().zip(counts).zip(0_u64..).filter(|((_, count), _)| **count > 0);
        let bars = bars.map(|((time, count), index)| {
            // What is there at all is seen.
            let height = (number(*count) / number(most) * room).max(2.0);
            let (x, width) = (number(index) * slot + slot * 0.12, slot * 0.76);
            Bar { x, y: base - height, width, height, label: format!("{}: {count}", hour(*time)) }
        });
        let points = Points { x: &times, y: counts, step };
        Self {
            label,
            bars: bars.collect(),
            width: WIDTH,
            height: HEIGHT,
            base,
            points: serde_json::to_string(&points).unwrap_or_default(),
            ends: [times.first(), times.last()].map(|time| time.map(|time| hour(*time)).unwrap_or_default()),
        }
    }
}

/// Bars in a row of a table.
#[derive(Debug, Template)]
#[template(path = "part/spark.html")]
pub(super) struct Spark {
    bars: Vec<Bar>,
}

impl HtmlSafe for Spark {}

impl Spark {
    pub(super) fn new(counts: &[u64]) -> Self {
        let most = number(counts.iter().copied().max().unwrap_or(0).max(1));
        let slot = 120.0 / number(counts.len().max(1) as u64);
        let bars = counts.iter().zip(0_u64..).filter(|(count, _)| **count > 0).map(|(count, index)| {
            let height = (number(*count) / most * 23.0).max(1.5);
            Bar { x: number(index) * slot, y: 24.0 - height, width: slot * 0.8, height, label: String::new() }
        });
        Self { bars: bars.collect() }
    }
}

/// A share over time, and what it should reach.
#[derive(Debug, Template)]
#[template(path = "part/line_chart.html")]
pub(super) struct LineChart {
    label: &'static str,
    objective_label: &'static str,
    width: f64,
    height: f64,
    base: f64,
    polyline: String,
    /// Where the line of the objective is.
    objective: Option<f64>,
    /// What the script draws from, as JSON.
    data: String,
    ends: [String; 2],
}

impl HtmlSafe for LineChart {}

#[derive(Serialize)]
struct Shares {
    x: Vec<i64>,
    y: Vec<f64>,
    top: f64,
    /// The smallest value that the axis reaches down to.
    floor: f64,
    objective: Option<f64>,
}

impl LineChart {
    /// Points of time, in seconds since the Unix epoch, and share, from 0 to 1.
    pub(super) fn new(
        label: &'static str,
        objective_label: &'static str,
        points: &[(i64, f64)],
        objective: Option<f64>,
    ) -> Self {
        let least = points.iter().map(|(_, share)| *share).chain(objective).fold(1.0, f64::min);
        // Room below the lowest, so that it is seen to be the lowest.
        let floor = (least - (1.0 - least).max(0.01) * 0.25).max(0.0);
        let (base, top) = (HEIGHT - FOOT, 4.0);
        let y = |share: f64| top + (1.0 - share) / (1.0 - floor).max(f64::EPSILON) * (base - top);
        let (begin, end) =
            (points.first().map_or(0, |point| point.0), points.last().map_or(0, |point| point.0));
        let length = seconds((end - begin).max(1));
        let line = points
            .iter()
            .map(|(time, share)| format!("{:.1},{:.1}", seconds(time - begin) / length * WIDTH, y(*share)));
        let shares = Shares {
            x: points.iter().map(|(time, _)| *time).collect(),
            y: points.iter().map(|(_, share)| *share).collect(),
            top: 1.0,
            floor,
            objective,
        };
        Self {
            label,
            objective_label,
            width: WIDTH,
            height: HEIGHT,
            base,
            polyline: line.collect::<Vec<_>>().join(" "),
            objective: objective.map(y),
            data: serde_json::to_string(&shares).unwrap_or_default(),
            ends: [begin, end].map(hour),
        }
    }

    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.polyline.is_empty()
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths on a drawing")]
fn seconds(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "lengths on a drawing")]
fn number(count: u64) -> f64 {
    count as f64
}

fn hour(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map(|time| time.strftime("%m-%d %H:%M").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let chart = BarChart::new("n", 3600, 3600, &[0, 50, 100]);
        assert_eq!(chart.bars.len(), 2);
        assert!((chart.bars[1].height / chart.bars[0].height - 2.0).abs() < 0.01);
        assert!(chart.bars.iter().all(|bar| bar.y >= 0.0 && bar.x + bar.width <= WIDTH));
        assert_eq!(chart.ends, ["01-01 01:00", "01-01 03:00"]);
        assert_eq!(chart.points, r#"{"x":[3600,7200,10800],"y":[0,50,100],"step":3600}"#);
        assert!(BarChart::new("n", 0, 3600, &[]).bars.is_empty());
    }

    #[test]
    fn shares_lie_between_the_top_and_the_base() {
        let chart = LineChart::new("s", "t", &[(0, 1.0), (300, 0.5), (600, 0.95)], Some(0.95));
        let heights =
            chart.polyline.split(' ').filter_map(|point| point.split_once(',')?.1.parse::<f64>().ok());
        let heights: Vec<f64> = heights.collect();
        assert!(heights[0] < heights[2] && heights[2] < heights[1] && heights[1] < chart.base, "{heights:?}");
        assert!(LineChart::new("s", "t", &[], None).is_empty());
        assert_eq!(Spark::new(&[0, 1, 2]).bars.len(), 2);
    }
}
