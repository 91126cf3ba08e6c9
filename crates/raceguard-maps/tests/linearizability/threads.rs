//! Histories of real threads: a crew that runs one script after the other on the same map.

use std::hint;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use raceguard_maps::ConcurrentMap;

use super::dice::Dice;
use super::history::{Event, History};
use super::model::{FILLER, KEYS};
use super::promises;
use super::record::{self, Surroundings, Ticks};
use super::script::Script;
use crate::subjects::Home;

const MOST_THREADS: usize = 4;

/// Far above what any history takes, even on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// Scripts that one map lives through, so that it also has a past: marks of removed entries, grown tables.
const SCRIPTS_PER_MAP: u64 = 40;

/// One history to be run.
struct Job<M> {
    map: Arc<Home<M>>,
    script: Script,
    seed: u64,
    ticks: Ticks,
    /// Threads that have come to the starting line.
    ready: AtomicUsize,
    finished: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

/// Where the crew gets its jobs from.
struct Board<M> {
    /// Number of the job that hangs out; `u64::MAX` sends the crew home.
    number: AtomicU64,
    job: Mutex<Option<Arc<Job<M>>>>,
}

/// Runs histories, from `seed` on, until one breaks the promises of the map or `count` are done. Returns the first bad
/// one, shown with its seed.
pub(crate) fn search<M>(make: fn() -> Home<M>, seed: u64, count: u64) -> Result<(), String>
where
    M: ConcurrentMap<u64, u64> + Send + Sync,
{
    let board = Board { number: AtomicU64::new(0), job: Mutex::new(None) };
    thread::scope(|scope| {
        for number in 0..MOST_THREADS {
            let board = &board;
            scope.spawn(move || work(board, number));
        }
        let _home = SendHome(&board);
        let mut map = Arc::new(make());
        for index in 0..count {
            if index % SCRIPTS_PER_MAP == 0 {
                map = Arc::new(make());
            }
            let seed = seed.wrapping_add(index);
            let history = run(&board, index + 1, &map, seed);
            if !promises::allow(M::CONSISTENCY, &history) {
                return Err(format!("seed {seed}: no legal order explains\n{history}"));
            }
        }
        Ok(())
    })
}

/// Sends the crew home, also when the checking thread panics.
struct SendHome<'a, M>(&'a Board<M>);

impl<M> Drop for SendHome<'_, M> {
    fn drop(&mut self) {
        self.0.number.store(u64::MAX, Ordering::Release);
    }
}

fn run<M: ConcurrentMap<u64, u64>>(board: &Board<M>, number: u64, map: &Arc<Home<M>>, seed: u64) -> History {
    let script = Script::random(&mut Dice::new(seed));
    prepare(&***map, &script);
    let job = Arc::new(Job {
        map: map.clone(),
        ticks: Ticks::new(script.clock),
        script,
        seed,
        ready: AtomicUsize::new(0),
        finished: AtomicUsize::new(0),
        events: Mutex::default(),
    });
    *board.job.lock().expect("no panic under this lock") = Some(job.clone());
    board.number.store(number, Ordering::Release);
    let start = Instant::now();
    wait_until(|| {
        if start.elapsed() > LIMIT {
            // The scope would wait for the hanging threads for ever, so that no panic could leave it.
            eprintln!("seed {seed}: no end after {LIMIT:?}: a lock is held, or a loop never ends");
            std::process::abort();
        }
        job.finished.load(Ordering::Acquire) == MOST_THREADS
    });
    let events = std::mem::take(&mut *job.events.lock().expect("no panic under this lock"));
    let wanted: usize = job.script.threads.iter().map(Vec::len).sum();
    assert_eq!(events.len(), wanted, "seed {seed}: a thread panicked");
    History {
        initial: job.script.initial,
        clock: job.script.clock,
        events,
        last: record::look(&***map, job.script.filler),
    }
}

fn prepare<M: ConcurrentMap<u64, u64>>(map: &M, script: &Script) {
    if script.filler == 0 {
        // Whole-map calls must see nothing but the keys of the history.
        map.retain(|key, _| *key < FILLER).expect("open");
    }
    for (key, value) in (0..KEYS as u64).zip(script.initial) {
        match value {
            Some(value) => map.insert(key, value).expect("open"),
            None => map.remove(&key).expect("open"),
        };
    }
}

/// The life of one thread of the crew.
fn work<M: ConcurrentMap<u64, u64>>(board: &Board<M>, number: usize) {
    let mut done = 0;
    loop {
        wait_until(|| board.number.load(Ordering::Acquire) != done);
        done = board.number.load(Ordering::Acquire);
        if done == u64::MAX {
            return;
        }
        let job = board.job.lock().expect("no panic under this lock").clone().expect("a job hangs out");
        let finish = Finish(&job.finished);
        if let Some(calls) = job.script.threads.get(number) {
            let around = Surroundings { ticks: &job.ticks, filler: job.script.filler, disturb };
            let mut dice = Dice::new(job.seed ^ (number as u64 + 1) << 48);
            job.ready.fetch_add(1, Ordering::AcqRel);
            wait_until(|| job.ready.load(Ordering::Acquire) == job.script.threads.len());
            let events = record::thread(&**job.map, number, calls, &around, &mut dice);
            job.events.lock().expect("no panic under this lock").extend(events);
        }
        drop(finish);
    }
}

/// Counts a thread as finished, also when the map panics.
struct Finish<'a>(&'a AtomicUsize);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let mut spins = 0_u32;
    while !condition() {
        spins += 1;
        if spins.is_multiple_of(100) { thread::yield_now() } else { hint::spin_loop() }
    }
}

fn disturb(dice: &mut Dice) {
    match dice.below(16) {
        0 => thread::yield_now(),
        1..4 => (0..dice.below(300)).for_each(|_| hint::spin_loop()),
        _ => {}
    }
}
