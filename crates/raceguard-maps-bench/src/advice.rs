//! The figures of a run as the file that `raceguard_maps::advice` is built with.

use std::collections::BTreeMap;

use raceguard_maps::advice::{Cell, Measurements, Strategy, Values};

use crate::report::{GridCell, Report, median};

/// The grid, our strategies alone.
pub(crate) fn measurements(report: &Report) -> Measurements {
    Measurements {
        schema: 1,
        command: "cargo xtask bench maps --write".to_owned(),
        machine: format!("{}, {} cores", report.machine, report.cores),
        cells: report.grid.iter().map(cell).collect(),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn cell(cell: &GridCell) -> Cell {
    let mops: BTreeMap<Strategy, f64> = cell
        .maps
        .iter()
        .filter_map(|map| {
            let strategy = Strategy::ALL.into_iter().find(|strategy| strategy.name() == map.name)?;
            Some((strategy, (map.mops * 100.0).round() / 100.0))
        })
        .collect();
    Cell {
        threads: cell.threads as u32,
        keys: u64::from(cell.keys),
        skew: cell.skew,
        writes: cell.writes / 100.0,
        values: if cell.values == "any" { Values::Any } else { Values::Copy },
        round_trip_nanos: (!cell.round_trips.is_empty()).then(|| median(&cell.round_trips).round()),
        mops,
    }
}
