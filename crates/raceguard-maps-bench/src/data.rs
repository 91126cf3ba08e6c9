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

/// The entries of one cell.
pub(crate) trait Data: Send + Sync + Sized + 'static {
    type Key: Key;
    type Value: Value;

    /// What the tables call it.
    const NAME: &'static str;

    fn new(keys: u32) -> Self;

    fn keys(&self) -> u32;

    fn key(&self, index: u32) -> impl Borrow<Self::Key>;

    fn value(&self, index: u32) -> Self::Value;
}

/// `u64` → `u64`: what maps that copy their entries can hold as well.
pub(crate) struct Numbers(u32);

impl Data for Numbers {
    type Key = u64;
    type Value = u64;

    const NAME: &'static str = "u64 to u64";

    fn new(keys: u32) -> Self {
        Self(keys)
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
    keys: Vec<String>,
    values: Vec<Arc<str>>,
}

impl Data for Texts {
    type Key = String;
    type Value = Arc<str>;

    const NAME: &'static str = "String to Arc<str>";

    fn new(keys: u32) -> Self {
        Self {
            keys: (0..keys).map(|index| format!("/v1/orders/{index:08}")).collect(),
            values: (0..keys).map(|index| Arc::from(format!("order {index} of a customer"))).collect(),
        }
    }

    fn keys(&self) -> u32 {
        self.keys.len().try_into().unwrap_or(u32::MAX)
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
