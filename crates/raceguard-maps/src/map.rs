//! The interface of every strategy and layer: [`ConcurrentMap`].

use std::borrow::Borrow;
use std::hash::Hash;

use crate::consistency::Consistency;
use crate::error::MapError;
use crate::lifecycle::CloseReport;
use crate::snapshot::MapSnapshot;

/// What can be looked up in a map with keys of type `K`: the key itself, or what it borrows as (`str` for `String`).
///
/// ```
/// use std::hash::{Hash, Hasher};
/// use raceguard_maps::{ConcurrentMap, Lookup, MutexMap};
///
/// /// A key of two parts, without the allocation of a `(String, u32)`.
/// #[derive(PartialEq, Eq)]
/// struct Part<'a>(&'a str, u32);
///
/// impl Hash for Part<'_> {
///     fn hash<H: Hasher>(&self, state: &mut H) {
///         (self.0, self.1).hash(state); // as the tuple does
///     }
/// }
///
/// impl Lookup<(String, u32)> for Part<'_> {
///     fn matches(&self, key: &(String, u32)) -> bool {
///         key.0 == self.0 && key.1 == self.1
///     }
///
///     fn to_key(&self) -> (String, u32) {
///         (self.0.to_owned(), self.1)
///     }
/// }
///
/// let map: MutexMap<(String, u32), bool> = MutexMap::new();
/// map.insert(("a".to_owned(), 1), true)?;
/// assert_eq!(map.get(&Part("a", 1))?, Some(true));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub trait Lookup<K>: Hash + Eq {
    /// Whether this is the given key.
    fn matches(&self, key: &K) -> bool;

    /// The key as an owned value, for strategies that send it to another thread.
    fn to_key(&self) -> K;
}

impl<K, Q> Lookup<K> for Q
where
    K: Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
{
    fn matches(&self, key: &K) -> bool {
        self == key.borrow()
    }

    fn to_key(&self) -> K {
        self.to_owned()
    }
}

/// What [`ConcurrentMap::compute`] does with the entry it was shown.
///
/// ```
/// use raceguard_maps::{Change, ConcurrentMap, MutexMap};
///
/// let stock: MutexMap<&str, u32> = MutexMap::new();
/// stock.insert("apples", 1)?;
/// // Takes one out; the key goes with the last one.
/// let take = |left: Option<&u32>| match left {
///     None => (Change::Keep, false),
///     Some(1) => (Change::Remove, true),
///     Some(left) => (Change::Put(left - 1), true),
/// };
/// assert_eq!((stock.compute("apples", take)?, stock.compute("apples", take)?), (true, false));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<V> {
    /// The entry stays as it is, or absent.
    Keep,
    /// The entry gets this value.
    Put(V),
    /// The entry goes away.
    Remove,
}

/// One element of a batch for [`ConcurrentMap::apply`].
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MutexMap, Operation};
///
/// let map: MutexMap<&str, u32> = MutexMap::new();
/// let batch = [Operation::Insert("a", 1), Operation::InsertIfAbsent("a", 2), Operation::Remove("b")];
/// assert_eq!(map.apply(batch)?, 1, "one of them changed something");
/// assert_eq!(map.get(&"a")?, Some(1));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation<K, V> {
    /// As [`ConcurrentMap::insert`].
    Insert(K, V),
    /// As [`ConcurrentMap::insert_if_absent`].
    InsertIfAbsent(K, V),
    /// As [`ConcurrentMap::remove`].
    Remove(K),
}

/// A map that many threads use through `&self`.
///
/// Values go in and out by value: `V` is cloned on the way out, so large values belong in an `Arc`. Every method
/// returns [`MapError::Closed`] after [`close`](Self::close); further errors are named at the strategies that have them.
///
/// A closure runs exactly once where the entry that it is about exists, on the calling thread, and may run under a
/// lock of the map: it must not use the same map again (the `Checked` layer reports that with both call sites
/// instead of a hang). A panic of a closure, of `Hash`, `Eq` or `Clone` goes on to the caller; the map stays usable. Only
/// work that a call does for others besides its own, such as moving entries to a larger table, may stop at a panic of
/// `Hash` without telling: it is done again later, and the call itself was then done in full.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, LockFreeMap, MapError, ShardedMap};
///
/// /// Works with every strategy and layer.
/// fn count_words(words: &str, counts: &impl ConcurrentMap<String, u32>) -> Result<(), MapError> {
///     for word in words.split_whitespace() {
///         if counts.update(word, |count| *count += 1)?.is_none() {
///             counts.insert(word.to_owned(), 1)?;
///         }
///     }
///     Ok(())
/// }
///
/// let (sharded, lock_free) = (ShardedMap::new(), LockFreeMap::new());
/// count_words("a b a", &sharded)?;
/// count_words("a b a", &lock_free)?;
/// assert_eq!((sharded.get("a")?, lock_free.get("a")?), (Some(2), Some(2)));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub trait ConcurrentMap<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// What [`snapshot`](Self::snapshot) returns.
    type Snapshot: MapSnapshot<K, V>;

    /// What each method promises to concurrent callers.
    const CONSISTENCY: Consistency;

    /// Calls `read` with the value of `key`; `None` when the key is absent.
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError>;

    /// A clone of the value of `key`.
    fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        self.get_with(key, V::clone)
    }

    /// Whether `key` is present.
    fn contains_key<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<bool, MapError> {
        Ok(self.get_with(key, |_| ())?.is_some())
    }

    /// Sets the value of `key` and returns the value that it replaced.
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError>;

    /// Sets the value of `key` if there is none. Returns the value that was there and stays, or `None` after
    /// inserting.
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError>;

    /// Changes the value of `key` as one atomic step; `None` when the key is absent (`change` is then not called).
    ///
    /// When `change` panics, a strategy that updates in place keeps what the closure had done until then, and one that
    /// updates a clone keeps the old value; [`CONSISTENCY`](Self::CONSISTENCY) says which.
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError>;

    /// Shows `decide` the value of `key`, or its absence, and does what it returns, as one atomic step.
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError>;

    /// Removes `key` and returns its value.
    fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        self.remove_if(key, |_| true)
    }

    /// Removes `key` if `condition` holds for its value, as one atomic step, and returns the removed value.
    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError>;

    /// Removes the entries for which `keep` is false and returns how many those were.
    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError>;

    /// Removes all entries and returns how many those were.
    fn clear(&self) -> Result<usize, MapError> {
        self.retain(|_, _| false)
    }

    /// How many entries there are.
    fn len(&self) -> Result<usize, MapError>;

    /// Whether there are no entries.
    fn is_empty(&self) -> Result<bool, MapError> {
        Ok(self.len()? == 0)
    }

    /// How many entries each independent part of the map holds, for telling a bad hasher or too few shards: one part
    /// unless the strategy has shards.
    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        Ok(vec![self.len()?])
    }

    /// Calls `visit` with every entry, in no order.
    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError>;

    /// The entries as they are now, to iterate over without holding up anybody.
    fn snapshot(&self) -> Result<Self::Snapshot, MapError>;

    /// Does all operations in order and returns how many of them changed the map. How much of a batch other callers
    /// can see at once differs: see [`CONSISTENCY`](Self::CONSISTENCY).
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let mut changed = 0;
        for operation in batch {
            let changes = match operation {
                Operation::Insert(key, value) => {
                    self.insert(key, value)?;
                    true
                }
                Operation::InsertIfAbsent(key, value) => self.insert_if_absent(key, value)?.is_none(),
                Operation::Remove(key) => self.remove(&key)?.is_some(),
            };
            changed += usize::from(changes);
        }
        Ok(changed)
    }

    /// Ends the map's life: waits for what is under way, flushes what a layer holds back, frees the entries, and says
    /// what remained. Calling it again gives the same report with `already_closed` set.
    fn close(&self) -> Result<CloseReport, MapError>;
}
