//! Passes over all values, alone and beside a writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::{Filled, Plan};
use crate::data::{Data, Value};
use crate::latencies::{Latencies, Quantiles};
use crate::report::median;
use crate::sequence::Operation;
use crate::subject::{Handle, Subject};
use crate::threads::together;

/// Writes whose time is kept.
const ROOM: usize = 1 << 23;

/// What iteration and writing do to each other.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct BesideWriter {
    /// Milliseconds of one pass.
    pub(crate) pass: f64,
    /// Millions of overwrites a second meanwhile.
    pub(crate) written: f64,
    pub(crate) writes: Option<Quantiles>,
}

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(super) fn measure_iteration(&self, core: usize) -> f64 {
        together(&[core], |_| self.pass(&mut self.map.handle()))[0]
    }

    fn pass(&self, handle: &mut M::Handle<'_>) -> f64 {
        let begin = Instant::now();
        let (mut sum, mut seen) = (0_u64, 0);
        handle.for_each(|value| {
            sum = sum.wrapping_add(value.weight());
            seen += 1;
        });
        let took = begin.elapsed().as_secs_f64() * 1e3;
        std::hint::black_box(sum);
        assert_eq!(seen, self.data.keys(), "an iteration left entries out or saw them twice");
        took
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn measure_iteration_beside_writer(&self, plan: &Plan) -> BesideWriter {
        let (started, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let results = together(&plan.cores[..2], |thread| {
            let mut handle = self.map.handle();
            let mut writes = Latencies::with_room(if thread == 0 { 0 } else { ROOM });
            if thread == 0 {
                while !started.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                let begin = Instant::now();
                let mut passes = vec![self.pass(&mut handle)];
                while begin.elapsed() < plan.time.length {
                    passes.push(self.pass(&mut handle));
                }
                ended.store(true, Ordering::Relaxed);
                return (median(&passes), writes);
            }
            let (begin, mut done) = (Instant::now(), 0_u64);
            let mut last = begin;
            started.store(true, Ordering::Relaxed);
            for &code in plan.sequences[thread].iter().cycle() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                self.step::<false>(&mut handle, Operation::of(code), plan.hold);
                let now = Instant::now();
                writes.add(now - last);
                last = now;
                done += 1;
            }
            let rate = done as f64 / begin.elapsed().as_secs_f64() / 1e6;
            (rate, writes)
        });
        let [(pass, _), (written, writes)] = results.try_into().unwrap_or_else(|_| unreachable!());
        BesideWriter { pass, written, writes: writes.quantiles() }
    }
}
