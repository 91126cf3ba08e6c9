//! Sets of numbers as intervals: what was received of a stream.

use std::collections::BTreeMap;

/// A set of numbers. Numbers that follow each other take no more room than one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    /// First number of each interval, and its last one. No two touch.
    by_first: BTreeMap<u64, u64>,
}

impl Intervals {
    /// The set of what lies in the intervals, first and last included.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self::default();
        for (first, last) in pairs {
            set.insert_range(first, last);
        }
        set
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.by_first.range(..=number).next_back().is_some_and(|(_, last)| *last >= number)
    }

    /// Adds a number; false if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        self.insert_range(number, number);
        true
    }

    fn insert_range(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last);
        // Whatever begins at or before the end of the new interval and ends no earlier than just before it is one with it.
        while let Some((&other, &end)) = self.by_first.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.by_first.remove(&other);
            first = first.min(other);
            last = last.max(end);
        }
        self.by_first.insert(first, last);
    }

    /// The intervals, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.by_first.iter().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_become_one_interval() {
        let mut set = Intervals::default();
        for number in [5, 7, 6, 0, 1, 9, 2] {
            assert!(set.insert(number));
        }
        assert!(!set.insert(6));
        assert_eq!(set.pairs().collect::<Vec<_>>(), [(0, 2), (5, 7), (9, 9)]);
        assert_eq!(Intervals::from_pairs([(9, 9), (0, 2), (3, 8)]).pairs().collect::<Vec<_>>(), [(0, 9)]);
    }

    #[test]
    fn it_is_the_set_that_a_hash_set_is() {
        let (mut set, mut plain, mut state) = (Intervals::default(), HashSet::new(), 1_u64);
        for _ in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 33) % 3000;
            assert_eq!(set.insert(number), plain.insert(number), "{number}");
        }
        for number in 0..3001 {
            assert_eq!(set.contains(number), plain.contains(&number), "{number}");
        }
        let pairs: Vec<_> = set.pairs().collect();
        assert!(pairs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "no two intervals touch");
        assert!(set.insert(u64::MAX) && set.contains(u64::MAX));
    }
}
