//! [`Latencies`]: how long each of many operations took, kept in full.

use std::time::Duration;

use serde::Serialize;

/// Times of operations in nanoseconds, all of them kept, so that quantiles and the longest are exact.
pub(crate) struct Latencies {
    times: Vec<u32>,
    longest: u32,
    uninterrupted: Option<u32>,
}

impl Latencies {
    /// Room for `most`, touched beforehand, so that the list does not grow while something is timed.
    pub(crate) fn with_room(most: usize) -> Self {
        let mut times = vec![1; most];
        times.clear();
        Self { times, longest: 0, uninterrupted: None }
    }

    /// Counts one. When the room is used up, only the longest still counts.
    #[inline]
    pub(crate) fn add(&mut self, took: Duration) {
        let nanoseconds = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        self.longest = self.longest.max(nanoseconds);
        if self.times.len() < self.times.capacity() {
            self.times.push(nanoseconds);
        }
    }

    /// Says of one that was counted that its thread ran throughout.
    #[inline]
    pub(crate) fn add_uninterrupted(&mut self, took: Duration) {
        let nanoseconds = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        self.uninterrupted = self.uninterrupted.max(Some(nanoseconds));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.times.append(&mut other.times);
        self.longest = self.longest.max(other.longest);
        self.uninterrupted = self.uninterrupted.max(other.uninterrupted);
    }

    /// `None` if nothing was counted.
    pub(crate) fn quantiles(mut self) -> Option<Quantiles> {
        self.times.sort_unstable();
        let last = self.times.len().checked_sub(1)?;
        let at = |per_thousand: usize| f64::from(self.times[last * per_thousand / 1000]) / 1e3;
        Some(Quantiles {
            p50: at(500),
            p99: at(990),
            p999: at(999),
            max: f64::from(self.longest) / 1e3,
            uninterrupted: self.uninterrupted.map(|longest| f64::from(longest) / 1e3),
        })
    }
}

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// The longest during which the system had no other thread run in this one's place; none where it was not asked.
    pub(crate) uninterrupted: Option<f64>,
}

impl Quantiles {
    /// The median of each quantile over several runs.
    pub(crate) fn median(runs: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> f64| crate::report::median(&runs.iter().map(pick).collect::<Vec<_>>());
        let uninterrupted: Vec<f64> = runs.iter().filter_map(|run| run.uninterrupted).collect();
        (!runs.is_empty()).then(|| Self {
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            p999: of(|run| run.p999),
            max: of(|run| run.max),
            uninterrupted: (!uninterrupted.is_empty()).then(|| crate::report::median(&uninterrupted)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact() {
        let mut times = Latencies::with_room(1001);
        for nanoseconds in (0..=1000).rev() {
            times.add(Duration::from_nanos(nanoseconds));
        }
        times.add_uninterrupted(Duration::from_nanos(400));
        times.add_uninterrupted(Duration::from_nanos(300));
        assert_eq!(
            times.quantiles(),
            Some(Quantiles { p50: 0.5, p99: 0.99, p999: 0.999, max: 1.0, uninterrupted: Some(0.4) })
        );
    }

    #[test]
    fn the_longest_is_known_even_without_room() {
        let mut times = Latencies::with_room(1);
        times.add(Duration::from_nanos(5));
        times.add(Duration::from_micros(9));
        let longest = times.quantiles().unwrap().max;
        assert!((longest - 9.0).abs() < 1e-9, "{longest}");
        assert_eq!(Latencies::with_room(1).quantiles(), None);
    }
}
