//! `maps-bench grid`: throughput of every map under mixed loads.
//!
//! The maps of a cell run in turn, round after round, and each round begins with another one, so that whatever else the
//! machine does falls on all of them alike. Rounds during which the cores were farther apart or nearer than usual do
//! not count.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use crate::bench::{Bench, Plan};
use crate::data::{Data, Numbers, Shape, Texts};
use crate::machine;
use crate::registry::{Candidate, Candidates, Family};
use crate::report::{GridCell, Throughput, median};
use crate::sequence::{self, Mix, Shares};
use crate::threads::{Clock, Time};

/// The loads to measure: every combination.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Threads, each on a core of its own; without it, 1, 2, 4, ... as far as there are cores
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    pub(crate) threads: Vec<usize>,

    /// Keys in the map
    #[arg(long, value_delimiter = ',', value_name = "N,...", default_value = "1000,1000000")]
    pub(crate) keys: Vec<u32>,

    /// Exponents of Zipf's law by which keys are chosen; 0 is uniform
    #[arg(long, value_delimiter = ',', value_name = "S,...", default_value = "0,0.99")]
    pub(crate) skew: Vec<f64>,

    /// Percent of the operations that write
    #[arg(long, value_delimiter = ',', value_name = "P,...", default_value = "0,1,10,50,100")]
    pub(crate) writes: Vec<f64>,

    /// What a write does to a key that is there
    #[arg(long, value_enum, default_value_t = Write::Overwrite)]
    pub(crate) write: Write,

    /// What the maps hold
    #[arg(long, value_enum, default_value_t = Values::Copy)]
    pub(crate) values: Values,

    #[command(flatten)]
    pub(crate) rounds: Rounds,
}

/// How long and how often.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Rounds {
    /// Runs of each map in each cell; figures are medians
    #[arg(long = "rounds", default_value_t = 5, value_name = "N")]
    pub(crate) count: usize,

    /// Seconds of each run
    #[arg(long, default_value_t = 0.1, value_name = "S")]
    pub(crate) seconds: f64,

    /// What rates are reckoned by; maps of Go know the wall clock alone
    #[arg(long, value_enum, default_value_t = Clock::Wall)]
    pub(crate) clock: Clock,
}

impl Rounds {
    pub(crate) fn time(self) -> Time {
        Time { length: Duration::from_secs_f64(self.seconds), clock: self.clock }
    }
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Write {
    /// Sets the value
    Overwrite,
    /// Adds one to the value as one atomic step
    Increment,
}

impl Write {
    fn name(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Increment => "increment",
        }
    }

    fn shares(self, percent: f64) -> Shares {
        match self {
            Self::Overwrite => Shares { overwrites: percent / 100.0, ..Shares::default() },
            Self::Increment => Shares { increments: percent / 100.0, ..Shares::default() },
        }
    }
}

/// What the maps hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Values {
    /// `u64` to `u64`
    Copy,
    /// `String` to `Arc<str>`
    Any,
}

impl Values {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Any => "any",
        }
    }
}

/// Keys above which a map that copies everything at each write is left out where there are writes.
pub(super) const MOST_COPIED: u32 = 100_000;

/// Measures every combination.
pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> Vec<GridCell> {
    match arguments.values {
        Values::Copy => over_keys::<Numbers>(arguments, candidates, |one, data| Some((one.numbers)(data))),
        Values::Any => over_keys::<Texts>(arguments, candidates, |one, data| Some(one.texts.as_ref()?(data))),
    }
}

type Make<D> = fn(&Candidate, &Arc<D>) -> Option<Box<dyn Bench>>;

fn over_keys<D: Data>(arguments: &Arguments, candidates: &Candidates, make: Make<D>) -> Vec<GridCell> {
    let mut cells = Vec::new();
    for &keys in &arguments.keys {
        let data = Arc::new(D::new(Shape::of(keys)));
        let counters = candidates.counters().filter(|_| arguments.write == Write::Increment);
        let (data, make) = (&data, &make);
        let filled: Vec<Filled<'_>> = candidates
            .iter()
            .chain(counters)
            .filter_map(|candidate| {
                let first = make(candidate, data)?;
                let kept = (keys > MOST_ANEW).then_some(first);
                Some(Filled { candidate, kept, make: Box::new(move || make(candidate, data)) })
            })
            .collect();
        for load in loads(arguments, keys) {
            let cell = cell(&load, arguments, &filled);
            print(&cell);
            cells.push(cell);
        }
    }
    cells
}

/// Up to so many keys, a map is filled anew for each run: how quick a small one is depends on where its memory lies and
/// how its keys fall, and the median should not hang on one such draw.
const MOST_ANEW: u32 = 10_000;

struct Filled<'a> {
    candidate: &'a Candidate,
    /// Filled once, for all runs.
    kept: Option<Box<dyn Bench>>,
    make: Box<dyn Fn() -> Option<Box<dyn Bench>> + 'a>,
}

impl Filled<'_> {
    fn mixed(&self, plan: &Plan) -> f64 {
        match &self.kept {
            Some(map) => map.mixed(plan),
            None => (self.make)().map_or(f64::NAN, |map| map.mixed(plan)),
        }
    }
}

struct Load {
    threads: usize,
    keys: u32,
    skew: f64,
    /// Percent.
    writes: f64,
}

fn loads(arguments: &Arguments, keys: u32) -> Vec<Load> {
    let cores = machine::cores().len();
    let threads = if arguments.threads.is_empty() {
        std::iter::successors(Some(1), |threads| Some(threads * 2))
            .take_while(|&threads| threads <= cores)
            .collect()
    } else {
        arguments.threads.clone()
    };
    let mut loads = Vec::new();
    for &threads in &threads {
        for &skew in &arguments.skew {
            for &writes in &arguments.writes {
                loads.push(Load { threads, keys, skew, writes });
            }
        }
    }
    loads
}

fn cell(load: &Load, arguments: &Arguments, filled: &[Filled<'_>]) -> GridCell {
    let mix = Mix { keys: load.keys, skew: load.skew, shares: arguments.write.shares(load.writes) };
    let plan = Plan {
        sequences: sequence::sequences(mix, load.threads),
        cores: machine::cores_for(load.threads),
        time: arguments.rounds.time(),
        hold: Duration::ZERO,
    };
    let takes_part =
        |one: &&Filled<'_>| !one.candidate.copies_all || load.writes <= 0.0 || load.keys <= MOST_COPIED;
    let filled: Vec<&Filled<'_>> = filled.iter().filter(takes_part).collect();
    let turns: Vec<_> = filled.iter().map(|one| || one.mixed(&plan)).collect();
    let (figures, round_trips) = in_turn(&turns, &plan.cores, arguments.rounds.count);
    let maps =
        filled.iter().zip(figures).map(|(one, rounds)| Throughput::of(one.candidate, rounds, &round_trips));
    let maps = maps.collect();
    GridCell {
        values: arguments.values.name(),
        threads: load.threads,
        keys: load.keys,
        skew: load.skew,
        writes: load.writes,
        write: arguments.write.name(),
        maps,
        round_trips,
    }
}

/// Measures all of them in turn, `rounds` times; returns the figures of each, and the round trip before each round.
pub(crate) fn in_turn<T>(
    measure: &[impl Fn() -> T],
    cores: &[usize],
    rounds: usize,
) -> (Vec<Vec<T>>, Vec<f64>) {
    let mut figures: Vec<Vec<T>> = measure.iter().map(|_| Vec::new()).collect();
    let mut round_trips = Vec::new();
    for round in 0..rounds {
        if let [one, other, ..] = *cores {
            let trip = machine::round_trip(one, other);
            eprintln!("round {}: {trip:.0} ns from core {one} to core {other} and back", round + 1);
            round_trips.push(trip);
        }
        for turn in 0..measure.len() {
            let which = (round + turn) % measure.len();
            figures[which].push(measure[which]());
        }
    }
    (figures, round_trips)
}

/// A round counts when the cores were about as far apart as in the middle round.
const SAME_PLACE: f64 = 1.5;

pub(crate) fn counted(rounds: &[f64], round_trips: &[f64]) -> Vec<f64> {
    let usual = median(round_trips);
    let counts =
        |trip: Option<&f64>| trip.is_none_or(|trip| *trip < usual * SAME_PLACE && *trip > usual / SAME_PLACE);
    let kept: Vec<f64> = rounds
        .iter()
        .enumerate()
        .filter(|(round, _)| counts(round_trips.get(*round)))
        .map(|(_, figure)| *figure)
        .collect();
    // With half of the rounds here and half there, none is usual: then all count.
    if kept.is_empty() { rounds.to_vec() } else { kept }
}

/// The cell for people, best map first.
fn print(cell: &GridCell) {
    let chosen = if cell.skew > 0.0 { format!("Zipf {}", cell.skew) } else { "uniform".to_owned() };
    print!(
        "\n{} thread(s), {} keys ({}), {chosen}, {} % {}",
        cell.threads, cell.keys, cell.values, cell.writes, cell.write
    );
    if cell.round_trips.is_empty() {
        println!();
    } else {
        println!(", round trip {:.0} ns", median(&cell.round_trips));
    }
    let mut maps: Vec<&Throughput> = cell.maps.iter().collect();
    maps.sort_by(|one, other| other.mops.total_cmp(&one.mops));
    let best = maps.first().map_or(f64::NAN, |first| first.mops);
    for map in maps {
        let mark = if map.family == Family::Ours { "*" } else { " " };
        let low = map.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = map.rounds.iter().copied().fold(0.0, f64::max);
        println!(
            "{mark} {:<20} {:>8.1} Mops/s  {:>5.2} of best  ({low:.1} to {high:.1})",
            map.name,
            map.mops,
            map.mops / best
        );
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn rounds_elsewhere_do_not_count() {
        assert_eq!(counted(&[10.0, 11.0, 3.0], &[43.0, 45.0, 370.0]), [10.0, 11.0]);
        assert_eq!(counted(&[10.0, 3.0], &[43.0, 370.0]), [10.0, 3.0]);
        assert_eq!(counted(&[10.0, 3.0], &[]), [10.0, 3.0]);
    }
}
