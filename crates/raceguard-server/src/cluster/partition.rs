//! What is divided among replicas: a fixed number of partitions, each owned by one replica at a time.

/// Partitions. Their number is part of the names in NATS, so it stays.
pub const PARTITIONS: usize = 16;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(usize);

impl Partition {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..PARTITIONS).map(Self)
    }

    /// The one that a name belongs to: a fingerprint, or the name of a stream. The same in every version, since
    /// replicas of two versions run side by side during an upgrade.
    pub fn of(name: &str) -> Self {
        // FNV-1a, 64 bits; folded, since its low bits alone spread badly over short names.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let folded = hash ^ (hash >> 32);
        Self(usize::try_from(folded % PARTITIONS as u64).unwrap_or(0))
    }

    /// Its number, below [`PARTITIONS`].
    pub fn number(self) -> usize {
        self.0
    }

    /// The one of this number, if there is one.
    pub fn numbered(number: usize) -> Option<Self> {
        (number < PARTITIONS).then_some(Self(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spread_over_all_partitions_and_stay_where_they_are() {
        let mut counts = [0; PARTITIONS];
        for number in 0..16_000 {
            counts[Partition::of(&format!("run-{number}@host")).number()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(Partition::of("rgf1:abc"), Partition::of("rgf1:abc"));
        assert_eq!(Partition::numbered(PARTITIONS), None);
    }
}
