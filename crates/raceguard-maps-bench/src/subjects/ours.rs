//! Every strategy of raceguard-maps, through its one interface.

use raceguard_maps::strategies::snapshot::Reader;
use raceguard_maps::{ConcurrentMap, MapSnapshot, Operation, ShardedMap, SnapshotMap};

use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// A strategy with its default settings.
pub(crate) struct Ours<M>(M);

impl<K: Key, V: Value, M: ConcurrentMap<K, V> + Default + Send + Sync + 'static> Subject<K, V> for Ours<M> {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self(M::default())
    }

    fn handle(&self) -> &Self {
        self
    }

    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        done(self.0.apply(entries.map(|(key, value)| Operation::Insert(key, value))));
    }
}

impl<K: Key, V: Value, M: ConcurrentMap<K, V>> Handle<K, V> for &Ours<M> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        done(self.0.get_with(key, read))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        done(ConcurrentMap::insert(&self.0, key, value));
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        done(ConcurrentMap::remove(&self.0, key)).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        done(ConcurrentMap::update(&self.0, key, |value| *value = change(value)));
    }

    fn for_each(&mut self, mut visit: impl FnMut(&V)) {
        done(ConcurrentMap::for_each(&self.0, |_, value| visit(value)));
    }

    fn len(&mut self) -> usize {
        done(ConcurrentMap::len(&self.0))
    }
}

/// Sixteen shards, the number that articles name.
pub(crate) struct SixteenShards(Ours<ShardedMap<u64, u64>>);

impl Subject<u64, u64> for SixteenShards {
    type Handle<'a> = &'a Ours<ShardedMap<u64, u64>>;

    fn empty() -> Self {
        Self(Ours(done(ShardedMap::with_shards(16))))
    }

    fn handle(&self) -> &Ours<ShardedMap<u64, u64>> {
        &self.0
    }
}

/// A `SnapshotMap` that each thread reads through a reader of its own.
pub(crate) struct ReaderOfSnapshots<K, V>(SnapshotMap<K, V>);

pub(crate) struct ReaderAndMap<'a, K, V> {
    reader: Reader<'a, K, V>,
    map: &'a SnapshotMap<K, V>,
}

impl<K: Key, V: Value> Subject<K, V> for ReaderOfSnapshots<K, V> {
    type Handle<'a> = ReaderAndMap<'a, K, V>;

    fn empty() -> Self {
        Self(SnapshotMap::new())
    }

    fn handle(&self) -> ReaderAndMap<'_, K, V> {
        ReaderAndMap { reader: done(self.0.reader()), map: &self.0 }
    }

    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        done(self.0.apply(entries.map(|(key, value)| Operation::Insert(key, value))));
    }
}

impl<K: Key, V: Value> Handle<K, V> for ReaderAndMap<'_, K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        done(self.reader.get_with(key, read))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        done(self.map.insert(key, value));
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        done(self.map.remove(key)).is_some()
    }

    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        done(self.map.update(key, |value| *value = change(value)));
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        done(self.reader.snapshot()).iter().map(|(_, value)| value).for_each(visit);
    }

    fn len(&mut self) -> usize {
        done(self.map.len())
    }
}

/// No map is closed while it is measured, and none is set up so that it could refuse.
pub(super) fn done<T>(result: Result<T, raceguard_maps::MapError>) -> T {
    result.unwrap_or_else(|error| panic!("a measured map failed: {error}"))
}
