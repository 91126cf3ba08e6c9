//! What a strategy would do under a load, from the measured cells around it.
//!
//! A load is a point in four dimensions: threads and keys (by logarithm), skew, share of writes. Between the measured
//! values of each dimension the time of one operation is interpolated linearly. That is exact for the share of writes
//! while reads and writes do not disturb each other, and a guess for the others. Beyond the measured values the nearest
//! one counts, and the estimate says so.

use std::collections::BTreeMap;

use crate::advice::measured::{Cell, Measurements, Values};
use crate::advice::strategy::Strategy;
use crate::advice::workload::Workload;

/// What a strategy is expected to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Estimate {
    /// Time of one operation, all threads together, in nanoseconds.
    pub(super) nanos: f64,
    /// The dimensions in which the load lies beyond what was measured.
    pub(super) beyond: Vec<&'static str>,
}

const DIMENSIONS: [&str; 4] = ["threads", "keys", "skew", "writes"];

type Point = [f64; 4];

/// Which cells are about a load: those of what it stores, or where such were not measured, of the other kind.
pub(super) fn comparable<'a>(measured: &'a Measurements, load: &Workload) -> Vec<&'a Cell> {
    let wanted = if load.key_copy && load.value_copy { Values::Copy } else { Values::Any };
    let of = |values| measured.cells.iter().filter(move |cell| cell.values == values);
    if of(wanted).next().is_some() { of(wanted).collect() } else { measured.cells.iter().collect() }
}

/// The estimate for one strategy; `None` when the cells do not have it.
pub(super) fn estimate(cells: &[&Cell], strategy: Strategy, load: &Workload) -> Option<Estimate> {
    let points = times(cells, strategy);
    let target = point(load.threads, load.keys, load.skew, load.shares.writes());
    let brackets: Vec<Bracket> = (0..4).map(|axis| Bracket::around(&points, axis, target[axis])).collect();
    let (mut weights, mut nanos) = (0.0, 0.0);
    for (corner, time) in &points {
        let weight: f64 = (0..4).map(|axis| brackets[axis].weight(corner[axis])).product();
        weights += weight;
        nanos += weight * time;
    }
    // A corner that was not measured leaves the others to speak for it.
    (weights > 0.0).then(|| Estimate {
        nanos: nanos / weights,
        beyond: (0..4).filter(|&axis| brackets[axis].beyond).map(|axis| DIMENSIONS[axis]).collect(),
    })
}

/// Points and times of a strategy, repetitions of a cell as their geometric mean.
fn times(cells: &[&Cell], strategy: Strategy) -> Vec<(Point, f64)> {
    let mut of_point: BTreeMap<[u64; 4], Vec<f64>> = BTreeMap::new();
    for cell in cells {
        if let Some(mops) = cell.mops.get(&strategy).filter(|mops| **mops > 0.0) {
            let bits = point(cell.threads, cell.keys, cell.skew, cell.writes).map(f64::to_bits);
            of_point.entry(bits).or_default().push((1000.0 / mops).ln());
        }
    }
    let mean = |logarithms: Vec<f64>| {
        let count = u32::try_from(logarithms.len()).map_or(f64::INFINITY, f64::from);
        (logarithms.iter().sum::<f64>() / count).exp()
    };
    of_point.into_iter().map(|(bits, logarithms)| (bits.map(f64::from_bits), mean(logarithms))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "its logarithm is taken")]
fn point(threads: u32, keys: u64, skew: f64, writes: f64) -> Point {
    [f64::from(threads).log2(), (keys as f64).log2(), skew, writes]
}

/// The two measured values next to a target in one dimension.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    low: f64,
    high: f64,
    target: f64,
    beyond: bool,
}

impl Bracket {
    fn around(points: &[(Point, f64)], axis: usize, target: f64) -> Self {
        let values = || points.iter().map(|(point, _)| point[axis]);
        let low = values().filter(|value| *value <= target).fold(f64::NEG_INFINITY, f64::max);
        let high = values().filter(|value| *value >= target).fold(f64::INFINITY, f64::min);
        match (low.is_finite(), high.is_finite()) {
            (true, true) => Self { low, high, target, beyond: false },
            (true, false) => Self { low, high: low, target: low, beyond: true },
            _ => Self { low: high, high, target: high, beyond: true },
        }
    }

    /// How much a measured value counts: all at the target, nothing outside of the bracket.
    #[expect(clippy::float_cmp, reason = "the bounds are values of points, unchanged")]
    fn weight(self, value: f64) -> f64 {
        if self.low == self.high {
            return f64::from(u8::from(value == self.low));
        }
        let share = (self.target - self.low) / (self.high - self.low);
        if value == self.low {
            1.0 - share
        } else if value == self.high {
            share
        } else {
            0.0
        }
    }
}
