//! Which keys a thread touches in which order, computed before anything is timed and the same for every map.

use std::sync::Arc;

/// Set in an operation that writes; the other bits are the key's index.
pub(crate) const WRITE: u32 = 1 << 31;

/// Operations of one thread; when they are used up, they begin again.
pub(crate) const LENGTH: usize = 1 << 20;

/// How keys are chosen.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Mix {
    pub(crate) keys: u32,
    /// Exponent of Zipf's law; 0 is uniform.
    pub(crate) skew: f64,
    /// Percent of the operations that write.
    pub(crate) writes: f64,
}

/// The sequences of `threads` threads.
pub(crate) fn sequences(mix: Mix, threads: usize) -> Vec<Arc<[u32]>> {
    let zipf = (mix.skew > 0.0).then(|| Zipf::new(mix.keys, mix.skew));
    let places = shuffled(mix.keys);
    (0..threads)
        .map(|thread| {
            let mut random = Random::new(0x005e_ed00 + thread as u64);
            (0..LENGTH)
                .map(|_| {
                    let index = match &zipf {
                        Some(zipf) => places[zipf.rank(random.unit()) as usize],
                        None => random.below(mix.keys),
                    };
                    if random.unit() * 100.0 < mix.writes { index | WRITE } else { index }
                })
                .collect()
        })
        .collect()
}

/// All indices in an order that has nothing to do with their size, so that frequent keys are not neighbours in memory.
pub(crate) fn shuffled(keys: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys).collect();
    let mut random = Random::new(0x00da_7a00);
    for end in (1..keys).rev() {
        order.swap(end as usize, random.below(end + 1) as usize);
    }
    order
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[inline]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        ((self.next() >> 32) * u64::from(bound) >> 32) as u32
    }

    /// A number in 0..1.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Zipf's law as in Gray et al., "Quickly generating billion-record synthetic databases" (1994).
struct Zipf {
    keys: f64,
    sum: f64,
    second: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    fn new(keys: u32, skew: f64) -> Self {
        let sum_of = |count: u32| (1..=count).map(|rank| f64::from(rank).powf(-skew)).sum::<f64>();
        let (sum, keys) = (sum_of(keys), f64::from(keys));
        Self {
            keys,
            sum,
            second: 1.0 + 0.5_f64.powf(skew),
            alpha: 1.0 / (1.0 - skew),
            eta: (1.0 - (2.0 / keys).powf(1.0 - skew)) / (1.0 - sum_of(2) / sum),
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn rank(&self, unit: f64) -> u32 {
        let scaled = unit * self.sum;
        if scaled < 1.0 {
            0
        } else if scaled < self.second {
            1
        } else {
            let rank = self.keys * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
            (rank as u32).min(self.keys as u32 - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mix: Mix, wanted: impl Fn(u32) -> bool) -> usize {
        sequences(mix, 1)[0].iter().filter(|&&operation| wanted(operation)).count()
    }

    #[test]
    fn the_share_of_writes_is_kept() {
        let writes = |percent| {
            count(Mix { keys: 1000, skew: 0.0, writes: percent }, |operation| operation & WRITE != 0)
        };
        assert_eq!(writes(0.0), 0);
        assert_eq!(writes(100.0), LENGTH);
        let tenth = writes(10.0);
        assert!((LENGTH / 11..LENGTH / 9).contains(&tenth), "{tenth}");
    }

    #[test]
    fn zipf_has_few_frequent_keys_and_stays_in_range() {
        let mix = Mix { keys: 1000, skew: 0.99, writes: 0.0 };
        let most = shuffled(1000)[0];
        let share = count(mix, |operation| operation == most);
        // 1 / H(1000, 0.99) is 13 %.
        assert!((LENGTH / 100 * 12..LENGTH / 100 * 14).contains(&share), "{share}");
        assert_eq!(count(mix, |operation| operation >= 1000), 0);
    }

    #[test]
    fn threads_have_different_sequences() {
        let both = sequences(Mix { keys: 1000, skew: 0.0, writes: 0.0 }, 2);
        assert_ne!(both[0], both[1]);
    }
}
