//! What people build from locks: one lock around a map, and shards.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::PoisonError;

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;

use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// A lock around something.
pub(crate) trait Lock<T>: Send + Sync + 'static {
    fn new(value: T) -> Self;
    fn reading<R>(&self, read: impl FnOnce(&T) -> R) -> R;
    fn writing<R>(&self, write: impl FnOnce(&mut T) -> R) -> R;
}

macro_rules! lock {
    ($lock:ty, $read:ident, $write:ident $(, $unpoison:expr)?) => {
        impl<T: Send + Sync + 'static> Lock<T> for $lock {
            fn new(value: T) -> Self {
                <$lock>::new(value)
            }

            #[inline]
            fn reading<R>(&self, read: impl FnOnce(&T) -> R) -> R {
                read(&self.$read()$(.unwrap_or_else($unpoison))?)
            }

            #[inline]
            fn writing<R>(&self, write: impl FnOnce(&mut T) -> R) -> R {
                write(&mut self.$write()$(.unwrap_or_else($unpoison))?)
            }
        }
    };
}

lock!(std::sync::Mutex<T>, lock, lock, PoisonError::into_inner);
lock!(std::sync::RwLock<T>, read, write, PoisonError::into_inner);
lock!(parking_lot::Mutex<T>, lock, lock);
lock!(parking_lot::RwLock<T>, read, write);

/// The map of `std` with the hasher that all use here.
pub(crate) type StdMap<K, V> = HashMap<K, V, RandomState>;

/// The map of hashbrown with the hasher that all use here.
pub(crate) type Hashbrown<K, V> = hashbrown::HashMap<K, V, RandomState>;

/// A sequential map.
pub(crate) trait Sequential<K, V>: Default + Send + Sync + 'static {
    fn find(&self, key: &K) -> Option<&V>;
    fn find_mut(&mut self, key: &K) -> Option<&mut V>;
    fn put(&mut self, key: K, value: V);
    fn take(&mut self, key: &K) -> bool;
    fn all(&self) -> impl Iterator<Item = &V>
    where
        V: 'static;
    fn count(&self) -> usize;
}

macro_rules! sequential {
    ($map:ident) => {
        impl<K: Key, V: Value> Sequential<K, V> for $map<K, V> {
            #[inline]
            fn find(&self, key: &K) -> Option<&V> {
                self.get(key)
            }

            #[inline]
            fn find_mut(&mut self, key: &K) -> Option<&mut V> {
                self.get_mut(key)
            }

            #[inline]
            fn put(&mut self, key: K, value: V) {
                self.insert(key, value);
            }

            #[inline]
            fn take(&mut self, key: &K) -> bool {
                self.remove(key).is_some()
            }

            fn all(&self) -> impl Iterator<Item = &V> {
                self.values()
            }

            fn count(&self) -> usize {
                self.len()
            }
        }
    };
}

sequential!(StdMap);
sequential!(Hashbrown);

/// Names the type behind the lock, which Rust cannot see through `L` alone.
pub(crate) struct LockedHandle<'a, L, M>(&'a L, PhantomData<M>);

/// One lock, one map.
pub(crate) struct OneLock<L, M>(L, PhantomData<M>);

impl<K: Key, V: Value, M: Sequential<K, V>, L: Lock<M>> Subject<K, V> for OneLock<L, M> {
    type Handle<'a> = LockedHandle<'a, L, M>;

    fn empty() -> Self {
        Self(L::new(M::default()), PhantomData)
    }

    fn handle(&self) -> LockedHandle<'_, L, M> {
        LockedHandle(&self.0, PhantomData)
    }
}

impl<K: Key, V: Value, M: Sequential<K, V>, L: Lock<M>> Handle<K, V> for LockedHandle<'_, L, M> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.reading(|map| map.find(key).map(read))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.writing(|map| map.put(key, value));
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.writing(|map| map.take(key))
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.0.writing(|map| {
            if let Some(value) = map.find_mut(key) {
                *value = change(value);
            }
        });
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        self.0.reading(|map| map.all().for_each(visit));
    }

    fn len(&mut self) -> usize {
        self.0.reading(M::count)
    }
}

const SHARDS: usize = 64;

type Shard<K, V> = CachePadded<parking_lot::RwLock<Hashbrown<K, V>>>;

/// 64 shards by the upper bits of the hash, each on its own cache lines.
pub(crate) struct Shards<K, V> {
    shards: Box<[Shard<K, V>]>,
    hasher: RandomState,
}

impl<K: Key, V: Value> Shards<K, V> {
    #[inline]
    fn of(&self, key: &K) -> &parking_lot::RwLock<Hashbrown<K, V>> {
        let upper = self.hasher.hash_one(key) >> (64 - SHARDS.trailing_zeros());
        #[allow(clippy::cast_possible_truncation)]
        &self.shards[upper as usize]
    }
}

impl<K: Key, V: Value> Subject<K, V> for Shards<K, V> {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        let hasher = RandomState::default();
        let shard =
            || CachePadded::new(parking_lot::RwLock::new(Hashbrown::with_hasher(RandomState::default())));
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher }
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl<K: Key, V: Value> Handle<K, V> for &Shards<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.of(key).read().get(key).map(read)
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.of(&key).write().insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.of(key).write().remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        if let Some(value) = self.of(key).write().get_mut(key) {
            *value = change(value);
        }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        for shard in &self.shards {
            shard.read().values().for_each(&mut visit);
        }
    }

    fn len(&mut self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}
