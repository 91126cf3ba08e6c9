//! evmap, a map on left-right. As there, writers share the write handle and publish every 64 writes.
#![allow(unsafe_code)]

use ::evmap::handles::{ReadHandle, WriteHandle};
use ::evmap::{Options, StableHashEq};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::left_right::PUBLISH_EVERY;
use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

struct Writer<K: Key + StableHashEq, V: Value + StableHashEq> {
    handle: WriteHandle<K, V, (), RandomState>,
    pending: u32,
}

impl<K: Key + StableHashEq, V: Value + StableHashEq> Writer<K, V> {
    fn wrote(&mut self) {
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

pub(crate) struct Evmap<K: Key + StableHashEq, V: Value + StableHashEq> {
    writer: Mutex<Writer<K, V>>,
    /// Cloned for each thread; locked because a read handle is for one thread.
    reader: Mutex<ReadHandle<K, V, (), RandomState>>,
}

pub(crate) struct Both<'a, K: Key + StableHashEq, V: Value + StableHashEq> {
    writer: &'a Mutex<Writer<K, V>>,
    reader: ReadHandle<K, V, (), RandomState>,
}

impl<K: Key + StableHashEq, V: Value + StableHashEq> Subject<K, V> for Evmap<K, V> {
    type Handle<'a> = Both<'a, K, V>;

    fn empty() -> Self {
        // SAFETY: the hasher has to give equal hashes for equal inputs; foldhash does for one seed, and clones of a
        // state share the seed.
        let options = unsafe { Options::default().with_hasher(RandomState::default()) };
        let (mut handle, reader) = options.construct();
        // Before the first publication, readers find no map at all.
        handle.publish();
        Self { writer: Mutex::new(Writer { handle, pending: 0 }), reader: Mutex::new(reader) }
    }

    fn handle(&self) -> Both<'_, K, V> {
        Both { writer: &self.writer, reader: self.reader.lock().clone() }
    }

    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        let mut writer = self.writer.lock();
        for (key, value) in entries {
            writer.handle.update(key, value);
            writer.wrote();
        }
        writer.publish();
    }
}

impl<K: Key + StableHashEq, V: Value + StableHashEq> Handle<K, V> for Both<'_, K, V> {
    #[inline]
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64> {
        self.reader.get_one(key).map(|value| read(&value))
    }

    #[inline]
    fn insert(&mut self, key: K, value: V) {
        let mut writer = self.writer.lock();
        writer.handle.update(key, value);
        writer.wrote();
    }

    #[inline]
    fn remove(&mut self, key: &K) -> bool {
        let mut writer = self.writer.lock();
        writer.handle.remove_entry(key.clone());
        writer.wrote();
        true
    }

    /// Atomic only if what was written before is published first.
    #[inline]
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V) {
        let mut writer = self.writer.lock();
        writer.publish();
        let next = writer.handle.get_one(key).map(|value| change(&value));
        if let Some(next) = next {
            writer.handle.update(key.clone(), next);
            writer.wrote();
        }
    }

    fn for_each(&mut self, visit: impl FnMut(&V)) {
        if let Some(map) = self.reader.enter() {
            map.values().filter_map(|values| values.get_one()).for_each(visit);
        }
    }

    fn len(&mut self) -> usize {
        self.writer.lock().publish();
        self.reader.len()
    }
}
