//! Which keys a thread touches in which order, computed before anything is timed and the same for every map.

use std::sync::Arc;

/// Operations of one thread; when they are used up, they begin again.
pub(crate) const LENGTH: usize = 1 << 20;

/// One operation. In a sequence it is one number: what to do in the upper three bits, the key's index in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read(u32),
    /// Sets the value of a key that is there.
    Overwrite(u32),
    /// Adds one to the value of a key that is there, as one atomic step.
    Increment(u32),
    /// Sets the value of a key that may not be there.
    Insert(u32),
    Remove(u32),
    /// Passes over all entries.
    Iterate,
}

const INDEX_BITS: u32 = 29;
const INDEX: u32 = (1 << INDEX_BITS) - 1;

/// The most keys that a sequence can name.
pub(crate) const MOST_KEYS: u32 = INDEX / 2;

impl Operation {
    #[inline]
    pub(crate) fn of(code: u32) -> Self {
        let index = code & INDEX;
        match code >> INDEX_BITS {
            0 => Self::Read(index),
            1 => Self::Overwrite(index),
            2 => Self::Increment(index),
            3 => Self::Insert(index),
            4 => Self::Remove(index),
            _ => Self::Iterate,
        }
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        match self {
            Self::Read(index)
            | Self::Overwrite(index)
            | Self::Increment(index)
            | Self::Insert(index)
            | Self::Remove(index) => index,
            Self::Iterate => 0,
        }
    }

    fn code(self) -> u32 {
        let kind = match self {
            Self::Read(_) => 0,
            Self::Overwrite(_) => 1,
            Self::Increment(_) => 2,
            Self::Insert(_) => 3,
            Self::Remove(_) => 4,
            Self::Iterate => 5,
        };
        kind << INDEX_BITS | self.index()
    }
}

/// How keys are chosen and what is done with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// At most [`MOST_KEYS`].
    pub(crate) keys: u32,
    /// Exponent of Zipf's law; 0 is uniform.
    pub(crate) skew: f64,
    pub(crate) shares: Shares,
}

/// Parts of the operations; reads are what is left. New keys and keys to remove come from a second range, as large as
/// the first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Shares {
    pub(crate) overwrites: f64,
    pub(crate) increments: f64,
    pub(crate) inserts: f64,
    pub(crate) removes: f64,
    pub(crate) iterations: f64,
}

impl Shares {
    /// What to do with a key, by a number in 0..1.
    fn choose(&self, unit: f64, index: u32, other: u32) -> Operation {
        let mut left = unit;
        let mut falls_in = |share: f64| {
            let here = left < share;
            left -= share;
            here
        };
        if falls_in(self.overwrites) {
            Operation::Overwrite(index)
        } else if falls_in(self.increments) {
            Operation::Increment(index)
        } else if falls_in(self.inserts) {
            Operation::Insert(other)
        } else if falls_in(self.removes) {
            Operation::Remove(other)
        } else if falls_in(self.iterations) {
            Operation::Iterate
        } else {
            Operation::Read(index)
        }
    }
}

/// The sequences of `threads` threads.
pub(crate) fn sequences(mix: Mix, threads: usize) -> Vec<Arc<[u32]>> {
    let zipf = (mix.skew > 0.0).then(|| Zipf::new(mix.keys, mix.skew));
    let places = if zipf.is_some() { shuffled(mix.keys) } else { Vec::new() };
    (0..threads)
        .map(|thread| {
            let mut random = Random::new(0x005e_ed00 + thread as u64);
            (0..LENGTH)
                .map(|_| {
                    let index = match &zipf {
                        Some(zipf) => places[zipf.rank(random.unit()) as usize],
                        None => random.below(mix.keys),
                    };
                    mix.shares.choose(random.unit(), index, mix.keys + index).code()
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

    #[allow(clippy::cast_possible_truncation)]
    #[inline]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
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

    fn mix(skew: f64, shares: Shares) -> Mix {
        Mix { keys: 1000, skew, shares }
    }

    fn count(mix: Mix, wanted: impl Fn(Operation) -> bool) -> usize {
        sequences(mix, 1)[0].iter().filter(|&&code| wanted(Operation::of(code))).count()
    }

    fn about(count: usize, percent: usize) -> bool {
        (LENGTH / 100 * percent * 9 / 10..LENGTH / 100 * percent * 11 / 10 + 1).contains(&count)
    }

    #[test]
    fn every_operation_survives_its_code() {
        let all = [
            Operation::Read(7),
            Operation::Overwrite(0),
            Operation::Increment(INDEX),
            Operation::Insert(1),
            Operation::Remove(2),
            Operation::Iterate,
        ];
        for operation in all {
            assert_eq!(Operation::of(operation.code()), operation);
        }
    }

    #[test]
    fn shares_are_kept() {
        let shares =
            Shares { overwrites: 0.3, increments: 0.2, inserts: 0.1, removes: 0.05, iterations: 0.01 };
        let mix = mix(0.0, shares);
        assert!(about(count(mix, |one| matches!(one, Operation::Overwrite(0..1000))), 30));
        assert!(about(count(mix, |one| matches!(one, Operation::Increment(0..1000))), 20));
        assert!(about(count(mix, |one| matches!(one, Operation::Insert(1000..2000))), 10));
        assert!(about(count(mix, |one| matches!(one, Operation::Remove(1000..2000))), 5));
        assert!(about(count(mix, |one| matches!(one, Operation::Iterate)), 1));
        assert!(about(count(mix, |one| matches!(one, Operation::Read(0..1000))), 34));
    }

    #[test]
    fn all_and_nothing_are_exact() {
        let all = Shares { overwrites: 1.0, ..Shares::default() };
        assert_eq!(count(mix(0.0, all), |one| matches!(one, Operation::Overwrite(_))), LENGTH);
        assert_eq!(count(mix(0.0, Shares::default()), |one| matches!(one, Operation::Read(_))), LENGTH);
    }

    #[test]
    fn zipf_has_few_frequent_keys_and_stays_in_range() {
        let mix = mix(0.99, Shares::default());
        let most = shuffled(1000)[0];
        // 1 / H(1000, 0.99) is 13 %.
        assert!(about(count(mix, |one| one.index() == most), 13));
        assert_eq!(count(mix, |one| one.index() >= 1000), 0);
    }

    #[test]
    fn threads_have_different_sequences() {
        let both = sequences(mix(0.0, Shares::default()), 2);
        assert_ne!(both[0], both[1]);
    }
}
