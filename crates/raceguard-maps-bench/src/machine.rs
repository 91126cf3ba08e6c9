//! The machine: which cores there are, how to stay on one, and how long a message between two of them takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use.
pub(crate) fn cores() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(allowed) => (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect(),
        Err(_) => vec![0],
    }
}

/// A core for each of `threads` threads; with more threads than cores, several share one.
pub(crate) fn cores_for(threads: usize) -> Vec<usize> {
    cores().into_iter().cycle().take(threads).collect()
}

/// Keeps the calling thread on one core. Failing only makes figures noisier, so it is not an error.
pub(crate) fn stay_on(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
}

const BATCHES: u64 = 40;
const TRIPS: u64 = 500;

/// Nanoseconds that a cache line needs from one core to another and back. Virtual cores move between places that are
/// near or far from each other, and contended figures move with them. The quickest of several batches, since the others
/// may have been interrupted.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn round_trip(one: usize, other: usize) -> f64 {
    let turn = CachePadded::new(AtomicU64::new(0));
    let wait_for = |wanted: u64| {
        while turn.load(Ordering::Acquire) != wanted {
            std::hint::spin_loop();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(other);
            for trip in 0..BATCHES * TRIPS {
                wait_for(2 * trip + 1);
                turn.store(2 * trip + 2, Ordering::Release);
            }
        });
        let asker = scope.spawn(|| {
            stay_on(one);
            let batch = |number: u64| {
                let start = Instant::now();
                for trip in number * TRIPS..(number + 1) * TRIPS {
                    turn.store(2 * trip + 1, Ordering::Release);
                    wait_for(2 * trip + 2);
                }
                start.elapsed().as_nanos() as f64 / TRIPS as f64
            };
            (0..BATCHES).map(batch).fold(f64::INFINITY, f64::min)
        });
        asker.join().unwrap_or(f64::NAN)
    })
}

/// The processor's name as the kernel gives it.
pub(crate) fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(": ")?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned())
}
