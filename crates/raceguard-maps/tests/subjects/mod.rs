//! The maps under test: every strategy and every layer, each made the same way whatever its key and value types.
//!
//! A test binary that wants them says `#[path = "../subjects/mod.rs"] mod subjects;`.

use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

use raceguard_maps::{
    BucketMap, ConcurrentMap, InlineMap, LockFreeMap, MutexMap, RwLockMap, SerialMap, ShardedMap,
    ShardedSnapshotMap, SnapshotMap,
};

/// A map together with what it needs to live, such as the folder of its log.
pub(crate) struct Home<M> {
    map: M,
    keeps: Vec<Box<dyn Any + Send + Sync>>,
}

impl<M> Home<M> {
    /// A map that needs nothing else.
    pub(crate) fn of(map: M) -> Self {
        Self { map, keeps: Vec::new() }
    }

    /// A map made of this one.
    pub(crate) fn map<N>(self, make: impl FnOnce(M) -> N) -> Home<N> {
        Home { map: make(self.map), keeps: self.keeps }
    }

    /// With something that has to live as long.
    pub(crate) fn keeping(mut self, what: impl Any + Send + Sync) -> Self {
        self.keeps.push(Box::new(what));
        self
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

/// The layers, each over any other subject.
mod layered {
    use std::marker::PhantomData;

    use raceguard_maps::durable::{Codec, CodecError, DurableOptions, Sync as SyncPolicy};
    use raceguard_maps::{Checked, Coalesced, Coalescing, Durable};

    use super::{BuildHasher, ConcurrentMap, Hash, Home, Subject};

    /// Misuse detection.
    pub(crate) struct CheckedOver<T>(PhantomData<T>);

    impl<K: Hash + Eq + Clone, V: Clone, S, T: Subject<K, V, S>> Subject<K, V, S> for CheckedOver<T> {
        type Map = Checked<T::Map>;

        fn make(hasher: S) -> Home<Self::Map> {
            T::make(hasher).map(Checked::new)
        }

        fn flush() {
            T::flush();
        }
    }

    /// A write buffer.
    pub(crate) struct CoalescedOver<T>(PhantomData<T>);

    impl<K, V, S, T> Subject<K, V, S> for CoalescedOver<T>
    where
        K: Hash + Eq + Clone + Send + Sync,
        V: Clone + Send + Sync,
        S: BuildHasher + Clone + Send + Sync,
        T: Subject<K, V, S>,
    {
        type Map = Coalesced<T::Map, K, V, S>;

        fn make(hasher: S) -> Home<Self::Map> {
            // So few that a flush is common.
            let settings = Coalescing { most_pending: 5, ..Coalescing::default() };
            T::make(hasher.clone())
                .map(|map| Coalesced::with_hasher(map, settings, hasher).expect("settings that make sense"))
        }

        fn flush() {
            T::flush();
        }
    }

    /// A write-ahead log, whose bytes nobody reads back here: recovery has tests of its own.
    pub(crate) struct DurableOver<T>(PhantomData<T>);

    /// Writes no bytes.
    struct NoBytes;

    impl<T> Codec<T> for NoBytes {
        fn name(&self) -> String {
            "no bytes".to_owned()
        }

        fn encode(&self, _: &T, _: &mut Vec<u8>) -> Result<(), CodecError> {
            Ok(())
        }

        fn decode(&self, _: &[u8]) -> Result<T, CodecError> {
            Err(CodecError::new("nothing was written"))
        }
    }

    impl<K, V, S, T> Subject<K, V, S> for DurableOver<T>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        T: Subject<K, V, S, Map: ConcurrentMap<K, V> + 'static>,
    {
        type Map = Durable<K, V, T::Map>;

        fn make(hasher: S) -> Home<Self::Map> {
            let folder = tempfile::tempdir().expect("a folder can be made");
            let options = DurableOptions::new(NoBytes, NoBytes).sync(SyncPolicy::Os);
            let home =
                T::make(hasher).map(|map| options.open(folder.path(), map).expect("an empty folder opens"));
            home.keeping(folder)
        }

        fn flush() {
            T::flush();
        }
    }
}

pub(crate) use layered::{CheckedOver, CoalescedOver, DurableOver};

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
    /// Whole-map snapshots that share structure.
    Snapshots: SnapshotMap;
    /// The same per shard.
    ShardedSnapshots: ShardedSnapshotMap;
    /// A lock per cache line.
    Buckets: BucketMap;
    /// Reads without a lock, reclamation by epochs.
    LockFree: LockFreeMap;
}

/// Optimistic reads of entries that lie in the buckets; types that are `Copy`.
pub(crate) struct Inline;

impl<K, V, S> Subject<K, V, S> for Inline
where
    K: Hash + Eq + Copy + Send + Sync + 'static,
    V: Copy + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    type Map = InlineMap<K, V, S>;

    fn make(hasher: S) -> Home<Self::Map> {
        Home::of(InlineMap::with_hasher(hasher))
    }
}
