//! Durable writes per second, beside the naive group commit in the same run.

use std::io;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use raceguard_maps::durable::{DurableOptions, Native, Sync};
use raceguard_maps::{ConcurrentMap, MutexMap};

use super::naive::NaiveLog;

/// Bytes of one record in both logs: frame, operation, key and value.
const RECORD: usize = 56;

/// What one kind of log did with one number of writers.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Figure {
    pub(crate) log: &'static str,
    pub(crate) writers: usize,
    pub(crate) writes_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// Measures all logs with this many blocked writers, `rounds` times in turn, each for `time`; gives the round with the
/// median rate of each. `folder` must be on the disk to measure.
pub(crate) fn compare(
    folder: &Path,
    writers: usize,
    rounds: usize,
    time: Duration,
) -> io::Result<Vec<Figure>> {
    let mut naive = Vec::new();
    let mut ours = Vec::new();
    for round in 0..rounds {
        let home = folder.join(format!("round-{writers}-{round}"));
        std::fs::create_dir_all(&home)?;
        let log = NaiveLog::create(&home.join("naive.log"))?;
        naive
            .push(measure("naive", writers, time, |key, value| log.insert(key, value, &[7; RECORD]).is_ok()));
        let options = DurableOptions::<u64, u64>::new(Native, Native).sync(Sync::Always).compact_at(u64::MAX);
        let map = options.open(&home, MutexMap::new()).map_err(io::Error::other)?;
        ours.push(measure("durable", writers, time, |key, value| map.insert(key, value).is_ok()));
        drop(map);
        std::fs::remove_dir_all(&home)?;
    }
    Ok([naive, ours].into_iter().map(median).collect())
}

fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.writes_per_second.total_cmp(&b.writes_per_second));
    figures.swap_remove(figures.len() / 2)
}

fn measure(
    log: &'static str,
    writers: usize,
    time: Duration,
    write: impl Fn(u64, u64) -> bool + std::marker::Sync,
) -> Figure {
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(writers + 1));
    let (elapsed, mut latencies) = thread::scope(|scope| {
        let writer = |writer: u64| {
            let (stop, ready, write) = (&stop, &ready, &write);
            move || {
                let mut latencies = Vec::with_capacity(1 << 12);
                ready.wait();
                for count in 0_u64.. {
                    // ORDERING: Relaxed: a flag to end by.
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let start = Instant::now();
                    assert!(write((writer << 32) | (count % 1_000), count), "a write failed");
                    latencies.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
                latencies
            }
        };
        let threads: Vec<_> = (0..writers as u64).map(|number| scope.spawn(writer(number))).collect();
        ready.wait();
        let start = Instant::now();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let latencies: Vec<u32> =
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        (start.elapsed(), latencies)
    });
    latencies.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank"
        )]
        let rank = (share * (latencies.len() - 1) as f64) as usize;
        f64::from(latencies[rank]) / 1e3
    };
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let writes_per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    Figure { log, writers, writes_per_second, p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999) }
}
