//! left-right around a sequential map. Writers share its write handle behind a lock and publish every 64 writes, so
//! that readers lag: without that, every write waits for every reader.

use foldhash::fast::RandomState;
use left_right::{Absorb, ReadHandle, ReadHandleFactory, WriteHandle};
use parking_lot::Mutex;

use super::locks::Hashbrown;
use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// Writes between two publications, here and for evmap.
pub(super) const PUBLISH_EVERY: u32 = 64;

/// The map that exists twice.
#[derive(Clone)]
pub(crate) struct Copy<K, V>(Hashbrown<K, V>);

#[derive(Clone)]
pub(crate) enum Operation<K, V> {
    Insert(K, V),
    Remove(K),
}

impl<K: Key, V: Value> Absorb<Operation<K, V>> for Copy<K, V> {
    fn absorb_first(&mut self, operation: &mut Operation<K, V>, other: &Self) {
        self.absorb_second(operation.clone(), other);
    }

    fn absorb_second(&mut self, operation: Operation<K, V>, _other: &Self) {
        match operation {
            Operation::Insert(key, value) => drop(self.0.insert(key, value)),
            Operation::Remove(key) => drop(self.0.remove(&key)),
        }
    }

    fn sync_with(&mut self, first: &Self) {
        self.clone_from(first);
    }
}

struct Writer<K: Key, V: Value> {
    handle: WriteHandle<Copy<K, V>, Operation<K, V>>,
    pending: u32,
}

impl<K: Key, V: Value> Writer<K, V> {
    fn append(&mut self, operation: Operation<K, V>) {
        self.handle.append(operation);
        self.pending += 1;
        if self.pending == PUBLISH_EVERY {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.handle.publish();
        self.pending = 0;
    }
}

pub(crate) struct LeftRight<K: Key, V: Value> {
    writer: Mutex<Writer<K, V>>,
    readers: ReadHandleFactory<Copy<K, V>>,
}

pub(crate) struct Both<'a, K: Key, V: Value> {
    writer: &'a Mutex<Writer<K, V>>,
    reader: ReadHandle<Copy<K, V>>,
}

impl<K: Key, V: Value> Subject<K, V> for LeftRight<K, V> {
    type Handle<'a> = Both<'a, K, V>;

    fn empty() -> Self {
        let empty = Copy(Hashbrown::with_hasher(RandomState::default()));
        let (handle, reader) = left_right::new_from_empty(empty);
        Self { writer: Mutex::new(Writer { handle, pending: 0 }), readers: reader.factory() }
    }

    fn handle(&self) -> Both<'_, K, V> {
        Both { writer: &self.writer, reader: self.readers.handle() }
    }

    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        let mut writer = self.writer.lock();
        for (key, value) in entries {
            writer.append(Operation::Insert(key, value));
        }
        writer.publish();
    }
}

impl<K: Key, V: Value> Handle<K, V> for Both<'_, K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.reader.enter()?.0.get(key).map(read)
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        self.writer.lock().append(Operation::Insert(key, value));
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        self.writer.lock().append(Operation::Remove(key.clone()));
        true
    }

    /// Atomic only if what was written before is published first.
    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        let mut writer = self.writer.lock();
        writer.publish();
        let next = writer.handle.enter().and_then(|copy| copy.0.get(key).map(change));
        if let Some(next) = next {
            writer.append(Operation::Insert(key.clone(), next));
        }
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        if let Some(copy) = self.reader.enter() {
            copy.0.values().for_each(visit);
        }
    }

    fn len(&mut self) -> usize {
        self.writer.lock().publish();
        self.reader.enter().map_or(0, |copy| copy.0.len())
    }
}
