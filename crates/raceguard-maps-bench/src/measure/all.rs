//! `maps-bench all`: everything that docs/maps.md shows.

use std::path::PathBuf;

use super::grid::{Rounds, Values, Write};
use super::{claims, durable, grid, growth, iteration, latency, memory};
use crate::advice;
use crate::go::Go;
use crate::registry::Candidates;
use crate::report::Report;
use crate::threads::Clock;

/// How thoroughly.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// A look in about two minutes instead of a measurement in about fifteen
    #[arg(long)]
    quick: bool,

    /// A folder on the disk that durable writes are measured on
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

struct Effort {
    grid: Rounds,
    other: Rounds,
    growth: u32,
    growth_rounds: usize,
    new_keys: u32,
    durable_rounds: usize,
    durable_seconds: f64,
}

const FULL: Effort = Effort {
    grid: Rounds { count: 5, seconds: 0.05, clock: Clock::Wall },
    other: Rounds { count: 3, seconds: 0.1, clock: Clock::Wall },
    growth: 4_000_000,
    growth_rounds: 1,
    new_keys: 500_000,
    durable_rounds: 3,
    durable_seconds: 1.0,
};

const QUICK: Effort = Effort {
    grid: Rounds { count: 1, seconds: 0.02, clock: Clock::Wall },
    other: Rounds { count: 1, seconds: 0.02, clock: Clock::Wall },
    growth: 400_000,
    growth_rounds: 1,
    new_keys: 50_000,
    durable_rounds: 1,
    durable_seconds: 0.3,
};

pub(crate) fn run(
    arguments: &Arguments,
    candidates: &Candidates,
    go: Option<&Go>,
    report: &mut Report,
) -> Result<(), String> {
    let effort = if arguments.quick { QUICK } else { FULL };
    throughput(effort.grid, candidates, report)?;
    for (keys, writes) in [(1_000, 50.0), (1_000_000, 10.0)] {
        let load = latency::Arguments { threads: None, keys, writes, rounds: effort.other };
        report.latency.push(latency::run(&load, candidates));
    }
    let iterated = iteration::Arguments { keys: 1_000_000, rounds: effort.other };
    report.iteration = Some(iteration::run(&iterated, candidates));
    let grown = growth::Arguments { keys: effort.growth, rounds: effort.growth_rounds };
    report.growth = Some(growth::run(&grown, candidates));
    let kept = memory::Arguments { keys: 1_000_000, here: false };
    report.memory = Some(memory::run(&kept, candidates)?);
    let claimed = claims::Arguments { rounds: effort.other, new_keys: effort.new_keys };
    report.claims = claims::run(&claimed, candidates, go);
    let logged = durable::Arguments {
        writers: vec![1, 8, 32, 128, 512],
        rounds: effort.durable_rounds,
        seconds: effort.durable_seconds,
        folder: arguments.folder.clone(),
    };
    report.durable = durable::run(&logged)?;
    Ok(())
}

/// The grid, the loads between its own that advice is checked on, and counters.
fn throughput(rounds: Rounds, candidates: &Candidates, report: &mut Report) -> Result<(), String> {
    let numbers = grid::Arguments {
        threads: Vec::new(),
        keys: vec![1_000, 1_000_000],
        skew: vec![0.0, 0.99],
        writes: vec![0.0, 1.0, 10.0, 50.0, 100.0],
        write: Write::Overwrite,
        values: Values::Copy,
        rounds,
    };
    let texts = grid::Arguments {
        skew: vec![0.0],
        writes: vec![0.0, 10.0, 50.0, 100.0],
        values: Values::Any,
        ..numbers.clone()
    };
    let counters = grid::Arguments {
        keys: vec![1, 1_000],
        skew: vec![0.0],
        writes: vec![100.0],
        write: Write::Increment,
        ..numbers.clone()
    };
    report.grid = grid::run(&numbers, candidates);
    report.grid.extend(grid::run(&texts, candidates));
    let between = grid::Arguments {
        keys: vec![30_000],
        skew: vec![0.0, 0.6],
        writes: vec![0.0, 5.0, 30.0],
        ..numbers.clone()
    };
    report.between = grid::run(&between, &Candidates::strategies());
    let others: Vec<_> = report.between.iter().map(advice::cell).collect();
    report.advice = Some(advice::check(&advice::measurements(report), &others)?);
    report.counters = grid::run(&counters, candidates);
    Ok(())
}
