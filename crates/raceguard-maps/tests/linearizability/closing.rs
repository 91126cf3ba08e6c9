//! Closing among writers, under shuttle's schedules: a write that was acknowledged is in the report, and nothing hangs.

use std::sync::Arc;

use raceguard_maps::{ConcurrentMap, MapError};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Runner, thread};

use super::schedules::config;
use crate::subjects::Home;

const WRITERS: u64 = 2;
const WRITES: u64 = 3;

/// Runs a tenth of `count` schedules.
pub(crate) fn check<M>(make: fn() -> Home<M>, seed: u64, count: u64)
where
    M: ConcurrentMap<u64, u64> + Send + Sync + 'static,
{
    let schedules = usize::try_from(count.div_ceil(10)).expect("that many fit");
    let scheduler = RandomScheduler::new_from_seed(seed, schedules);
    Runner::new(scheduler, config()).run(move || {
        let map = Arc::new(make());
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let map = map.clone();
                thread::spawn(move || (0..WRITES).filter(|n| write(&**map, n * WRITERS + writer)).count())
            })
            .collect();
        let report = map.close().expect("closes");
        let written: usize = writers.into_iter().map(|writer| writer.join().expect("no panic")).sum();
        assert_eq!(report.entries, written, "entries in the report, and writes that were acknowledged");
        assert!(map.close().expect("closes").already_closed);
    });
}

/// Whether the write was done, and not refused.
fn write<M: ConcurrentMap<u64, u64>>(map: &M, key: u64) -> bool {
    match map.insert(key, key) {
        Ok(None) => true,
        Err(MapError::Closed | MapError::Misuse(_)) => false,
        other => panic!("{other:?}"),
    }
}
