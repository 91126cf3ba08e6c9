//! The figures of a run as the file that `raceguard_maps::advice` is built with, and whether its advice fits them.

use std::collections::BTreeMap;
use std::path::Path;

use raceguard_maps::advice::{Cell, Measurements, Mix, Strategy, Values, WorkloadProfile, advise_from};

use crate::report::{AdviceCheck, GridCell, MissedAdvice, Report, median};

/// Advice fits when the strategy it picks does at least this part of what the best of ours does.
const FITS: f64 = 0.9;

/// Asks for advice on every cell of the figures, and on other cells, whose figures the advice does not have.
pub(crate) fn check(measured: &Measurements, others: &[Cell]) -> Result<AdviceCheck, String> {
    let mut check =
        AdviceCheck { cells: measured.cells.len(), others: others.len(), ..AdviceCheck::default() };
    for (cells, known) in [(measured.cells.as_slice(), true), (others, false)] {
        for cell in cells {
            let missed = missed(measured, cell, known)?;
            let fits = if known { &mut check.fitting } else { &mut check.others_fitting };
            *fits += usize::from(missed.is_none());
            check.missed.extend(missed);
        }
    }
    println!(
        "\nadvice within 10 % of the best of ours: {} of {} cells, {} of {} between them",
        check.fitting, check.cells, check.others_fitting, check.others
    );
    for one in &check.missed {
        println!("  {}: {} at {:.2} of {}", one.cell, one.picked, one.ratio, one.best);
    }
    Ok(check)
}

fn missed(figures: &Measurements, cell: &Cell, known: bool) -> Result<Option<MissedAdvice>, String> {
    let advice = advise_from(figures, &profile(cell)).map_err(|error| error.to_string())?;
    let Some((best, most)) = cell.mops.iter().max_by(|one, other| one.1.total_cmp(other.1)) else {
        return Ok(None);
    };
    let ratio = cell.mops.get(&advice.strategy).copied().unwrap_or(0.0) / most;
    Ok((ratio < FITS).then(|| MissedAdvice {
        cell: format!(
            "{} keys, skew {}, {} % writes, {} thread(s), {}",
            cell.keys,
            cell.skew,
            cell.writes * 100.0,
            cell.threads,
            if cell.values == Values::Any { "texts" } else { "numbers" }
        ),
        picked: advice.strategy.to_string(),
        best: best.to_string(),
        ratio,
        known,
    }))
}

/// Figures that `--advice` wrote.
pub(crate) fn read(path: &Path) -> Result<Measurements, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn profile(cell: &Cell) -> WorkloadProfile {
    let copies = cell.values == Values::Copy;
    WorkloadProfile {
        mix: Mix { reads: Some(1.0 - cell.writes), overwrites: Some(cell.writes), ..Mix::default() },
        keys: Some(cell.keys),
        key_copy: Some(copies),
        value_copy: Some(copies),
        skew: Some(cell.skew),
        threads: Some(cell.threads),
        ..WorkloadProfile::default()
    }
}

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
pub(crate) fn cell(cell: &GridCell) -> Cell {
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
