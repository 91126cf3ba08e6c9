//! Every strategy of raceguard-maps, through its one interface.

use raceguard_maps::{ConcurrentMap, Operation, ShardedMap};

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

/// No map is closed while it is measured, and none is set up so that it could refuse.
pub(super) fn done<T>(result: Result<T, raceguard_maps::MapError>) -> T {
    result.unwrap_or_else(|error| panic!("a measured map failed: {error}"))
}
