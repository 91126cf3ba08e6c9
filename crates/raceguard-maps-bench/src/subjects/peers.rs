//! Peers that are used through a shared reference: dashmap, papaya, scc, leapfrog, kovan-map, moka.

use foldhash::fast::RandomState;

use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// `$map` by reference is its own handle; `$empty` makes one.
macro_rules! shared_by_reference {
    ($name:ident < $k:ident, $v:ident > ($inner:ty), $empty:expr, where ($($bound:tt)*)) => {
        pub(crate) struct $name<$k, $v>($inner) where $($bound)*;

        impl<$k: Key, $v: Value> Subject<$k, $v> for $name<$k, $v> where $($bound)* {
            type Handle<'a> = &'a Self;

            fn empty() -> Self {
                Self($empty)
            }

            fn handle(&self) -> &Self {
                self
            }
        }
    };
}

/// dashmap with `SHARDS` shards; 0 is its own choice.
pub(crate) struct Dash<K, V, const SHARDS: usize>(dashmap::DashMap<K, V, RandomState>);

impl<K: Key, V: Value, const SHARDS: usize> Subject<K, V> for Dash<K, V, SHARDS> {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self(if SHARDS == 0 {
            dashmap::DashMap::with_hasher(RandomState::default())
        } else {
            dashmap::DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS)
        })
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl<K: Key, V: Value, const SHARDS: usize> Handle<K, V> for &Dash<K, V, SHARDS> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.get(key).map(|value| read(&value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        if let Some(mut value) = self.0.get_mut(key) {
            *value = change(&value);
        }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        self.0.iter().for_each(|entry| visit(entry.value()));
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(Papaya<K, V>(papaya::HashMap<K, V, RandomState>), papaya::HashMap::with_hasher(RandomState::default()), where ());

impl<K: Key, V: Value> Handle<K, V> for &Papaya<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.pin().get(key).map(read)
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.pin().insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.pin().remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.0.pin().update(key.clone(), change);
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        self.0.pin().values().for_each(visit);
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(SccMap<K, V>(scc::HashMap<K, V, RandomState>), scc::HashMap::with_hasher(RandomState::default()), where ());

impl<K: Key, V: Value> Handle<K, V> for &SccMap<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.read_sync(key, |_, value| read(value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.upsert_sync(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove_sync(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.0.update_sync(key, |_, value| *value = change(value));
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        self.0.iter_sync(|_, value| {
            visit(value);
            true
        });
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(SccIndex<K, V>(scc::HashIndex<K, V, RandomState>), scc::HashIndex::with_hasher(RandomState::default()), where ());

impl<K: Key, V: Value> Handle<K, V> for &SccIndex<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.peek_with(key, |_, value| read(value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        match self.0.entry_sync(key) {
            scc::hash_index::Entry::Occupied(mut entry) => entry.update(value),
            scc::hash_index::Entry::Vacant(entry) => drop(entry.insert_entry(value)),
        }
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove_sync(key)
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        if let Some(mut entry) = self.0.get_sync(key) {
            let next = change(entry.get());
            entry.update(next);
        }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        self.0.iter_sync(|_, value| {
            visit(value);
            true
        });
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(Leap<K, V>(leapfrog::LeapMap<K, V, RandomState>), leapfrog::LeapMap::with_capacity_and_hasher(8, RandomState::default()), where (K: Key + Copy, V: Value + leapfrog::Value));

impl<K: Key + Copy, V: Value + leapfrog::Value> Handle<K, V> for &Leap<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.get(key)?.value().map(|value| read(&value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        if let Some(mut entry) = self.0.get_mut(key) {
            entry.update(|value| *value = change(value));
        }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        for mut entry in self.0.iter() {
            if let Some(value) = entry.value() {
                visit(&value);
            }
        }
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(Kovan<K, V>(kovan_map::HashMap<K, V, RandomState>), kovan_map::HashMap::with_hasher(RandomState::default()), where (K: 'static, V: 'static));

impl<K: Key, V: Value> Handle<K, V> for &Kovan<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.get(key).map(|value| read(&value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.0.compute(key.clone(), |value| value.map(change));
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        self.0.values().for_each(|value| visit(&value));
    }

    fn len(&mut self) -> usize {
        self.0.len()
    }
}

shared_by_reference!(Moka<K, V>(moka::sync::Cache<K, V, RandomState>), moka::sync::Cache::builder().build_with_hasher(RandomState::default()), where ());

impl<K: Key, V: Value> Handle<K, V> for &Moka<K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.0.get(key).map(|value| read(&value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        self.0.entry(key.clone()).and_compute_with(|entry| match entry {
            Some(entry) => moka::ops::compute::Op::Put(change(entry.value())),
            None => moka::ops::compute::Op::Nop,
        });
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        self.0.iter().for_each(|(_, value)| visit(&value));
    }

    fn len(&mut self) -> usize {
        self.0.run_pending_tasks();
        usize::try_from(self.0.entry_count()).unwrap_or(usize::MAX)
    }
}
