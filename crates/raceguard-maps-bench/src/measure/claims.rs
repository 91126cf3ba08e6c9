//! `maps-bench claims`: what articles say about shared maps and locks, measured.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::grid::{Rounds, counted, in_turn};
use crate::bench::{Bench, Plan};
use crate::data::{Data, Numbers, Shape};
use crate::go::Go;
use crate::machine;
use crate::registry::{Candidate, Candidates};
use crate::report::{Claim, Row, median};
use crate::sequence::{self, Mix, Random, Shares};
use crate::subjects::locks::Lock;
use crate::threads::{together, work_for};

/// How long and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) rounds: Rounds,

    /// New keys that each thread inserts
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub(crate) new_keys: u32,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates, go: Option<&Go>) -> Vec<Claim> {
    let rounds = arguments.rounds;
    let claims = vec![
        padding(rounds),
        mixed(
            "shards",
            rounds,
            candidates,
            &["MutexMap", "ShardedMap-16"],
            &[(1, 1_000, 50.0), (2, 1_000, 50.0), (1, 1_000_000, 50.0), (2, 1_000_000, 50.0)],
        ),
        mixed(
            "snapshot",
            rounds,
            candidates,
            &["RwLockMap", "SnapshotMap", "std-rwlock", "arc-swap-cached"],
            &[(1, 1_000, 0.0), (2, 1_000, 0.0), (2, 1_000, 1.0), (2, 1_000, 10.0)],
        ),
        rw_lock(rounds, go),
        new_keys(arguments, candidates),
    ];
    claims.iter().for_each(print);
    claims
}

/// Measures each case's columns in turn; a column that a case does not have is `None`.
fn claim<F: Fn() -> f64>(
    id: &'static str,
    columns: Vec<String>,
    rounds: usize,
    cases: impl Iterator<Item = (String, Vec<usize>, Vec<F>)>,
) -> Claim {
    let rows = cases
        .map(|(case, cores, columns)| {
            let (figures, round_trips) = in_turn(&columns, &cores, rounds);
            let figures = figures.iter().map(|one| median(&counted(one, &round_trips))).collect();
            Row { case, figures, round_trip: cores.get(1).map(|_| median(&round_trips)) }
        })
        .collect();
    Claim { id, columns, rows }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Counters of two threads on one cache line and on two.
fn padding(rounds: Rounds) -> Claim {
    let adjacent = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let padded = Arc::new([CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0))]);
    let cases = [1, 2].into_iter().map(|threads| {
        let cores = machine::cores_for(threads);
        let (one, other) = (Arc::clone(&adjacent), Arc::clone(&padded));
        let columns: Vec<Box<dyn Fn() -> f64>> = vec![
            Box::new({
                let cores = cores.clone();
                move || count(&cores, rounds.time().length, |thread| &one[thread])
            }),
            Box::new({
                let cores = cores.clone();
                move || count(&cores, rounds.time().length, |thread| &other[thread])
            }),
        ];
        (format!("{threads} thread(s)"), cores, columns)
    });
    claim("padding", owned(&["adjacent", "padded"]), rounds.count, cases)
}

fn count<'a>(cores: &[usize], time: Duration, counter: impl Fn(usize) -> &'a AtomicU64 + Sync) -> f64 {
    sections(cores, time, |thread, _| {
        counter(thread).fetch_add(1, Ordering::Relaxed);
    })
}

/// Millions of calls a second of all threads together.
fn sections(cores: &[usize], time: Duration, work: impl Fn(usize, &mut Random) + Sync) -> f64 {
    const BATCH: u32 = 64;
    let rates = together(cores, |thread| {
        let mut random = Random::new(thread as u64);
        let (begin, mut done) = (Instant::now(), 0_u32);
        loop {
            (0..BATCH).for_each(|_| work(thread, &mut random));
            done += BATCH;
            let passed = begin.elapsed();
            if passed >= time {
                return f64::from(done) / passed.as_secs_f64() / 1e6;
            }
        }
    });
    rates.iter().sum()
}

/// Maps under loads of threads, keys and percent of writes.
fn mixed(
    id: &'static str,
    rounds: Rounds,
    candidates: &Candidates,
    names: &[&str],
    loads: &[(usize, u32, f64)],
) -> Claim {
    let there: Vec<&Candidate> = names.iter().filter_map(|name| candidates.get(name)).collect();
    let cases = loads.iter().map(|&(threads, keys, writes)| {
        let data = Arc::new(Numbers::new(Shape::of(keys)));
        let shares = Shares { overwrites: writes / 100.0, ..Shares::default() };
        let cores = machine::cores_for(threads);
        let plan = Arc::new(Plan {
            sequences: sequence::sequences(Mix { keys, skew: 0.0, shares }, threads),
            cores: cores.clone(),
            time: rounds.time(),
            hold: Duration::ZERO,
        });
        let columns: Vec<_> = there
            .iter()
            .map(|one| {
                let (map, plan): (Box<dyn Bench>, _) = ((one.numbers)(&data), Arc::clone(&plan));
                move || map.mixed(&plan)
            })
            .collect();
        (format!("{threads} thread(s), {keys} keys, {writes} % writes"), cores, columns)
    });
    let columns = there.iter().map(|one| one.name.to_owned()).collect();
    claim(id, columns, rounds.count, cases)
}

/// Percent of the critical sections that only read, and what each lasts in nanoseconds.
const SHARES: [u32; 4] = [50, 90, 99, 100];
const HOLDS: [u32; 4] = [0, 100, 1_000, 10_000];

fn rw_lock(rounds: Rounds, go: Option<&Go>) -> Claim {
    let cores = machine::cores_for(machine::cores().len());
    let mut columns = owned(&["std Mutex", "std RwLock", "parking_lot Mutex", "parking_lot RwLock"]);
    if go.is_some() {
        columns.extend(owned(&["Go Mutex", "Go RWMutex"]));
    }
    let cases = HOLDS.iter().flat_map(|hold| SHARES.map(|share| (*hold, share))).map(|(hold, share)| {
        let (time, seconds) = (rounds.time().length, rounds.seconds);
        let mut measures: Vec<Box<dyn Fn() -> f64>> = vec![
            lock::<std::sync::Mutex<u64>>(&cores, time, share, hold),
            lock::<std::sync::RwLock<u64>>(&cores, time, share, hold),
            lock::<parking_lot::Mutex<u64>>(&cores, time, share, hold),
            lock::<parking_lot::RwLock<u64>>(&cores, time, share, hold),
        ];
        for rw in [false, true] {
            if let Some(go) = go {
                let (go, cores) = (go.clone(), cores.clone());
                measures.push(Box::new(move || go.lock(rw, share, hold, seconds, &cores)));
            }
        }
        (format!("{share} % reads, held {hold} ns"), cores.clone(), measures)
    });
    claim("rwlock", columns, rounds.count, cases)
}

fn lock<L: Lock<u64>>(cores: &[usize], time: Duration, share: u32, hold: u32) -> Box<dyn Fn() -> f64> {
    let (cores, hold) = (cores.to_vec(), Duration::from_nanos(u64::from(hold)));
    Box::new(move || {
        let lock = L::new(0);
        sections(&cores, time, |_, random| {
            if random.below(100) < share {
                lock.reading(|value| {
                    work_for(hold);
                    black_box(*value)
                });
            } else {
                lock.writing(|value| {
                    work_for(hold);
                    *value += 1;
                });
            }
        })
    })
}

/// Every operation inserts a key that was never there.
fn new_keys(arguments: &Arguments, candidates: &Candidates) -> Claim {
    let names = [
        "go-sync-map",
        "go-rwmutex",
        "go-32-shards",
        "go-xsync",
        "ReadMostlyMap",
        "ShardedMap",
        "LockFreeMap",
    ];
    let there: Vec<&Candidate> = names.iter().filter_map(|name| candidates.get(name)).collect();
    let none = Arc::new(Numbers::new(Shape::of(0)));
    let each = arguments.new_keys;
    let cases = [1, 2].into_iter().map(|threads| {
        let cores = machine::cores_for(threads);
        let columns: Vec<_> = there
            .iter()
            .map(|one| {
                let (none, cores) = (&none, cores.clone());
                move || (one.numbers)(none).insert_new(&cores, each).unwrap_or(f64::NAN)
            })
            .collect();
        (format!("{threads} thread(s), {each} new keys each"), cores, columns)
    });
    let columns = there.iter().map(|one| one.name.to_owned()).collect();
    claim("new-keys", columns, arguments.rounds.count, cases)
}

fn print(claim: &Claim) {
    println!("\nclaim: {}, Mops/s", claim.id);
    let line =
        |cells: Vec<String>| cells.iter().map(|cell| format!("{cell:>18} ")).collect::<Vec<_>>().concat();
    println!("{:<40} {}", "", line(claim.columns.clone()));
    for row in &claim.rows {
        let figures = line(row.figures.iter().map(|figure| format!("{figure:.2}")).collect());
        println!("{:<40} {figures}", row.case);
    }
}
