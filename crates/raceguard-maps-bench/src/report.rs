//! What a run of this program measured, as it is written to a file: [`Report`].

use serde::Serialize;

use crate::bench::ReadsAndWrites;
use crate::durable::Figure;
use crate::latencies::Quantiles;
use crate::measure::grid::counted;
use crate::registry::{Candidate, Family};

/// Everything that one run measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) cores: usize,
    /// The version of Go whose maps took part.
    pub(crate) go: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) grid: Vec<GridCell>,
    /// Loads between those of the grid, our strategies alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) between: Vec<GridCell>,
    /// Increments instead of overwrites.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) counters: Vec<GridCell>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) latency: Vec<LatencyTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) growth: Option<GrowthTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iteration: Option<IterationTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<MemoryTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<Claim>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) durable: Vec<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<AdviceCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Ranking>,
}

/// One load and what every map made of it.
#[derive(Debug, Serialize)]
pub(crate) struct GridCell {
    /// `copy` for numbers, `any` for texts.
    pub(crate) values: &'static str,
    pub(crate) threads: usize,
    pub(crate) keys: u32,
    pub(crate) skew: f64,
    /// Percent.
    pub(crate) writes: f64,
    /// What a write does: `overwrite` or `increment`.
    pub(crate) write: &'static str,
    /// Nanoseconds between the first two cores and back, before each round.
    pub(crate) round_trips: Vec<f64>,
    pub(crate) maps: Vec<Throughput>,
}

/// Millions of operations a second.
#[derive(Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) name: String,
    pub(crate) family: Family,
    /// Whether the map could hold values of any type.
    pub(crate) any_value: bool,
    /// The median of the rounds that count.
    pub(crate) mops: f64,
    pub(crate) rounds: Vec<f64>,
}

/// How long single operations took under a load.
#[derive(Debug, Serialize)]
pub(crate) struct LatencyTable {
    pub(crate) threads: usize,
    pub(crate) keys: u32,
    /// Percent.
    pub(crate) writes: f64,
    pub(crate) round_trips: Vec<f64>,
    pub(crate) maps: Vec<Waits>,
}

/// How long single operations took while a map grew.
#[derive(Debug, Serialize)]
pub(crate) struct GrowthTable {
    pub(crate) keys: u32,
    pub(crate) round_trips: Vec<f64>,
    pub(crate) maps: Vec<Waits>,
}

/// Quantiles of one map, each the median of the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Waits {
    pub(crate) name: String,
    pub(crate) family: Family,
    #[serde(flatten)]
    pub(crate) times: ReadsAndWrites,
}

impl Waits {
    /// `None` if the map cannot be measured so.
    pub(crate) fn of(candidate: &Candidate, rounds: &[Option<ReadsAndWrites>]) -> Option<Self> {
        let of = |pick: fn(&ReadsAndWrites) -> Option<Quantiles>| {
            Quantiles::median(&rounds.iter().flatten().filter_map(pick).collect::<Vec<_>>())
        };
        let times = ReadsAndWrites { reads: of(|one| one.reads), writes: of(|one| one.writes) };
        rounds.iter().any(Option::is_some).then(|| Self {
            name: candidate.name.to_owned(),
            family: candidate.family,
            times,
        })
    }
}

/// Passes over all values.
#[derive(Debug, Serialize)]
pub(crate) struct IterationTable {
    pub(crate) keys: u32,
    pub(crate) round_trips: Vec<f64>,
    pub(crate) maps: Vec<Passes>,
}

/// Passes over one map.
#[derive(Debug, Serialize)]
pub(crate) struct Passes {
    pub(crate) name: String,
    pub(crate) family: Family,
    /// Milliseconds of one pass.
    pub(crate) alone: f64,
    /// The same beside a writer.
    pub(crate) beside: Option<f64>,
    /// Millions of overwrites a second beside the passes.
    pub(crate) written: Option<f64>,
    pub(crate) writes: Option<Quantiles>,
}

/// What maps keep in memory.
#[derive(Debug, Serialize)]
pub(crate) struct MemoryTable {
    pub(crate) keys: u32,
    pub(crate) maps: Vec<Footprint>,
}

/// Bytes of each entry.
#[derive(Debug, Serialize)]
pub(crate) struct Footprint {
    pub(crate) name: String,
    pub(crate) family: Family,
    pub(crate) full: f64,
    /// After all entries were removed, still divided by how many there had been.
    pub(crate) emptied: f64,
}

/// Something that people say, as a table of millions of operations a second.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) id: &'static str,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One case of a claim, with a figure for each column.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    /// Nanoseconds, where there are two threads.
    pub(crate) round_trip: Option<f64>,
    pub(crate) figures: Vec<f64>,
}

impl Throughput {
    pub(crate) fn of(candidate: &Candidate, rounds: Vec<f64>, round_trips: &[f64]) -> Self {
        Self {
            name: candidate.name.to_owned(),
            family: candidate.family,
            any_value: candidate.any_value,
            mops: median(&counted(&rounds, round_trips)),
            rounds,
        }
    }
}

/// Whether advice fits what was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct AdviceCheck {
    /// Cells whose figures the advice has.
    pub(crate) cells: usize,
    /// Those in which the pick is within ten percent of the best of ours.
    pub(crate) fitting: usize,
    /// Cells between them, whose figures the advice does not have.
    pub(crate) others: usize,
    pub(crate) others_fitting: usize,
    pub(crate) missed: Vec<MissedAdvice>,
}

/// A cell in which something else is faster by more.
#[derive(Debug, Serialize)]
pub(crate) struct MissedAdvice {
    pub(crate) cell: String,
    pub(crate) picked: String,
    pub(crate) best: String,
    /// What the pick does, as a part of the best.
    pub(crate) ratio: f64,
    /// Whether the advice has figures of the cell.
    pub(crate) known: bool,
}

/// What a profile showed, best map first.
#[derive(Debug, Serialize)]
pub(crate) struct Ranking {
    pub(crate) profile: String,
    pub(crate) round_trips: Vec<f64>,
    pub(crate) maps: Vec<Throughput>,
}

/// The middle value, or the mean of the two in the middle.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }
}
