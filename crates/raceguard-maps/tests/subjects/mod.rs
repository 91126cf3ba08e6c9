//! The maps under test: every strategy and every layer, each made the same way whatever its key and value types.
//!
//! A test binary that wants them says `#[path = "../subjects/mod.rs"] mod subjects;`.

use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

use raceguard_maps::{ConcurrentMap, MutexMap, RwLockMap, SerialMap, ShardedMap};

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
    #[allow(dead_code, reason = "only the tests of drops ask for it")]
    fn flush() {}
}

/// A strategy that is made with a hasher and needs nothing else.
macro_rules! strategies {
    ($($(#[$doc:meta])* $name:ident: $map:ident;)*) => {
        $($(#[$doc])*
        pub(crate) struct $name;

        impl<K, V, S> Subject<K, V, S> for $name
        where
            K: Hash + Eq + Clone + Send + Sync + 'static,
            V: Clone + Send + Sync + 'static,
            S: BuildHasher + Clone + Send + Sync + 'static,
        {
            type Map = $map<K, V, S>;

            fn make(hasher: S) -> Home<Self::Map> {
                Home::of($map::with_hasher(hasher))
            }
        })*
    };
}

strategies! {
    /// One mutex.
    Mutex: MutexMap;
    /// One readers-writer lock.
    RwLock: RwLockMap;
    /// A lock per shard.
    Sharded: ShardedMap;
    /// One owner behind a queue.
    Serial: SerialMap;
}
