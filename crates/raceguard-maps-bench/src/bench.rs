//! [`Bench`]: a filled map with its type erased, so that maps can run in turn; each method is one measurement.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::data::{Data, Value};
use crate::machine;
use crate::sequence::{self, WRITE};
use crate::subject::{Handle, Subject};

/// What the threads of one run do.
pub(crate) struct Plan {
    /// One sequence for each thread.
    pub(crate) sequences: Vec<Arc<[u32]>>,
    /// The core of each thread.
    pub(crate) cores: Vec<usize>,
    /// What a write does.
    pub(crate) write: Write,
    pub(crate) time: Duration,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Write {
    /// Sets the value
    Overwrite,
    /// Adds one to the value as one atomic step
    Increment,
}

impl Write {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Increment => "increment",
        }
    }
}

/// A map that was filled with all keys of its data.
pub(crate) trait Bench {
    /// Millions of operations a second that all threads did together.
    fn mixed(&self, plan: &Plan) -> f64;
}

/// A map and what it holds.
pub(crate) struct Filled<D, M> {
    data: Arc<D>,
    map: M,
}

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(crate) fn new(data: &Arc<D>) -> Self {
        let map = M::empty();
        let entry = |index| (std::borrow::Borrow::borrow(&data.key(index)).clone(), data.value(index));
        map.fill(sequence::shuffled(data.keys()).into_iter().map(entry));
        let len = map.handle().len();
        assert_eq!(len, data.keys() as usize, "a map lost entries while it was filled");
        Self { data: Arc::clone(data), map }
    }
}

/// Part of a run that is not counted, so that caches fill and growth ends.
const WARM_UP: u32 = 8;

/// A thread looks at the clock about this often.
const CLOCK: Duration = Duration::from_micros(50);

impl<D: Data, M: Subject<D::Key, D::Value>> Bench for Filled<D, M> {
    fn mixed(&self, plan: &Plan) -> f64 {
        let start = Barrier::new(plan.sequences.len());
        std::thread::scope(|scope| {
            let threads: Vec<_> = plan
                .sequences
                .iter()
                .zip(&plan.cores)
                .map(|(sequence, &core)| {
                    let start = &start;
                    scope.spawn(move || {
                        machine::stay_on(core);
                        let mut handle = self.map.handle();
                        start.wait();
                        match plan.write {
                            Write::Overwrite => work(plan.time, sequence, |operation| {
                                self.step(&mut handle, operation, |handle, key, index| {
                                    handle.insert(key.clone(), self.data.value(index));
                                })
                            }),
                            Write::Increment => work(plan.time, sequence, |operation| {
                                self.step(&mut handle, operation, |handle, key, _| {
                                    handle.update(key, Value::next);
                                })
                            }),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).sum()
        })
    }
}

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    #[inline]
    fn step<'a>(
        &self,
        handle: &mut M::Handle<'a>,
        operation: u32,
        write: impl Fn(&mut M::Handle<'a>, &D::Key, u32),
    ) -> u64 {
        let index = operation & !WRITE;
        let key = self.data.key(index);
        let key = std::borrow::Borrow::borrow(&key);
        if operation & WRITE == 0 {
            handle.get(key, Value::weight).unwrap_or(0)
        } else {
            write(handle, key, index);
            0
        }
    }
}

/// Does the operations of a sequence until the time is over; returns millions of operations a second.
#[allow(clippy::cast_precision_loss)]
fn work(time: Duration, sequence: &[u32], mut step: impl FnMut(u32) -> u64) -> f64 {
    let (mut position, mut batch, mut checksum) = (0, 1, 0_u64);
    let warm_up = time / WARM_UP;
    let (begin, mut counted_from, mut counted) = (Instant::now(), None, 0_usize);
    let mut last = begin;
    loop {
        let end = (position + batch).min(sequence.len());
        for &operation in &sequence[position..end] {
            checksum = checksum.wrapping_add(step(operation));
        }
        let now = Instant::now();
        match counted_from {
            None if now - begin >= warm_up => counted_from = Some(now),
            None => {}
            Some(from) => {
                counted += end - position;
                if now - from >= time {
                    std::hint::black_box(checksum);
                    return counted as f64 / (now - from).as_secs_f64() / 1e6;
                }
            }
        }
        if now - last < CLOCK {
            batch *= 2;
        }
        last = now;
        position = if end == sequence.len() { 0 } else { end };
    }
}
