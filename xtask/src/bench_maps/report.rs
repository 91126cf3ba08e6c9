//! What `maps-bench` writes; its own module `report` says what each field means.

use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;
use crate::workspace;

#[derive(Debug, Deserialize)]
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) cores: usize,
    pub(super) go: Option<String>,
    #[serde(default)]
    pub(super) grid: Vec<Cell>,
    #[serde(default)]
    pub(super) counters: Vec<Cell>,
    #[serde(default)]
    pub(super) latency: Vec<Latency>,
    pub(super) growth: Option<Growth>,
    pub(super) iteration: Option<Iteration>,
    pub(super) memory: Option<Memory>,
    #[serde(default)]
    pub(super) claims: Vec<Claim>,
    #[serde(default)]
    pub(super) durable: Vec<Durable>,
    pub(super) advice: Option<Advice>,
}

impl Report {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        serde_json::from_str(&workspace::read(file)?).map_err(|error| {
            Failure::environment(
                format!("{} is not a report of maps-bench: {error}", file.display()),
                "measure again with `cargo xtask bench maps`",
            )
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    Ours,
    Rust,
    Go,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cell {
    pub(super) values: String,
    pub(super) threads: usize,
    pub(super) keys: u32,
    pub(super) skew: f64,
    /// Percent.
    pub(super) writes: f64,
    pub(super) round_trips: Vec<f64>,
    pub(super) maps: Vec<Throughput>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Throughput {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) any_value: bool,
    pub(super) mops: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Latency {
    pub(super) threads: usize,
    pub(super) keys: u32,
    pub(super) writes: f64,
    pub(super) round_trips: Vec<f64>,
    pub(super) maps: Vec<Waits>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Growth {
    pub(super) keys: u32,
    pub(super) round_trips: Vec<f64>,
    pub(super) maps: Vec<Waits>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Waits {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) reads: Option<Quantiles>,
    pub(super) writes: Option<Quantiles>,
}

/// Microseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
    /// The longest in which the thread ran throughout, where that was looked at.
    #[serde(default)]
    pub(super) uninterrupted: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Iteration {
    pub(super) keys: u32,
    pub(super) round_trips: Vec<f64>,
    pub(super) maps: Vec<Passes>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Passes {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) alone: f64,
    pub(super) beside: Option<f64>,
    pub(super) written: Option<f64>,
    pub(super) writes: Option<Quantiles>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) keys: u32,
    pub(super) maps: Vec<Footprint>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Footprint {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) full: f64,
    pub(super) emptied: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) round_trip: Option<f64>,
    /// In the order of the columns; a figure that could not be measured is absent.
    pub(super) figures: Vec<Option<f64>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Durable {
    pub(super) log: String,
    pub(super) writers: usize,
    pub(super) writes_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Advice {
    /// Cells whose figures the advice has, and those in which its pick is within ten percent of the best of ours.
    pub(super) cells: usize,
    pub(super) fitting: usize,
    /// The same for cells between them, whose figures the advice does not have.
    pub(super) others: usize,
    pub(super) others_fitting: usize,
    pub(super) missed: Vec<Missed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Missed {
    pub(super) cell: String,
    pub(super) picked: String,
    pub(super) best: String,
    pub(super) ratio: f64,
}
