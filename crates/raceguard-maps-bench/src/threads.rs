//! Threads of a measurement: each on its core, all starting at once, working until the time is over.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::machine;

/// Runs `work` once for each core, all at the same time, and returns what they returned.
pub(crate) fn together<T: Send>(cores: &[usize], work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(cores.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .enumerate()
            .map(|(thread, &core)| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    machine::stay_on(core);
                    start.wait();
                    work(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no measured map panics")).collect()
    })
}

/// How long a run takes, and by which clock its rate is reckoned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) length: Duration,
    pub(crate) clock: Clock,
}

/// What a rate is reckoned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Clock {
    /// Time that passes
    Wall,
    /// Time that the thread ran, which other processes disturb less; threads that sleep at a lock cost nothing then
    Cpu,
}

impl Clock {
    /// A time to subtract others from; `passed` since the run began.
    fn now(self, passed: Duration) -> Duration {
        match self {
            Self::Wall => passed,
            Self::Cpu => {
                let time = clock_gettime(ClockId::ThreadCPUTime);
                Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
            }
        }
    }
}

/// Part of the time that is not counted, so that caches fill and growth ends.
const WARM_UP: u32 = 8;

/// A thread looks at the clock about this often.
const CLOCK: Duration = Duration::from_micros(50);

/// Works through a sequence, again and again, until the time is over; returns millions of operations a second.
#[allow(clippy::cast_precision_loss)]
#[inline]
pub(crate) fn repeat(time: Time, sequence: &[u32], mut step: impl FnMut(u32) -> u64) -> f64 {
    let (mut position, mut batch, mut checksum) = (0, 1, 0_u64);
    let Time { length: time, clock } = time;
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
            None if now - begin >= warm_up => counted_from = Some((now, clock.now(now - begin))),
            None => {}
            Some((from, clock_from)) => {
                counted += end - position;
                if now - from >= time {
                    std::hint::black_box(checksum);
                    let took = clock.now(now - begin).saturating_sub(clock_from);
                    return counted as f64 / took.as_secs_f64() / 1e6;
                }
            }
        }
        if now - last < CLOCK && batch < sequence.len() {
            batch *= 2;
        }
        last = now;
        position = if end == sequence.len() { 0 } else { end };
    }
}

/// Keeps the processor busy.
pub(crate) fn work_for(time: Duration) {
    if time.is_zero() {
        return;
    }
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_runs_once() {
        let cores = machine::cores();
        let results = together(&[cores[0], cores[0], cores[0]], |thread| thread);
        assert_eq!(results, [0, 1, 2]);
    }

    #[test]
    fn a_sequence_is_repeated_in_its_order() {
        let (mut seen, mut expected) = (0_u64, 0);
        let time = Time { length: Duration::from_millis(2), clock: Clock::Cpu };
        let rate = repeat(time, &[0, 1, 2, 3, 4], |operation| {
            assert_eq!(operation, expected);
            expected = (expected + 1) % 5;
            seen += 1;
            0
        });
        assert!(seen >= 2 && rate > 0.0, "{seen} steps, {rate}");
    }
}
