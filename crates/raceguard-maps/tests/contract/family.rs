//! Families of key and value types: small and large, padded, aligned, zero-sized, on the heap.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// Key and value types, and how to make the n-th of each.
pub(crate) trait Family {
    /// The keys.
    type Key: Hash + Eq + Clone + Debug + Ord + Send + Sync + 'static;
    /// The values.
    type Value: Clone + Eq + Debug + Send + Sync + 'static;

    /// How many different keys there are.
    const KEYS: u64;

    /// The n-th key; `n < KEYS`.
    fn key(n: u64) -> Self::Key;

    /// The n-th value.
    fn value(n: u64) -> Self::Value;
}

/// Words.
pub(crate) struct Words;

impl Family for Words {
    type Key = u64;
    type Value = u64;

    const KEYS: u64 = 3_000;

    fn key(n: u64) -> u64 {
        // The extremes are the first to be taken for a mark of an empty slot.
        match n {
            1 => u64::MAX,
            2 => 1 << 63,
            n => n,
        }
    }

    fn value(n: u64) -> u64 {
        n.wrapping_sub(1)
    }
}

/// Strings: both on the heap.
pub(crate) struct Texts;

impl Family for Texts {
    type Key = String;
    type Value = String;

    const KEYS: u64 = 1_000;

    fn key(n: u64) -> String {
        if n == 0 { String::new() } else { format!("key {n}") }
    }

    fn value(n: u64) -> String {
        format!("value {n}")
    }
}

/// Zero-sized: one key, one value.
pub(crate) struct Units;

impl Family for Units {
    type Key = ();
    type Value = ();

    const KEYS: u64 = 1;

    fn key(_: u64) {}

    fn value(_: u64) {}
}

/// A set: values of no size.
pub(crate) struct Members;

impl Family for Members {
    type Key = u32;
    type Value = ();

    const KEYS: u64 = 500;

    fn key(n: u64) -> u32 {
        u32::try_from(n).expect("less than KEYS")
    }

    fn value(_: u64) {}
}

/// Values of one KiB.
pub(crate) struct Large;

impl Family for Large {
    type Key = u64;
    type Value = [u64; 128];

    const KEYS: u64 = 300;

    fn key(n: u64) -> u64 {
        n
    }

    fn value(n: u64) -> [u64; 128] {
        std::array::from_fn(|index| n ^ index as u64)
    }
}

/// A value that has to lie on a multiple of 128 bytes; comparing it checks that it does.
#[derive(Debug, Clone, Copy, PartialOrd, Ord, Eq)]
#[repr(align(128))]
pub(crate) struct OnItsLine(u64);

impl PartialEq for OnItsLine {
    fn eq(&self, other: &Self) -> bool {
        for place in [std::ptr::from_ref(self), std::ptr::from_ref(other)] {
            assert_eq!(place.addr() % 128, 0, "a value lies where its alignment forbids");
        }
        self.0 == other.0
    }
}

impl Hash for OnItsLine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Keys and values with a large alignment.
pub(crate) struct Aligned;

impl Family for Aligned {
    type Key = OnItsLine;
    type Value = OnItsLine;

    const KEYS: u64 = 300;

    fn key(n: u64) -> OnItsLine {
        OnItsLine(n)
    }

    fn value(n: u64) -> OnItsLine {
        OnItsLine(!n)
    }
}

/// Fields with padding between them, which a copy by words must not mistake for data.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WithHoles {
    small: u8,
    large: u64,
    middle: u16,
    maybe: Option<bool>,
}

impl WithHoles {
    fn new(n: u64) -> Self {
        Self {
            small: n.to_le_bytes()[0],
            large: n,
            middle: 7,
            maybe: [None, Some(false), Some(true)].into_iter().cycle().nth((n % 3) as usize).flatten(),
        }
    }
}

/// Keys and values with padding.
pub(crate) struct Padded;

impl Family for Padded {
    type Key = WithHoles;
    type Value = WithHoles;

    const KEYS: u64 = 500;

    fn key(n: u64) -> WithHoles {
        WithHoles::new(n)
    }

    fn value(n: u64) -> WithHoles {
        WithHoles::new(!n)
    }
}

/// Small keys and values: several share a word.
pub(crate) struct Bytes;

impl Family for Bytes {
    type Key = u8;
    type Value = (u8, u16);

    const KEYS: u64 = 256;

    fn key(n: u64) -> u8 {
        n.to_le_bytes()[0]
    }

    fn value(n: u64) -> (u8, u16) {
        (n.to_le_bytes()[0], n.to_le_bytes()[1].into())
    }
}
