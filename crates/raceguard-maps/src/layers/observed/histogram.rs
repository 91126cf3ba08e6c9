//! [`Histogram`]: durations in buckets of powers of two.

use crate::raw::sync::atomic::{AtomicU64, Ordering};

/// Bounds of 2^6 to 2^30 ns (64 ns to 1.07 s), and one bucket for what is longer.
pub(super) const BOUNDED: usize = 25;
const FIRST_EXPONENT: u32 = 6;

/// Counts durations. Written by a few threads at a time, read by anybody.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDED + 1],
    sum_nanos: AtomicU64,
}

/// What a histogram holds: durations by size.
///
/// ```
/// use raceguard_maps::layers::observed::{Durations, Group};
/// use raceguard_maps::{ConcurrentMap, MutexMap, Observed};
///
/// let map = Observed::new(MutexMap::new()).with_sampling(1)?; // every call, not one of many
/// map.insert("a", 1)?;
/// let took: &Durations = &map.observation().durations[Group::Write as usize];
/// assert_eq!(took.count(), 1);
/// assert!(took.quantile_nanos(0.99).is_some_and(|nanos| nanos >= 64));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many durations fell into each bucket; see [`bound_nanos`](Self::bound_nanos). The last bucket has no bound.
    pub buckets: [u64; BOUNDED + 1],
    /// Their sum, in nanoseconds.
    pub sum_nanos: u64,
}

impl Histogram {
    pub(super) fn record(&self, nanos: u64) {
        // ORDERING: Relaxed here and below: counts that order nothing.
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, total: &mut Durations) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        total.sum_nanos += self.sum_nanos.load(Ordering::Relaxed);
    }
}

impl Durations {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The longest duration that belongs to a bucket, in nanoseconds; `None` for the last.
    pub fn bound_nanos(bucket: usize) -> Option<u64> {
        (bucket < BOUNDED).then(|| 1 << (FIRST_EXPONENT as usize + bucket))
    }

    /// A bound in nanoseconds that the given share of the durations (0 to 1) does not exceed: at most twice the exact
    /// quantile. `None` without durations, or beyond the last bound.
    pub fn quantile_nanos(&self, share: f64) -> Option<u64> {
        let count = self.count();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wanted = ((count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= wanted
        })?;
        Self::bound_nanos(bucket)
    }
}

fn bucket(nanos: u64) -> usize {
    let ceiling_of_log = u64::BITS - nanos.saturating_sub(1).leading_zeros();
    (ceiling_of_log.saturating_sub(FIRST_EXPONENT) as usize).min(BOUNDED)
}

#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for nanos in [0, 1, 63, 64, 65, 128, 129, 1_000, 1 << 30, (1 << 30) + 1, u64::MAX] {
            let bucket = bucket(nanos);
            assert!(Durations::bound_nanos(bucket).is_none_or(|bound| nanos <= bound), "{nanos}");
            if bucket > 0 {
                assert!(Durations::bound_nanos(bucket - 1).unwrap() < nanos, "{nanos}");
            }
        }
    }

    #[test]
    fn quantiles_are_bounds() {
        let histogram = Histogram::default();
        (1..=100).for_each(|micros| histogram.record(micros * 1_000));
        let mut durations = Durations::default();
        histogram.add_to(&mut durations);
        assert_eq!((durations.count(), durations.sum_nanos), (100, 5_050_000));
        assert_eq!(durations.quantile_nanos(0.5), Some(65_536));
        assert_eq!(durations.quantile_nanos(1.0), Some(131_072));
        assert_eq!(Durations::default().quantile_nanos(0.5), None);
    }
}
