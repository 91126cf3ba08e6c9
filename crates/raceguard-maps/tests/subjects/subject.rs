//! [`Subject`]: how a test gets a map of one strategy or layer.

use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

use raceguard_maps::{ConcurrentMap, MutexMap};

/// A map together with what it needs to live, such as the folder of its log.
pub(crate) struct Home<M> {
    map: M,
    _keeps: Option<Box<dyn Any + Send + Sync>>,
}

impl<M> Home<M> {
    /// A map that needs nothing else.
    pub(crate) fn of(map: M) -> Self {
        Self { map, _keeps: None }
    }
}

impl<M> Deref for Home<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.map
    }
}

/// A strategy or layer that can hold `K` and `V` and hash with `S`.
pub(crate) trait Subject<K: Hash + Eq + Clone, V: Clone, S> {
    /// The map.
    type Map: ConcurrentMap<K, V> + Send + Sync;

    /// An empty one.
    fn make(hasher: S) -> Home<Self::Map>;

    /// Makes the strategy free what it has put off. Called again and again until everything is freed.
    fn flush() {}
}

/// One mutex.
pub(crate) struct Mutex;

impl<K, V, S> Subject<K, V, S> for Mutex
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Clone + Send + Sync,
    S: BuildHasher + Send + Sync,
{
    type Map = MutexMap<K, V, S>;

    fn make(hasher: S) -> Home<Self::Map> {
        Home::of(MutexMap::with_hasher(hasher))
    }
}
