//! The overlay: for each key with a record on its way, what that record will make of it.
//!
//! Readers look at the map in memory alone, so they see nothing that a crash could take back. Writers decide on what
//! will be: they look here first. An entry is put in when its record joins a group, in the same critical section as
//! the decision, and is taken out by its writer after the record was applied, unless a later record of the same key
//! replaced it. In between it may agree with the map, but never lag behind it.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::commit::{Batch, Hashes, Record, Ticket};
use super::core::Core;
use crate::error::MapError;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::{Mutex, MutexGuard};

/// How many stripes the keys are spread over.
pub(super) const STRIPES: usize = if cfg!(raceguard_stress) { 2 } else { 64 };

/// An encoding buffer that grew larger is not kept.
const KEPT_SCRATCH: usize = 1 << 20;

/// What a record on its way makes of one key.
#[derive(Debug)]
pub(super) struct Pending<K, V> {
    hash: u64,
    key: K,
    value: Option<V>,
    sequence: u64,
    batch: Arc<Batch>,
}

/// A part of the overlay.
#[derive(Debug)]
pub(super) struct Stripe<K, V> {
    pending: HashTable<Pending<K, V>>,
    scratch: Vec<u8>,
}

impl<K, V> Default for Stripe<K, V> {
    fn default() -> Self {
        Self { pending: HashTable::new(), scratch: Vec::new() }
    }
}

/// A decided write: its result, and what has to be waited for before the caller may have it.
pub(super) struct Staged<K, V, R> {
    pub(super) result: R,
    pub(super) wait: Wait,
    /// Entries of the overlay that were replaced. They hold user values, whose `Drop` may panic, and so are dropped
    /// only when nothing is left to do.
    pub(super) displaced: Vec<Pending<K, V>>,
}

/// What a decided write waits for.
pub(super) enum Wait {
    /// It changed nothing, and saw only what is durable.
    Nothing,
    /// It changed nothing, but saw what is on its way.
    Other(Arc<Batch>),
    /// Its own record.
    Own(Ticket, Hashes),
}

impl<K, V, M> Core<K, V, M> {
    pub(super) fn stripe(&self, hash: u64) -> &Mutex<Stripe<K, V>> {
        // The high bits: tables within use the low ones.
        &self.stripes[(hash >> 48) as usize % STRIPES]
    }

    /// Takes the entry of this record out, if no later one replaced it, and drops it outside the lock.
    pub(super) fn forget_pending(&self, hash: u64, sequence: u64) {
        let gone = {
            let mut stripe = self.stripe(hash).lock();
            let entry = stripe.pending.find_entry(hash, |pending| pending.is(hash, sequence));
            entry.ok().map(|entry| entry.remove().0)
        };
        drop(gone);
    }
}

impl<K, V> Pending<K, V> {
    fn is(&self, hash: u64, sequence: u64) -> bool {
        self.sequence == sequence && self.hash == hash
    }
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Core<K, V, M> {
    /// Shows `decide` what `key` will be once all records on their way are applied, and lets the record of the change
    /// join a group.
    pub(super) fn stage<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        behind: bool,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<Staged<K, V, R>, MapError> {
        self.admit()?;
        let hash = self.hasher.hash_one(key);
        let mut stripe = self.stripe(hash).lock();
        let Stripe { pending, scratch } = &mut *stripe;
        let on_its_way = pending.find(hash, |pending| pending.hash == hash && key.matches(&pending.key));
        let (change, result, present, other) = if let Some(seen) = on_its_way {
            let (change, result) = decide(seen.value.as_ref());
            (change, result, seen.value.is_some(), Wait::Other(Arc::clone(&seen.batch)))
        } else {
            let (change, result, present) = self.decide_on_durable(key, decide)?;
            (change, result, present, Wait::Nothing)
        };
        let value = match change {
            Change::Put(value) => Some(value),
            Change::Remove if present => None,
            Change::Remove | Change::Keep => {
                return Ok(Staged { result, wait: other, displaced: Vec::new() });
            }
        };
        let key = key.to_key();
        encode(self, scratch, [(&key, value.as_ref())])?;
        let (own_key, own_value) = (key.clone(), value.clone());
        // All user code has run once the place is found: from joining on, nothing can panic.
        let place =
            pending.entry(hash, |other| other.hash == hash && other.key == own_key, |pending| pending.hash);
        let ticket = self.join(scratch, (Hashes::One(hash), Record::One(operation(key, value))), behind)?;
        let own = Pending {
            hash,
            key: own_key,
            value: own_value,
            sequence: ticket.sequence,
            batch: Arc::clone(&ticket.batch),
        };
        let displaced = match place {
            Entry::Occupied(mut place) => vec![std::mem::replace(place.get_mut(), own)],
            Entry::Vacant(place) => {
                place.insert(own);
                Vec::new()
            }
        };
        Ok(Staged { result, wait: Wait::Own(ticket, Hashes::One(hash)), displaced })
    }

    fn decide_on_durable<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<(Change<V>, R, bool), MapError> {
        let mut decide = Some(decide);
        let mut once = |value: Option<&V>| (decide.take().expect("a map calls a closure once"))(value);
        if let Some((change, result)) = self.map.get_with(key, |value| once(Some(value)))? {
            return Ok((change, result, true));
        }
        let (change, result) = once(None);
        Ok((change, result, false))
    }

    /// All stripes at once, for operations on many keys.
    pub(super) fn all_stripes(&self) -> Stripes<'_, K, V> {
        Stripes(self.stripes.iter().map(|stripe| stripe.lock()).collect())
    }

    /// Lets one record of many changes join a group. Each key may occur once.
    pub(super) fn stage_many<R>(
        &self,
        mut stripes: Stripes<'_, K, V>,
        changes: Vec<(u64, K, Option<V>)>,
        behind: bool,
        result: R,
    ) -> Result<Staged<K, V, R>, MapError> {
        if changes.is_empty() {
            let wait = stripes.newest().map_or(Wait::Nothing, Wait::Other);
            return Ok(Staged { result, wait, displaced: Vec::new() });
        }
        let mut payload = Vec::new();
        encode(self, &mut payload, changes.iter().map(|(_, key, value)| (key, value.as_ref())))?;
        let copies = changes.clone();
        let mut replaced = Replaced { stripes: &mut stripes, entries: Vec::with_capacity(changes.len()) };
        for (hash, key, _) in &changes {
            replaced.take_out(*hash, key);
        }
        let hashes: Vec<u64> = changes.iter().map(|(hash, _, _)| *hash).collect();
        let operations = changes.into_iter().map(|(_, key, value)| operation(key, value)).collect();
        let record = (Hashes::Many(hashes.clone()), Record::Many(operations));
        // From joining on, nothing can panic.
        let ticket = self.join(&payload, record, behind)?;
        let displaced = std::mem::take(&mut replaced.entries);
        drop(replaced);
        for (hash, key, value) in copies {
            let batch = Arc::clone(&ticket.batch);
            stripes.put(Pending { hash, key, value, sequence: ticket.sequence, batch });
        }
        Ok(Staged { result, wait: Wait::Own(ticket, Hashes::Many(hashes)), displaced })
    }

    /// What the record with this sequence number does to the keys with this hash, as far as no later one replaced it.
    pub(super) fn pending_operations(&self, hash: u64, sequence: u64) -> Vec<Operation<K, V>> {
        let stripe = self.stripe(hash).lock();
        let own = stripe.pending.iter_hash(hash).filter(|pending| pending.is(hash, sequence));
        own.map(|pending| operation(pending.key.clone(), pending.value.clone())).collect()
    }
}

fn operation<K, V>(key: K, value: Option<V>) -> Operation<K, V> {
    match value {
        Some(value) => Operation::Insert(key, value),
        None => Operation::Remove(key),
    }
}

fn encode<'a, K: 'a, V: 'a, M>(
    core: &Core<K, V, M>,
    scratch: &mut Vec<u8>,
    changes: impl IntoIterator<Item = (&'a K, Option<&'a V>)>,
) -> Result<(), MapError> {
    scratch.clear();
    if scratch.capacity() > KEPT_SCRATCH {
        *scratch = Vec::new();
    }
    for (key, value) in changes {
        core.encoder()
            .push(key, value, scratch)
            .map_err(|error| MapError::Encoding { cause: error.to_string() })?;
    }
    Ok(())
}

/// All stripes, locked.
pub(super) struct Stripes<'a, K, V>(Vec<MutexGuard<'a, Stripe<K, V>>>);

impl<K: Eq, V> Stripes<'_, K, V> {
    /// Whether a record on its way leaves this key there; `None` when there is no such record.
    pub(super) fn will_be_present(&self, hash: u64, key: &K) -> Option<bool> {
        let stripe = &self.0[(hash >> 48) as usize % STRIPES];
        let found = stripe.pending.find(hash, |pending| pending.hash == hash && pending.key == *key);
        found.map(|pending| pending.value.is_some())
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &K, Option<&V>)> {
        let all = self.0.iter().flat_map(|stripe| stripe.pending.iter());
        all.map(|pending| (pending.hash, &pending.key, pending.value.as_ref()))
    }

    fn newest(&self) -> Option<Arc<Batch>> {
        let all = self.0.iter().flat_map(|stripe| stripe.pending.iter());
        all.max_by_key(|pending| pending.sequence).map(|pending| Arc::clone(&pending.batch))
    }
}

impl<K, V> Stripes<'_, K, V> {
    fn put(&mut self, pending: Pending<K, V>) {
        let table = &mut self.0[(pending.hash >> 48) as usize % STRIPES].pending;
        table.insert_unique(pending.hash, pending, |pending| pending.hash);
    }
}

/// Entries that were taken out of the overlay to be replaced. A panic of `Eq` half-way puts them back.
struct Replaced<'a, 'b, K, V> {
    stripes: &'a mut Stripes<'b, K, V>,
    entries: Vec<Pending<K, V>>,
}

impl<K: Eq, V> Replaced<'_, '_, K, V> {
    fn take_out(&mut self, hash: u64, key: &K) {
        let table = &mut self.stripes.0[(hash >> 48) as usize % STRIPES].pending;
        if let Ok(entry) = table.find_entry(hash, |pending| pending.hash == hash && pending.key == *key) {
            self.entries.push(entry.remove().0);
        }
    }
}

impl<K, V> Drop for Replaced<'_, '_, K, V> {
    fn drop(&mut self) {
        for pending in self.entries.drain(..) {
            self.stripes.put(pending);
        }
    }
}
