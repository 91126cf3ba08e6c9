//! Hashers that make collisions certain.

use std::hash::{BuildHasher, Hasher};

/// Gives every key the hash `0`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AllZero;

/// Gives every key the hash with all bits set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AllOnes;

/// Knows four hashes, which differ in their highest and lowest bit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FourHashes;

/// A hasher that maps what it has read through a function.
#[derive(Debug)]
pub(crate) struct Folded {
    sum: u64,
    fold: fn(u64) -> u64,
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        (self.fold)(self.sum)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }
}

impl BuildHasher for AllZero {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { sum: 0, fold: |_| 0 }
    }
}

impl BuildHasher for AllOnes {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { sum: 0, fold: |_| u64::MAX }
    }
}

impl BuildHasher for FourHashes {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { sum: 0, fold: |sum| (sum & 1) << 63 | (sum >> 1) & 1 }
    }
}
