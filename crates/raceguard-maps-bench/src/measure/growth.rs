//! `maps-bench growth`: what inserts and reads wait while a map grows from nothing.

use std::sync::Arc;

use super::grid::in_turn;
use super::latency::print_waits;
use crate::data::{Data, Numbers, Shape};
use crate::machine;
use crate::registry::Candidates;
use crate::report::{GrowthTable, Waits, median};

/// How far.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Keys that are inserted by one thread, while another one reads those that are there
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    pub(crate) keys: u32,

    /// Runs of each map; figures are medians
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) rounds: usize,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> GrowthTable {
    let cores = machine::cores_for(2);
    let none = Arc::new(Numbers::new(Shape::of(0)));
    let wanted: Vec<_> = candidates.iter_with_nothing().filter(|one| !one.copies_all).collect();
    let turns: Vec<_> = wanted
        .iter()
        .map(|one| {
            let (none, cores) = (&none, &cores);
            move || {
                eprintln!("growing {}", one.name);
                (one.numbers)(none).grow(cores, arguments.keys)
            }
        })
        .collect();
    let (figures, round_trips) = in_turn(&turns, &cores, arguments.rounds);
    let maps = wanted.iter().zip(figures).filter_map(|(one, rounds)| Waits::of(one, &rounds)).collect();
    let table = GrowthTable { keys: arguments.keys, round_trips, maps };
    println!("\ngrowth to {} keys, round trip {:.0} ns, µs", table.keys, median(&table.round_trips));
    print_waits(&table.maps);
    println!("longest writes during which no other thread ran in this one's place:");
    for map in &table.maps {
        if let Some(longest) = map.times.writes.and_then(|writes| writes.uninterrupted) {
            println!("{:<22} {longest:>10.1}", map.name);
        }
    }
    table
}
