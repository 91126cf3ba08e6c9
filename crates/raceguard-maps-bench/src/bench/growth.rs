//! Maps that grow: what single operations wait, and how fast new keys go in.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::stops::Stops;
use super::{Filled, ReadsAndWrites};
use crate::data::{Data, Value};
use crate::latencies::Latencies;
use crate::sequence::Random;
use crate::subject::{Handle, Subject};
use crate::threads::together;

/// So many inserts are left out of the report: the first ones pay for pages of the code.
const FIRST: u32 = 1_000;

/// A write so long may be one in which the thread did not run, so it is asked for.
const LONG: Duration = Duration::from_micros(100);

/// Inserts after which is asked anyway, so that an earlier stop is not taken for one of a long write.
const ASK_EVERY: u32 = 64;

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(super) fn measure_growth(&self, cores: &[usize], keys: u32) -> ReadsAndWrites {
        let grown = AtomicU32::new(0);
        let mut results = together(&cores[..2], |thread| {
            let mut handle = self.map.handle();
            if thread == 0 {
                self.grow_to(&mut handle, keys, &grown)
            } else {
                self.read_until(&mut handle, keys, &grown)
            }
        });
        let (reads, writes) = (results.pop(), results.pop());
        let quantiles = |times: Option<Latencies>| times.and_then(Latencies::quantiles);
        ReadsAndWrites { reads: quantiles(reads), writes: quantiles(writes) }
    }

    fn grow_to(&self, handle: &mut M::Handle<'_>, keys: u32, grown: &AtomicU32) -> Latencies {
        let mut writes = Latencies::with_room(keys as usize);
        let mut stops = Stops::new();
        let mut last = Instant::now();
        for index in 0..keys {
            handle.insert(std::borrow::Borrow::borrow(&self.data.key(index)).clone(), self.data.value(index));
            let mut now = Instant::now();
            let took = now - last;
            let ran = took < LONG || stops.none();
            if index >= FIRST {
                writes.add(took);
                if ran {
                    writes.add_uninterrupted(took);
                }
            }
            grown.store(index + 1, Ordering::Release);
            if took >= LONG || index % ASK_EVERY == 0 {
                stops.none();
                now = Instant::now();
            }
            last = now;
        }
        writes
    }

    fn read_until(&self, handle: &mut M::Handle<'_>, keys: u32, grown: &AtomicU32) -> Latencies {
        let mut reads = Latencies::with_room(4 * keys as usize);
        let mut random = Random::new(1);
        loop {
            let there = grown.load(Ordering::Acquire);
            if there == keys {
                return reads;
            }
            if there < FIRST {
                std::hint::spin_loop();
                continue;
            }
            let key = self.data.key(random.below(there));
            let begin = Instant::now();
            std::hint::black_box(handle.get(std::borrow::Borrow::borrow(&key), Value::weight));
            reads.add(begin.elapsed());
        }
    }

    pub(super) fn measure_new_keys(&self, cores: &[usize], each: u32) -> f64 {
        let threads = u32::try_from(cores.len()).unwrap_or(1);
        let rates = together(cores, |thread| {
            let mut handle = self.map.handle();
            let begin = Instant::now();
            for number in 0..each {
                let index = number * threads + u32::try_from(thread).unwrap_or(0);
                handle.insert(
                    std::borrow::Borrow::borrow(&self.data.key(index)).clone(),
                    self.data.value(index),
                );
            }
            f64::from(each) / begin.elapsed().as_secs_f64() / 1e6
        });
        rates.iter().sum()
    }
}
