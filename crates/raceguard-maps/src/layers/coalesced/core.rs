//! [`Core`]: the stripes of the buffer, and how they are read, written and flushed.
//!
//! A key belongs to one stripe, chosen by its hash. Invariants, under the lock of the stripe:
//!
//! - The value of a key is what the buffer says of it, else what the map inside holds.
//! - The map inside changes only in [`Core::flush_stripe`] and, under the locks of all stripes, in
//!   [`Core::with_flushed`].
//!
//! A read that finds nothing in the buffer may read the map inside after it let go of the lock. That is still
//! linearizable: if the stripe was not flushed in between, the value that it finds was current at its look into the
//! buffer; if it was, the value was current at the flush, which is within the call.

use std::hash::{BuildHasher, Hash};

use crossbeam_utils::CachePadded;

use super::buffer::{Buffer, Pending};
use crate::error::MapError;
use crate::map::{ConcurrentMap, Lookup};
use crate::raw::sync::atomic::{AtomicUsize, Ordering};
use crate::raw::sync::{Mutex, MutexGuard};

/// How many stripes the buffer has: a power of two.
pub(super) const STRIPES: usize = if cfg!(raceguard_stress) { 2 } else { 16 };

/// One stripe of the buffer.
pub(super) struct Stripe<K, V> {
    buffer: Mutex<Buffer<K, V>>,
    /// The length of the buffer, to look at without the lock.
    pending: AtomicUsize,
}

/// The buffer and the map inside.
pub(super) struct Core<M, K, V, S> {
    pub(super) map: M,
    stripes: Box<[CachePadded<Stripe<K, V>>]>,
    /// How many keys a stripe holds before it is flushed.
    most_pending: usize,
    pub(super) merge: Option<fn(&V, &V) -> V>,
    hasher: S,
}

/// The locked stripe of one key.
pub(super) struct Locked<'a, M, K, V, S> {
    core: &'a Core<M, K, V, S>,
    stripe: &'a Stripe<K, V>,
    buffer: MutexGuard<'a, Buffer<K, V>>,
    hash: u64,
}

impl<M, K, V, S> Core<M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    pub(super) fn new(map: M, most_pending: usize, merge: Option<fn(&V, &V) -> V>, hasher: S) -> Self {
        let stripe = || {
            CachePadded::new(Stripe { buffer: Mutex::new(Buffer::default()), pending: AtomicUsize::new(0) })
        };
        let stripes = (0..STRIPES).map(|_| stripe()).collect();
        let most_pending = most_pending.div_ceil(STRIPES);
        Self { map, stripes, most_pending, merge, hasher }
    }

    pub(super) fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        // ORDERING: Acquire pairs with the Release in `flush_stripe`: who sees that nothing is pending also sees the
        // flushed writes in the map inside.
        if self.stripe(hash).pending.load(Ordering::Acquire) == 0 {
            return self.map.get_with(key, read);
        }
        let locked = self.lock(hash)?;
        match locked.buffer.get(hash, key) {
            Some(Pending::Put(value)) => Ok(Some(read(value))),
            Some(Pending::Gone) => Ok(None),
            Some(Pending::Delta(_)) => Ok(locked.current(key)?.as_ref().map(read)),
            None => {
                drop(locked);
                self.map.get_with(key, read)
            }
        }
    }

    /// The stripe of `key`, locked, with room for one more key.
    pub(super) fn lock_for_write<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
    ) -> Result<Locked<'_, M, K, V, S>, MapError> {
        let hash = self.hasher.hash_one(key);
        let mut locked = self.lock(hash)?;
        // Before the write is taken: if the flush fails, the caller's error means that nothing happened.
        if locked.buffer.len() >= self.most_pending && locked.buffer.get(hash, key).is_none() {
            self.flush_stripe(locked.stripe, &mut locked.buffer)?;
        }
        Ok(locked)
    }

    pub(super) fn check_open(&self) -> Result<(), MapError> {
        if self.stripes[0].buffer.lock().closed { Err(MapError::Closed) } else { Ok(()) }
    }

    fn stripe(&self, hash: u64) -> &Stripe<K, V> {
        // Not the bits that the buffer and the usual tables inside look at first.
        let index = (hash >> 40) as usize & (STRIPES - 1);
        &self.stripes[index]
    }

    fn lock(&self, hash: u64) -> Result<Locked<'_, M, K, V, S>, MapError> {
        let stripe = self.stripe(hash);
        let buffer = stripe.buffer.lock();
        if buffer.closed {
            return Err(MapError::Closed);
        }
        Ok(Locked { core: self, stripe, buffer, hash })
    }

    /// Flushes one stripe after the other; returns how many writes that were.
    pub(super) fn flush(&self) -> Result<usize, MapError> {
        let mut flushed = 0;
        for stripe in &self.stripes {
            let mut buffer = stripe.buffer.lock();
            if buffer.closed {
                return Err(MapError::Closed);
            }
            flushed += self.flush_stripe(stripe, &mut buffer)?;
        }
        Ok(flushed)
    }

    /// Flushes everything and calls `work` before any further write.
    pub(super) fn with_flushed<R>(
        &self,
        work: impl FnOnce(&M) -> Result<R, MapError>,
    ) -> Result<R, MapError> {
        let mut locked = self.lock_all();
        for (stripe, buffer) in self.stripes.iter().zip(&mut locked) {
            if buffer.closed {
                return Err(MapError::Closed);
            }
            self.flush_stripe(stripe, buffer)?;
        }
        work(&self.map)
    }

    /// Flushes everything and takes no more writes; returns how many were pending and passed on, and how many could
    /// not be since the map inside was closed by somebody else. Does nothing the second time.
    pub(super) fn close(&self) -> Result<(usize, usize), MapError> {
        let mut locked = self.lock_all();
        let (mut drained, mut dropped) = (0, 0);
        for (stripe, buffer) in self.stripes.iter().zip(&mut locked) {
            let pending = buffer.len();
            match self.flush_stripe(stripe, buffer) {
                Ok(flushed) => drained += flushed,
                Err(MapError::Closed) => dropped += pending,
                Err(error) => return Err(error),
            }
        }
        let mut left = Vec::new();
        for buffer in &mut locked {
            buffer.closed = true;
            left.push(buffer.take());
        }
        drop(locked);
        drop(left);
        Ok((drained, dropped))
    }

    /// The locks are taken in the order of the stripes, by everybody who takes more than one.
    fn lock_all(&self) -> Vec<MutexGuard<'_, Buffer<K, V>>> {
        self.stripes.iter().map(|stripe| stripe.buffer.lock()).collect()
    }

    /// Writes the buffer of a stripe to the map inside, as one batch. After an error or a panic everything is still in
    /// the buffer: doing part of the batch twice has the same result as doing it once, since it holds no deltas.
    fn flush_stripe(&self, stripe: &Stripe<K, V>, buffer: &mut Buffer<K, V>) -> Result<usize, MapError> {
        let pending = buffer.len();
        if pending == 0 {
            return Ok(0);
        }
        if let Some(merge) = self.merge {
            for item in buffer.items_mut() {
                if let Pending::Delta(delta) = &item.pending {
                    let whole = merged(self.map.get(&item.key)?, delta, merge);
                    item.pending = Pending::Put(whole);
                }
            }
        }
        self.map.apply(buffer.operations())?;
        let written = buffer.take();
        // ORDERING: Release pairs with the Acquire in `get_with`.
        stripe.pending.store(0, Ordering::Release);
        drop(written);
        Ok(pending)
    }
}

impl<M, K, V, S> Locked<'_, M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    /// A clone of the value as all callers see it. `key` is the one that the stripe was locked for.
    pub(super) fn current<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        match (self.buffer.get(self.hash, key), self.core.merge) {
            (Some(Pending::Put(value)), _) => Ok(Some(value.clone())),
            (Some(Pending::Gone), _) => Ok(None),
            (Some(Pending::Delta(delta)), Some(merge)) => {
                Ok(Some(merged(self.core.map.get(key)?, delta, merge)))
            }
            (Some(Pending::Delta(_)) | None, _) => self.core.map.get(key),
        }
    }

    pub(super) fn set(&mut self, key: K, pending: Pending<V>) {
        let replaced = self.buffer.set(self.hash, key, pending);
        // ORDERING: Release: as in `flush_stripe`; a reader that misses this write did not happen after it.
        self.stripe.pending.store(self.buffer.len(), Ordering::Release);
        drop(replaced);
    }

    /// Merges `delta` into what is pending, without reading the map inside.
    pub(super) fn merge(&mut self, key: K, delta: V, merge: fn(&V, &V) -> V) {
        let pending = match self.buffer.get(self.hash, &key) {
            Some(Pending::Put(value)) => Pending::Put(merge(value, &delta)),
            Some(Pending::Delta(earlier)) => Pending::Delta(merge(earlier, &delta)),
            Some(Pending::Gone) => Pending::Put(delta),
            None => Pending::Delta(delta),
        };
        self.set(key, pending);
    }
}

fn merged<V: Clone>(held: Option<V>, delta: &V, merge: fn(&V, &V) -> V) -> V {
    held.map_or_else(|| delta.clone(), |held| merge(&held, delta))
}
