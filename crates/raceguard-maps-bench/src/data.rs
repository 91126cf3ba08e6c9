//! What the maps hold: numbers, or texts behind an `Arc`.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// A type that can be a key of every map here.
pub(crate) trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<T: Hash + Eq + Clone + Send + Sync + 'static> Key for T {}

/// A type that can be a value of every map that stores any value.
pub(crate) trait Value: Clone + Send + Sync + 'static {
    /// A number made from the value, so that no compiler can leave out the read.
    fn weight(&self) -> u64;

    /// The value after one increment.
    fn next(&self) -> Self;
}

impl Value for u64 {
    fn weight(&self) -> u64 {
        *self
    }

    fn next(&self) -> Self {
        self.wrapping_add(1) & (u64::MAX >> 1)
    }
}

impl Value for Arc<str> {
    fn weight(&self) -> u64 {
        self.len() as u64
    }

    fn next(&self) -> Self {
        Self::clone(self)
    }
}

/// How much there is of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Keys that a map is filled with.
    pub(crate) keys: u32,
    /// Further keys that are inserted and removed.
    pub(crate) spare: u32,
    /// Bytes of a key and of a value, for texts.
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
}

impl Shape {
    /// Paths as keys and short texts as values.
    pub(crate) fn of(keys: u32) -> Self {
        Self { keys, spare: 0, key_bytes: 20, value_bytes: 32 }
    }
}

/// The entries of one cell.
pub(crate) trait Data: Send + Sync + Sized + 'static {
    type Key: Key;
    type Value: Value;

    fn new(shape: Shape) -> Self;

    fn keys(&self) -> u32;

    fn key(&self, index: u32) -> impl Borrow<Self::Key>;

    fn value(&self, index: u32) -> Self::Value;
}

/// `u64` → `u64`: what maps that copy their entries can hold as well.
pub(crate) struct Numbers(u32);

impl Data for Numbers {
    type Key = u64;
    type Value = u64;

    fn new(shape: Shape) -> Self {
        Self(shape.keys)
    }

    fn keys(&self) -> u32 {
        self.0
    }

    #[inline]
    fn key(&self, index: u32) -> impl Borrow<u64> {
        u64::from(index)
    }

    #[inline]
    fn value(&self, index: u32) -> u64 {
        u64::from(index)
    }
}

/// `String` → `Arc<str>`: what only maps for any value can hold.
pub(crate) struct Texts {
    filled: u32,
    keys: Vec<String>,
    values: Vec<Arc<str>>,
}

impl Data for Texts {
    type Key = String;
    type Value = Arc<str>;

    fn new(shape: Shape) -> Self {
        let all = 0..shape.keys + shape.spare;
        // The number stands at the end, so that equal beginnings have to be compared, as with paths.
        let text = |index: u32, bytes: usize| format!("{index:x>bytes$}");
        Self {
            filled: shape.keys,
            keys: all.clone().map(|index| text(index, shape.key_bytes)).collect(),
            values: all.map(|index| Arc::from(text(index, shape.value_bytes))).collect(),
        }
    }

    fn keys(&self) -> u32 {
        self.filled
    }

    #[inline]
    fn key(&self, index: u32) -> impl Borrow<String> {
        &self.keys[index as usize]
    }

    #[inline]
    fn value(&self, index: u32) -> Arc<str> {
        Arc::clone(&self.values[index as usize])
    }
}
