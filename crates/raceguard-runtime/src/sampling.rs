//! Sampling for production, after PACER (Bond, Coons and McKinley, PLDI 2010).
//!
//! With `RACEGUARD=sample=1%` time is cut into periods, of which about one in a hundred records accesses. Outside of
//! them accesses are only checked against what was recorded, and a recorded access goes when one that happens after it
//! takes its place. So every report is a real race, and a race is found with about the probability that its first
//! access was sampled: in proportion to the rate. Synchronisation is followed all the time.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Whether accesses are recorded now: 1 or 0. Read by assembly.
pub static RECORDING: AtomicU8 = AtomicU8::new(1);
/// The present period ([`Period::word`]); `u64::MAX` without sampling.
static PERIOD: AtomicU64 = AtomicU64::new(u64::MAX);
/// Time-stamps from one recording period to the next, on average.
static CYCLE: AtomicU64 = AtomicU64::new(0);
/// State of the generator that spreads the periods.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Time-stamps of a recording period: some milliseconds on every processor of the last decade.
const RECORDING_PERIOD: u64 = 16 << 20;
/// After so many cycles in which nobody asked, periods are not counted through one by one.
const LONG_AGO: u64 = 64;

/// Starts sampling at `rate`, the share of time to record in. A rate of 1 records always.
pub fn start(rate: f64) {
    if !(rate > 0.0 && rate < 1.0) {
        return;
    }
    SEED.store(now(), Ordering::Relaxed);
    CYCLE.store((RECORDING_PERIOD as f64 / rate) as u64, Ordering::Relaxed);
    let first = Period::at_random(now(), CYCLE.load(Ordering::Relaxed));
    RECORDING.store(u8::from(first.records), Ordering::Relaxed);
    PERIOD.store(first.word(), Ordering::Relaxed);
}

fn now() -> u64 {
    // SAFETY: every x86-64 processor has a time-stamp counter.
    unsafe { _rdtsc() }
}

/// A random number below `bound`, by Steele's and Vigna's SplitMix64.
fn below(bound: u64) -> u64 {
    let seed = SEED.load(Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    SEED.store(seed, Ordering::Relaxed);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64) as u64
}

/// The length of a pause between two recording periods: between a half and one and a half of the average.
fn pause(cycle: u64) -> u64 {
    let average = cycle - RECORDING_PERIOD;
    average / 2 + below(average)
}

/// A stretch of time in which accesses are recorded, or a pause between two of those.
#[derive(Clone, Copy)]
struct Period {
    /// Time-stamp counter at the end, an even number.
    end: u64,
    records: bool,
}

impl Period {
    /// Both fields in one word.
    fn word(self) -> u64 {
        self.end | u64::from(self.records)
    }

    fn of(word: u64) -> Self {
        Self { end: word & !1, records: word & 1 != 0 }
    }

    fn ending(end: u64, records: bool) -> Self {
        Self { end: end & !1, records }
    }

    /// The period in which a moment lies that depends on nothing, and is `now`: the share of recording periods is the
    /// same at all times, in the first millisecond of a process as later.
    fn at_random(now: u64, cycle: u64) -> Self {
        if below(cycle) < RECORDING_PERIOD {
            return Self::ending(now + below(RECORDING_PERIOD), true);
        }
        loop {
            // More likely it lies in a long pause than in a short one.
            let left = below(2 * cycle);
            if left < pause(cycle) {
                return Self::ending(now + left, false);
            }
        }
    }

    fn next(self, cycle: u64) -> Self {
        let length = if self.records { pause(cycle) } else { RECORDING_PERIOD };
        Self::ending(self.end + length, !self.records)
    }

    /// The period that `now` lies in. It has nothing to do with when somebody asks: a recording period that went by while
    /// nothing was done is over.
    fn at(self, now: u64, cycle: u64) -> Self {
        if now.saturating_sub(self.end) > LONG_AGO * cycle {
            return Self::at_random(now, cycle);
        }
        let mut period = self;
        while period.end <= now {
            period = period.next(cycle);
        }
        period
    }
}

/// Whether only a part of all time is recorded.
#[inline]
pub fn is_active() -> bool {
    PERIOD.load(Ordering::Relaxed) != u64::MAX
}

/// Whether to record the access that is being made, after changing periods if it is time to.
#[inline]
pub fn is_recording() -> bool {
    if is_active() {
        change_period();
    }
    RECORDING.load(Ordering::Relaxed) != 0
}

#[cold]
fn change_period() {
    let (old, now) = (PERIOD.load(Ordering::Relaxed), now());
    if now < Period::of(old).end {
        return;
    }
    let new = Period::of(old).at(now, CYCLE.load(Ordering::Relaxed)).word();
    // ORDERING: SeqCst, as whoever changes the period last must have the last word on recording, too.
    if PERIOD.compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        return;
    }
    let mut latest = new;
    loop {
        RECORDING.store(u8::from(Period::of(latest).records), Ordering::SeqCst);
        let present = PERIOD.load(Ordering::SeqCst);
        if present == latest {
            return;
        }
        latest = present;
    }
}

/// The rate that a text like `1%` or `0.01` means.
pub fn parse_rate(text: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(text).ok()?;
    let rate = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (rate > 0.0 && rate <= 1.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLE_OF_A_HUNDREDTH: u64 = RECORDING_PERIOD * 100;

    /// Of `trials` moments, how many are recorded.
    fn recorded(trials: u32, mut records: impl FnMut() -> bool) -> f64 {
        f64::from((0..trials).map(|_| u32::from(records())).sum::<u32>()) / f64::from(trials)
    }

    #[test]
    fn a_short_process_is_as_likely_to_record_as_a_long_one() {
        let cycle = CYCLE_OF_A_HUNDREDTH;
        for age in [0, cycle / 10, cycle / 2, cycle, 10 * cycle] {
            let share = recorded(40_000, || Period::at_random(1000, cycle).at(1000 + age, cycle).records);
            // Five standard deviations.
            assert!((share - 0.01).abs() < 0.0025, "{share} after {age}");
        }
    }

    #[test]
    fn who_asks_seldom_records_no_more_than_others() {
        let cycle = CYCLE_OF_A_HUNDREDTH;
        for interval in [cycle / 3, 3 * cycle, 2 * LONG_AGO * cycle] {
            let (mut period, mut now) = (Period::at_random(0, cycle), 0);
            let share = recorded(40_000, || {
                now += interval + below(cycle);
                period = period.at(now, cycle);
                period.records
            });
            assert!((share - 0.01).abs() < 0.0025, "{share} when asked every {interval}");
        }
    }

    #[test]
    fn rates_are_percentages_or_shares() {
        assert_eq!(parse_rate(b"1%"), Some(0.01));
        assert_eq!(parse_rate(b"0.25"), Some(0.25));
        assert_eq!(parse_rate(b"100%"), Some(1.0));
        for wrong in [&b""[..], b"0", b"-1%", b"101%", b"x", b"\xff%"] {
            assert_eq!(parse_rate(wrong), None);
        }
    }
}
