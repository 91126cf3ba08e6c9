//! `maps-bench iterate`: passes over all values, alone and beside a writer.

use std::sync::Arc;
use std::time::Duration;

use super::grid::{Rounds, in_turn};
use crate::bench::Plan;
use crate::data::{Data, Numbers, Shape};
use crate::latencies::Quantiles;
use crate::machine;
use crate::registry::Candidates;
use crate::report::{IterationTable, Passes, median};
use crate::sequence::{self, Mix, Shares};

/// How many entries, and how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) keys: u32,

    #[command(flatten)]
    pub(crate) rounds: Rounds,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> IterationTable {
    let shares = Shares { overwrites: 1.0, ..Shares::default() };
    let plan = Plan {
        sequences: sequence::sequences(Mix { keys: arguments.keys, skew: 0.0, shares }, 2),
        cores: machine::cores_for(2),
        time: arguments.rounds.time(),
        hold: Duration::ZERO,
    };
    let data = Arc::new(Numbers::new(Shape::of(arguments.keys)));
    let wanted: Vec<_> = candidates.iter().filter(|one| !one.copies_all).collect();
    let filled: Vec<_> = wanted.iter().map(|one| (one.numbers)(&data)).collect();
    let alone: Vec<_> = filled.iter().map(|map| || map.iterate(plan.cores[0])).collect();
    let (alone, _) = in_turn(&alone, &plan.cores[..1], arguments.rounds.count);
    let beside: Vec<_> = filled.iter().map(|map| || map.iterate_beside_writer(&plan)).collect();
    let (beside, round_trips) = in_turn(&beside, &plan.cores, arguments.rounds.count);
    let maps = wanted.iter().zip(alone.into_iter().zip(beside)).map(|(one, (alone, beside))| {
        let alone: Vec<f64> = alone.into_iter().flatten().collect();
        let beside: Vec<_> = beside.into_iter().flatten().collect();
        let writes: Vec<Quantiles> = beside.iter().filter_map(|one| one.writes).collect();
        let of = |pick: fn(&crate::bench::BesideWriter) -> f64| {
            (!beside.is_empty()).then(|| median(&beside.iter().map(pick).collect::<Vec<_>>()))
        };
        Passes {
            name: one.name.to_owned(),
            family: one.family,
            alone: median(&alone),
            beside: of(|one| one.pass),
            written: of(|one| one.written),
            writes: Quantiles::median(&writes),
        }
    });
    let table = IterationTable { keys: arguments.keys, maps: maps.collect(), round_trips };
    print(&table);
    table
}

fn print(table: &IterationTable) {
    println!(
        "\niteration over {} keys, ms: alone, beside a writer; the writer's Mops/s; its waits in µs; round trip {:.0} ns",
        table.keys,
        median(&table.round_trips)
    );
    for map in &table.maps {
        let longest = map.writes.map_or(f64::NAN, |quantiles| quantiles.max);
        println!(
            "{:<22} {:>8.2} {:>8.2} {:>8.2} Mops/s  longest write {:>10.1} µs",
            map.name,
            map.alone,
            map.beside.unwrap_or(f64::NAN),
            map.written.unwrap_or(f64::NAN),
            longest
        );
    }
}
