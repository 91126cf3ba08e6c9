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
/// Time-stamp counter at which the present period ends; `u64::MAX` without sampling.
static PERIOD_END: AtomicU64 = AtomicU64::new(u64::MAX);
/// Time-stamps from one recording period to the next, on average.
static CYCLE: AtomicU64 = AtomicU64::new(0);
/// State of the generator that spreads the periods.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Time-stamps of a recording period: some milliseconds on every processor of the last decade.
const RECORDING_PERIOD: u64 = 16 << 20;

/// Starts sampling at `rate`, the share of time to record in. A rate of 1 records always.
pub fn start(rate: f64) {
    if !(rate > 0.0 && rate < 1.0) {
        return;
    }
    SEED.store(now(), Ordering::Relaxed);
    CYCLE.store((RECORDING_PERIOD as f64 / rate) as u64, Ordering::Relaxed);
    RECORDING.store(0, Ordering::Relaxed);
    PERIOD_END.store(now() + pause(), Ordering::Relaxed);
}

fn now() -> u64 {
    // SAFETY: every x86-64 processor has a time-stamp counter.
    unsafe { _rdtsc() }
}

/// A pause between two recording periods: between a half and one and a half of the average.
fn pause() -> u64 {
    let average = CYCLE.load(Ordering::Relaxed) - RECORDING_PERIOD;
    let mut seed = SEED.load(Ordering::Relaxed);
    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    SEED.store(seed, Ordering::Relaxed);
    average / 2 + (seed >> 33) % average.max(1)
}

/// Whether to record the access that is being made, after changing periods if it is time to.
#[inline]
pub fn is_recording() -> bool {
    if PERIOD_END.load(Ordering::Relaxed) != u64::MAX {
        change_period();
    }
    RECORDING.load(Ordering::Relaxed) != 0
}

#[cold]
fn change_period() {
    let end = PERIOD_END.load(Ordering::Relaxed);
    let now = now();
    if now < end {
        return;
    }
    let recording = RECORDING.load(Ordering::Relaxed) == 0;
    let next = now + if recording { RECORDING_PERIOD } else { pause() };
    if PERIOD_END.compare_exchange(end, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        RECORDING.store(u8::from(recording), Ordering::Relaxed);
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
