//! Histories of schedules that shuttle chooses: at random, and by probabilistic concurrency testing (Burckhardt et al.,
//! 2010), which finds every bug of few ordering points with known probability.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Mutex;

use raceguard_maps::ConcurrentMap;
use shuttle::rand::RngCore;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Runner, thread};

use super::dice::Dice;
use super::history::History;
use super::model::KEYS;
use super::promises;
use super::record::{self, Surroundings, Ticks};
use super::script::Script;
use crate::subjects::Home;

/// Points at which a bug may depend on the order, for PCT.
const DEPTH: usize = 3;

/// Bytes for each thread: frames of unoptimized code are large.
const STACK: usize = 1 << 20;

/// As the search of real threads: half of the histories under each scheduler. The seed is that of the schedules; the
/// scripts are drawn from the same source.
pub(crate) fn search<M>(make: fn() -> Home<M>, seed: u64, count: u64) -> Result<(), String>
where
    M: ConcurrentMap<u64, u64> + Send + Sync + 'static,
{
    let half = usize::try_from(count.div_ceil(2)).expect("that many fit");
    explore(make, RandomScheduler::new_from_seed(seed, half))?;
    explore(make, PctScheduler::new_from_seed(seed, DEPTH, half))
}

/// Shuttle's own, with room on the stack.
pub(crate) fn config() -> shuttle::Config {
    let mut config = shuttle::Config::default();
    config.stack_size = STACK;
    config
}

fn explore<M>(make: fn() -> Home<M>, scheduler: impl Scheduler + 'static) -> Result<(), String>
where
    M: ConcurrentMap<u64, u64> + Send + Sync + 'static,
{
    let found = Arc::new(Mutex::new(None));
    let runner = Runner::new(scheduler, config());
    let note = found.clone();
    let run = catch_unwind(AssertUnwindSafe(move || {
        runner.run(move || {
            let history = record(make);
            if !promises::allow(M::CONSISTENCY, &history) {
                *note.lock().expect("no panic under this lock") =
                    Some(format!("no legal order explains\n{history}"));
                // Ends the search; shuttle prints the schedule.
                panic!("a bad history");
            }
        })
    }));
    match (run, found.lock().expect("no panic under this lock").take()) {
        (_, Some(found)) => Err(found),
        (Ok(_), None) => Ok(()),
        (Err(panic), None) => std::panic::resume_unwind(panic),
    }
}

fn record<M>(make: fn() -> Home<M>) -> History
where
    M: ConcurrentMap<u64, u64> + Send + Sync + 'static,
{
    let seed = shuttle::rand::thread_rng().next_u64();
    let script = Arc::new(Script::random(&mut Dice::new(seed)));
    let map = Arc::new(make());
    for (key, value) in (0..KEYS as u64).zip(script.initial) {
        if let Some(value) = value {
            map.insert(key, value).expect("open");
        }
    }
    let ticks = Arc::new(Ticks::new(script.clock));
    let running: Vec<_> = (0..script.threads.len())
        .map(|number| {
            let (map, script, ticks) = (map.clone(), script.clone(), ticks.clone());
            thread::spawn(move || {
                let around = Surroundings { ticks: &ticks, filler: script.filler, disturb };
                let mut dice = Dice::new(seed ^ (number as u64 + 1) << 48);
                record::thread(&**map, number, &script.threads[number], &around, &mut dice)
            })
        })
        .collect();
    let events = running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
    let last = record::look(&**map, script.filler);
    History { initial: script.initial, clock: script.clock, events, last }
}

/// Every lock and atomic access of the map is a scheduling point already; closures get some more.
fn disturb(dice: &mut Dice) {
    if dice.one_in(4) {
        thread::yield_now();
    }
}
