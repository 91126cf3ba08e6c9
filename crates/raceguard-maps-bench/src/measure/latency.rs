//! `maps-bench latency`: how long single reads and writes take while all threads work.

use std::sync::Arc;
use std::time::Duration;

use super::grid::{Rounds, in_turn};
use crate::bench::{Plan, ReadsAndWrites};
use crate::data::{Data, Numbers, Shape};
use crate::latencies::Quantiles;
use crate::machine;
use crate::registry::Candidates;
use crate::report::{LatencyTable, Waits, median};
use crate::sequence::{self, Mix, Shares};

/// The load under which operations are timed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Threads; without it, as many as there are cores
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,

    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) keys: u32,

    /// Percent of the operations that overwrite
    #[arg(long, value_name = "P", default_value_t = 10.0)]
    pub(crate) writes: f64,

    #[command(flatten)]
    pub(crate) rounds: Rounds,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> LatencyTable {
    let threads = arguments.threads.unwrap_or_else(|| machine::cores().len());
    let shares = Shares { overwrites: arguments.writes / 100.0, ..Shares::default() };
    let plan = Plan {
        sequences: sequence::sequences(Mix { keys: arguments.keys, skew: 0.0, shares }, threads),
        cores: machine::cores_for(threads),
        time: arguments.rounds.time(),
        hold: Duration::ZERO,
    };
    let data = Arc::new(Numbers::new(Shape::of(arguments.keys)));
    let wanted: Vec<_> =
        candidates.iter().filter(|one| !one.copies_all || arguments.keys <= 10_000).collect();
    let filled: Vec<_> = wanted.iter().map(|one| (one.numbers)(&data)).collect();
    let turns: Vec<_> = filled.iter().map(|map| || map.latency(&plan)).collect();
    let (figures, round_trips) = in_turn(&turns, &plan.cores, arguments.rounds.count);
    let maps = wanted.iter().zip(figures).filter_map(|(one, rounds)| Waits::of(one, &rounds)).collect();
    let table = LatencyTable { threads, keys: arguments.keys, writes: arguments.writes, round_trips, maps };
    print(&table);
    table
}

fn print(table: &LatencyTable) {
    println!(
        "\nlatency, {} thread(s), {} keys, {} % overwrite, round trip {:.0} ns, µs",
        table.threads,
        table.keys,
        table.writes,
        median(&table.round_trips)
    );
    print_waits(&table.maps);
}

/// Quantiles of reads and writes, one map a line.
pub(crate) fn print_waits(maps: &[Waits]) {
    let text = |quantiles: Option<Quantiles>| {
        quantiles.map_or(String::new(), |q| {
            format!("{:>9.2} {:>9.2} {:>9.2} {:>10.1}", q.p50, q.p99, q.p999, q.max)
        })
    };
    println!(
        "{:<22} reads: p50       p99     p99.9        max | writes: p50      p99     p99.9        max",
        ""
    );
    for map in maps {
        let ReadsAndWrites { reads, writes } = map.times;
        println!("{:<22} {:>41} | {:>41}", map.name, text(reads), text(writes));
    }
}
