//! [`Sketch`]: which keys are used most, in bounded memory, and how skewed the choice is.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, 2005) over the hashes of sampled keys: a fixed number of counters; a key
//! without one takes over the smallest, and inherits its count as a possible error. `count - error` is then a lower
//! bound of how often the key was sampled.
//!
//! The Zipf exponent is the slope of a straight line through the most frequent keys, log of frequency over log of
//! rank, each key weighted by its count, which is how precisely its logarithm is known.

use hashbrown::HashTable;

use crate::raw::sync::Mutex;

const COUNTERS: usize = 512;
/// Keys that take part in the fit.
const RANKS: usize = 32;
/// A key with a smaller certain count tells nothing.
const LEAST_CERTAIN: u64 = 8;
/// With fewer samples there is no estimate.
const LEAST_SAMPLES: u64 = 1_000;

/// The most frequent keys, by hash.
#[derive(Debug, Default)]
pub(super) struct Sketch(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    list: Vec<Counter>,
    /// From a hash to its index in `list`.
    index: HashTable<usize>,
    samples: u64,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    hash: u64,
    count: u64,
    error: u64,
}

impl Sketch {
    /// Counts a key. Does nothing while another thread is at it: a sample that is missed is not missed.
    pub(super) fn sample(&self, hash: u64) {
        if let Some(mut counters) = self.0.try_lock() {
            counters.add(hash);
        }
    }

    /// The Zipf exponent of the choice of keys, from 0 (uniform); `None` with too few samples.
    pub(super) fn skew(&self) -> Option<f64> {
        let counters = self.0.lock();
        if counters.samples < LEAST_SAMPLES {
            return None;
        }
        let mut certain: Vec<u64> =
            counters.list.iter().map(|counter| counter.count - counter.error).collect();
        drop(counters);
        certain.sort_unstable_by(|a, b| b.cmp(a));
        certain.truncate(RANKS);
        certain.retain(|count| *count >= LEAST_CERTAIN);
        Some(slope(&certain))
    }
}

impl Counters {
    fn add(&mut self, hash: u64) {
        self.samples += 1;
        if let Some(&index) = self.index.find(hash, |&index| self.list[index].hash == hash) {
            self.list[index].count += 1;
            return;
        }
        if self.list.len() < COUNTERS {
            self.list.push(Counter { hash, count: 1, error: 0 });
            self.index_last(self.list.len() - 1);
            return;
        }
        let Some((smallest, counter)) =
            self.list.iter_mut().enumerate().min_by_key(|(_, counter)| counter.count)
        else {
            return;
        };
        let replaced = counter.hash;
        *counter = Counter { hash, count: counter.count + 1, error: counter.count };
        if let Ok(entry) = self.index.find_entry(replaced, |&index| index == smallest) {
            entry.remove();
        }
        self.index_last(smallest);
    }

    fn index_last(&mut self, index: usize) {
        let list = &self.list;
        self.index.insert_unique(list[index].hash, index, |&index| list[index].hash);
    }
}

/// The negative slope of log count over log rank; 0 if there are too few points or the counts rise.
#[allow(clippy::cast_precision_loss)] // Counts of samples are far below 2^52.
fn slope(certain: &[u64]) -> f64 {
    // Fewer keys than this stand out by chance.
    if certain.len() < 3 {
        return 0.0;
    }
    let points = || {
        certain
            .iter()
            .enumerate()
            .map(|(rank, &count)| (((rank + 1) as f64).ln(), (count as f64).ln(), count as f64))
    };
    let weight: f64 = points().map(|(_, _, weight)| weight).sum();
    let mean = |of: fn(f64, f64) -> f64| points().map(|(x, y, w)| of(x, y) * w).sum::<f64>() / weight;
    let (x, y) = (mean(|x, _| x), mean(|_, y| y));
    let spread = mean(|x, _| x * x) - x * x;
    let together = mean(|x, y| x * y) - x * y;
    if spread > 0.0 { (-together / spread).clamp(0.0, 10.0) } else { 0.0 }
}

#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests {
    use super::*;

    /// Draws from a Zipf distribution by walking its cumulative weights.
    fn zipf_samples(keys: usize, exponent: f64, samples: usize) -> Sketch {
        let mut cumulative = Vec::with_capacity(keys);
        let mut total = 0.0;
        for rank in 1..=keys {
            #[allow(clippy::cast_precision_loss)]
            let rank = rank as f64;
            total += rank.powf(-exponent);
            cumulative.push(total);
        }
        let sketch = Sketch::default();
        let mut seed = 5_u64;
        for _ in 0..samples {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[allow(clippy::cast_precision_loss)]
            let point = (seed >> 11) as f64 / (1_u64 << 53) as f64 * total;
            let key = cumulative.partition_point(|sum| *sum < point) as u64;
            sketch.sample((key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        sketch
    }

    #[test]
    fn the_exponent_is_found() {
        for (keys, exponent) in
            [(1_000, 0.99), (100_000, 0.99), (1_000_000, 1.2), (1_000, 0.7), (100, 0.0), (1_000_000, 0.0)]
        {
            let found = zipf_samples(keys, exponent, 40_000).skew().unwrap();
            assert!((found - exponent).abs() < 0.15, "{keys} keys, {exponent}: {found}");
        }
    }

    #[test]
    fn too_few_samples_give_no_estimate() {
        assert_eq!(zipf_samples(100, 0.99, 999).skew(), None);
    }

    #[test]
    fn memory_is_bounded() {
        let sketch = zipf_samples(1_000_000, 0.0, 10_000);
        let counters = sketch.0.lock();
        assert_eq!((counters.list.len(), counters.index.len()), (COUNTERS, COUNTERS));
    }
}
