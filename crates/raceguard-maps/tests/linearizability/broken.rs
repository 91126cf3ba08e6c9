//! Maps with one fault each: every one has to be caught, or the suite shows nothing.

use std::sync::Mutex as Held;

use raceguard_maps::{
    Change, CloseReport, ConcurrentMap, Consistency, Entries, Lookup, MapError, MapSnapshot, MutexMap,
};

use crate::subjects::Home;
use crate::{first_seed, search};

/// Histories in which a fault must show.
const ENOUGH: u64 = 20_000;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Fault {
    /// `update` reads and writes in two steps.
    Update,
    /// `compute` decides on a value that may have changed when it acts.
    Compute,
    /// `insert_if_absent` looks and inserts in two steps.
    InsertIfAbsent,
    /// `remove_if` removes what it has not judged.
    RemoveIf,
    /// A read now and then gives the value of the last read of that key.
    StaleRead,
    /// A remove that meets another write now and then does nothing but says that it did.
    LostRemove,
    /// `for_each` visits key by key.
    ForEach,
    /// `snapshot` copies key by key.
    Snapshot,
    /// `retain` removes key by key.
    Retain,
    /// `apply` works operation by operation.
    Apply,
    /// `len` adds up key by key.
    Len,
}

/// A map with one fault, which claims to have none.
struct Broken<const FAULT: u8> {
    right: MutexMap<u64, u64>,
    /// Of the last read of each key.
    seen: Held<Vec<(u64, Option<u64>)>>,
}

impl<const FAULT: u8> Broken<FAULT> {
    fn new() -> Home<Self> {
        Home::of(Self { right: MutexMap::new(), seen: Held::default() })
    }

    fn has(fault: Fault) -> bool {
        FAULT == fault as u8
    }

    /// Between the two steps of what should be one.
    fn gap() {
        #[cfg(raceguard_shuttle)]
        shuttle::thread::yield_now();
        #[cfg(not(raceguard_shuttle))]
        std::thread::yield_now();
    }

    /// The last value seen, once in a while.
    fn stale(&self, key: u64, value: Option<u64>) -> Option<u64> {
        let mut seen = self.seen.lock().expect("no panic under this lock");
        let last = seen.iter().rev().find(|(of, _)| *of == key).map(|(_, value)| *value);
        seen.push((key, value));
        if seen.len().is_multiple_of(8) { last.unwrap_or(value) } else { value }
    }

    fn keys(&self) -> Result<Vec<u64>, MapError> {
        let mut keys: Vec<u64> = self.right.snapshot()?.iter().map(|(key, _)| *key).collect();
        keys.extend(0..3);
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Every entry, each at its own time.
    fn one_by_one(&self) -> Result<Vec<(u64, u64)>, MapError> {
        let mut entries = Vec::new();
        for key in self.keys()? {
            Self::gap();
            entries.extend(self.right.get(&key)?.map(|value| (key, value)));
        }
        Ok(entries)
    }
}

impl<const FAULT: u8> ConcurrentMap<u64, u64> for Broken<FAULT> {
    type Snapshot = Entries<u64, u64>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    fn get_with<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&u64) -> R,
    ) -> Result<Option<R>, MapError> {
        let mut value = self.right.get(key)?;
        if Self::has(Fault::StaleRead) {
            value = self.stale(key.to_key(), value);
        }
        Ok(value.as_ref().map(read))
    }

    fn insert(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        self.right.insert(key, value)
    }

    fn insert_if_absent(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        if Self::has(Fault::InsertIfAbsent) {
            let found = self.right.get(&key)?;
            Self::gap();
            return if found.is_some() { Ok(found) } else { self.right.insert(key, value).map(|_| None) };
        }
        self.right.insert_if_absent(key, value)
    }

    fn update<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut u64) -> R,
    ) -> Result<Option<R>, MapError> {
        if Self::has(Fault::Update) {
            let Some(mut value) = self.right.get(key)? else { return Ok(None) };
            let result = change(&mut value);
            Self::gap();
            self.right.insert(key.to_key(), value)?;
            return Ok(Some(result));
        }
        self.right.update(key, change)
    }

    fn compute<R>(
        &self,
        key: u64,
        decide: impl FnOnce(Option<&u64>) -> (Change<u64>, R),
    ) -> Result<R, MapError> {
        if Self::has(Fault::Compute) {
            let (change, result) = decide(self.right.get(&key)?.as_ref());
            Self::gap();
            self.right.compute(key, |_| (change, ()))?;
            return Ok(result);
        }
        self.right.compute(key, decide)
    }

    fn remove_if<Q: Lookup<u64> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&u64) -> bool,
    ) -> Result<Option<u64>, MapError> {
        if Self::has(Fault::RemoveIf) {
            let Some(judged) = self.right.get(key)? else { return Ok(None) };
            let goes = condition(&judged);
            Self::gap();
            return if goes { self.right.remove(key).map(|_| Some(judged)) } else { Ok(None) };
        }
        if Self::has(Fault::LostRemove) {
            let Some(found) = self.right.get(key)? else { return Ok(None) };
            let goes = condition(&found);
            Self::gap();
            let unchanged = |value: &u64| *value == found;
            return if goes { self.right.remove_if(key, unchanged).map(|_| Some(found)) } else { Ok(None) };
        }
        self.right.remove_if(key, condition)
    }

    fn retain(&self, mut keep: impl FnMut(&u64, &u64) -> bool) -> Result<usize, MapError> {
        if Self::has(Fault::Retain) {
            let mut gone = 0;
            for key in self.keys()? {
                Self::gap();
                gone += usize::from(self.right.remove_if(&key, |value| !keep(&key, value))?.is_some());
            }
            return Ok(gone);
        }
        self.right.retain(keep)
    }

    fn len(&self) -> Result<usize, MapError> {
        if Self::has(Fault::Len) { Ok(self.one_by_one()?.len()) } else { self.right.len() }
    }

    fn for_each(&self, mut visit: impl FnMut(&u64, &u64)) -> Result<(), MapError> {
        if Self::has(Fault::ForEach) {
            self.one_by_one()?.iter().for_each(|(key, value)| visit(key, value));
            return Ok(());
        }
        self.right.for_each(visit)
    }

    fn snapshot(&self) -> Result<Entries<u64, u64>, MapError> {
        if Self::has(Fault::Snapshot) { Ok(Entries::new(self.one_by_one()?)) } else { self.right.snapshot() }
    }

    fn apply(
        &self,
        batch: impl IntoIterator<Item = raceguard_maps::Operation<u64, u64>>,
    ) -> Result<usize, MapError> {
        if !Self::has(Fault::Apply) {
            return self.right.apply(batch);
        }
        let mut changed = 0;
        for operation in batch {
            Self::gap();
            changed += self.right.apply([operation])?;
        }
        Ok(changed)
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        self.right.close()
    }
}

fn is_caught<const FAULT: u8>() {
    let found = search(Broken::<FAULT>::new, first_seed(), ENOUGH);
    assert!(found.is_err(), "a broken map passed {ENOUGH} histories");
}

/// A test for each fault.
macro_rules! faults {
    ($($name:ident: $fault:ident;)*) => {
        $(#[test]
        fn $name() {
            is_caught::<{ Fault::$fault as u8 }>();
        })*
    };
}

faults! {
    an_update_in_two_steps_is_caught: Update;
    a_compute_in_two_steps_is_caught: Compute;
    an_insert_if_absent_in_two_steps_is_caught: InsertIfAbsent;
    a_remove_if_in_two_steps_is_caught: RemoveIf;
    a_stale_read_is_caught: StaleRead;
    a_lost_remove_is_caught: LostRemove;
    a_visit_key_by_key_is_caught: ForEach;
    a_snapshot_key_by_key_is_caught: Snapshot;
    a_retain_key_by_key_is_caught: Retain;
    a_batch_in_steps_is_caught: Apply;
    a_count_key_by_key_is_caught: Len;
}
