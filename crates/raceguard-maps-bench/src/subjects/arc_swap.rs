//! A whole map behind arc-swap: readers take the current one, a writer copies it and puts the copy in its place.

use std::marker::PhantomData;
use std::sync::Arc;

use ::arc_swap::{ArcSwap, Cache};
use parking_lot::Mutex;

use super::locks::Hashbrown;
use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// How a reader gets at the current map.
pub(crate) trait Reading {
    type Reader<'a, K: Key, V: Value>;

    fn reader<K: Key, V: Value>(map: &ArcSwap<Hashbrown<K, V>>) -> Self::Reader<'_, K, V>;

    fn read<K: Key, V: Value, R>(
        reader: &mut Self::Reader<'_, K, V>,
        read: impl FnOnce(&Hashbrown<K, V>) -> R,
    ) -> R;
}

/// Each read loads the pointer.
pub(crate) struct Plain;

/// Each thread keeps the last map it saw, and asks only whether that is still the current one.
pub(crate) struct Cached;

impl Reading for Plain {
    type Reader<'a, K: Key, V: Value> = &'a ArcSwap<Hashbrown<K, V>>;

    fn reader<K: Key, V: Value>(map: &ArcSwap<Hashbrown<K, V>>) -> Self::Reader<'_, K, V> {
        map
    }

    #[inline]
    fn read<K: Key, V: Value, R>(
        reader: &mut Self::Reader<'_, K, V>,
        read: impl FnOnce(&Hashbrown<K, V>) -> R,
    ) -> R {
        read(&reader.load())
    }
}

impl Reading for Cached {
    type Reader<'a, K: Key, V: Value> = Cache<&'a ArcSwap<Hashbrown<K, V>>, Arc<Hashbrown<K, V>>>;

    fn reader<K: Key, V: Value>(map: &ArcSwap<Hashbrown<K, V>>) -> Self::Reader<'_, K, V> {
        Cache::new(map)
    }

    #[inline]
    fn read<K: Key, V: Value, R>(
        reader: &mut Self::Reader<'_, K, V>,
        read: impl FnOnce(&Hashbrown<K, V>) -> R,
    ) -> R {
        read(reader.load())
    }
}

pub(crate) struct Swapped<K, V, R> {
    map: ArcSwap<Hashbrown<K, V>>,
    writers: Mutex<()>,
    reading: PhantomData<fn() -> R>,
}

impl<K: Key, V: Value, R> Swapped<K, V, R> {
    fn change<T>(&self, change: impl FnOnce(&mut Hashbrown<K, V>) -> T) -> T {
        let _writer = self.writers.lock();
        let mut copy = Hashbrown::clone(&self.map.load());
        let result = change(&mut copy);
        self.map.store(Arc::new(copy));
        result
    }
}

pub(crate) struct Both<'a, K: Key, V: Value, R: Reading> {
    map: &'a Swapped<K, V, R>,
    reader: R::Reader<'a, K, V>,
}

impl<K: Key, V: Value, R: Reading + 'static> Subject<K, V> for Swapped<K, V, R> {
    type Handle<'a> = Both<'a, K, V, R>;

    fn empty() -> Self {
        Self { map: ArcSwap::default(), writers: Mutex::new(()), reading: PhantomData }
    }

    fn handle(&self) -> Both<'_, K, V, R> {
        Both { map: self, reader: R::reader(&self.map) }
    }

    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        self.change(|map| map.extend(entries));
    }
}

impl<K: Key, V: Value, R: Reading + 'static> Handle<K, V> for Both<'_, K, V, R> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        R::read(&mut self.reader, |map| map.get(key).map(read))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.map.change(|map| map.insert(key, value));
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.map.change(|map| map.remove(key).is_some())
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.map.change(|map| {
            if let Some(value) = map.get_mut(key) {
                *value = change(value);
            }
        });
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        R::read(&mut self.reader, |map| map.values().for_each(visit));
    }

    fn len(&mut self) -> usize {
        R::read(&mut self.reader, Hashbrown::len)
    }
}
