//! What was measured, as data: [`Measurements`] is the file that the bench writes and that advice reads.
//!
//! `cargo xtask bench maps --write` replaces `src/advice/measured.json` with one cell for each measured load:
//!
//! ```json
//! { "schema": 1, "command": "cargo xtask bench maps --write", "machine": "AMD EPYC, 2 cores", "cells": [
//! {"threads":2,"keys":1000,"skew":0.0,"writes":0.1,"values":"copy","round_trip_nanos":43.0,"mops":{"MutexMap":59.1}}
//! ] }
//! ```
//!
//! A cell holds millions of operations per second, of all threads together, for every strategy that was run, all of
//! them interleaved in one run: figures of one cell compare, figures of different cells need not.
//!

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::advice::strategy::Strategy;

/// Everything that was measured on one machine.
///
/// ```
/// use raceguard_maps::advice::{Measurements, WorkloadProfile, advise_from};
///
/// // Or what `maps-bench --advice FILE` wrote on the machine that the map will run on.
/// let measured = Measurements::built_in();
/// let advice = advise_from(&measured, &WorkloadProfile::default())?;
/// assert!(advice.measured.contains(&measured.machine));
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// Version of the format, 1.
    pub schema: u32,
    /// The command that prints these figures again.
    pub command: String,
    /// Processor and cores, for people.
    pub machine: String,
    /// One for each load. Cells of the same load, such as repetitions under another placement of the threads, are
    /// averaged by advice (geometric mean).
    pub cells: Vec<Cell>,
}

/// One measured load.
///
/// ```
/// use raceguard_maps::advice::Measurements;
///
/// let measured = Measurements::built_in();
/// for cell in measured.cells.iter().filter(|cell| cell.threads == 2 && cell.keys == 1000) {
///     let best = cell.mops.iter().max_by(|one, other| one.1.total_cmp(other.1));
///     println!("{:.0} % writes: {best:?}", cell.writes * 100.0);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Threads that work at the same time.
    pub threads: u32,
    /// Keys in the map.
    pub keys: u64,
    /// Zipf exponent of the choice of keys; 0 is uniform.
    pub skew: f64,
    /// Share of operations that overwrite the value of a key that is there; the others read.
    pub writes: f64,
    /// What is stored.
    pub values: Values,
    /// Round trip between the cores of the two threads while this cell was measured, where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_nanos: Option<f64>,
    /// Millions of operations per second for each strategy.
    pub mops: BTreeMap<Strategy, f64>,
}

/// What a cell stores.
///
/// ```
/// use raceguard_maps::advice::{Measurements, Values};
///
/// let measured = Measurements::built_in();
/// assert!(measured.cells.iter().any(|cell| cell.values == Values::Copy));
/// assert!(measured.cells.iter().any(|cell| cell.values == Values::Any));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// `Copy` keys and values: `u64` to `u64`.
    Copy,
    /// Keys and values that own memory, so that strategies for `Copy` types cannot take part.
    Any,
}

impl Measurements {
    /// The figures that this version of the library was built with.
    ///
    /// # Panics
    ///
    /// When `measured.json` is not what [`to_json`](Self::to_json) writes; a test keeps that from being released.
    pub fn built_in() -> Self {
        serde_json::from_str(include_str!("measured.json"))
            .expect("measured.json has the format of Measurements")
    }

    /// The file: one line for each cell.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = format!(
            "{{ \"schema\": {}, \"command\": {}, \"machine\": {}, \"cells\": [\n",
            self.schema,
            serde_json::to_string(&self.command)?,
            serde_json::to_string(&self.machine)?
        );
        for (index, cell) in self.cells.iter().enumerate() {
            let comma = if index + 1 < self.cells.len() { "," } else { "" };
            let _ = writeln!(text, "{}{comma}", serde_json::to_string(cell)?);
        }
        text.push_str("] }\n");
        Ok(text)
    }
}
