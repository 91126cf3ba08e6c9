//! Evidence whose causes are known, and what is made of it.

pub(crate) mod examples;
pub(crate) mod generated;

use std::collections::HashMap;
use std::fmt;
use std::iter::Sum;

use raceguard_diagnosis::Diagnosis;

/// Pairs of races: those of one cause, those joined, and those that are both.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) of_one_cause: u64,
    pub(crate) joined: u64,
    pub(crate) both: u64,
}

impl Quality {
    /// Of the pairs that were joined, the share that has one cause.
    pub(crate) fn precision(&self) -> f64 {
        share(self.both, self.joined)
    }

    /// Of the pairs that have one cause, the share that was joined.
    pub(crate) fn recall(&self) -> f64 {
        share(self.both, self.of_one_cause)
    }

    /// Compares a diagnosis with the cause of each fingerprint.
    pub(crate) fn of(diagnosis: &Diagnosis, cause: &HashMap<String, usize>) -> Self {
        let mut quality = Self::default();
        let mut placed: Vec<(usize, usize)> = Vec::new();
        for (cluster, found) in diagnosis.clusters.iter().enumerate() {
            placed.extend(found.members.iter().map(|member| (cluster, cause[&member.fingerprint])));
        }
        for (at, first) in placed.iter().enumerate() {
            for second in &placed[at + 1..] {
                let (joined, one) = (first.0 == second.0, first.1 == second.1);
                quality.joined += u64::from(joined);
                quality.of_one_cause += u64::from(one);
                quality.both += u64::from(joined && one);
            }
        }
        quality
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Sum for Quality {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            of_one_cause: sum.of_one_cause + one.of_one_cause,
            joined: sum.joined + one.joined,
            both: sum.both + one.both,
        })
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "precision {:.1} %, recall {:.1} % over {} pairs of one cause, {} joined",
            self.precision() * 100.0,
            self.recall() * 100.0,
            self.of_one_cause,
            self.joined
        )
    }
}

/// Numbers that look random and are the same in every run: xorshift64*.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end as u64).unwrap_or(0)
    }
}
