//! [`Core`]: a cell with the current version, and the lock of those who make the next one.
//!
//! One is a [`SnapshotMap`](super::SnapshotMap), many are a `ShardedSnapshotMap`.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::tree::Node;
use crate::error::MapError;
use crate::map::{Change, Lookup, Operation};
use crate::raw::snapshot_cell::{Graveyard, SnapshotCell};
use crate::raw::sync::Mutex;
use crate::table::HashedBatch;

/// A map that never changes.
#[derive(Debug)]
pub(crate) struct Version<K, V> {
    root: Node<K, V>,
    number: u64,
    /// Set in the last version of a closed map.
    closed: Option<usize>,
}

impl<K, V> Version<K, V> {
    fn first() -> Self {
        Self { root: Node::default(), number: 0, closed: None }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    /// This version, unless the map is closed.
    #[inline]
    pub(crate) fn open(&self) -> Result<&Self, MapError> {
        if self.closed.is_some() { Err(MapError::Closed) } else { Ok(self) }
    }

    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        self.root.for_each(&mut visit);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.root.iter()
    }
}

impl<K: Hash + Eq, V> Version<K, V> {
    #[inline]
    pub(crate) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.root.get(hash, key)
    }
}

/// A change that needs no new version has `root: None`.
struct Edit<K, V, R> {
    root: Option<Node<K, V>>,
    result: R,
}

impl<K, V, R> Edit<K, V, R> {
    fn nothing(result: R) -> Self {
        Self { root: None, result }
    }

    fn new(root: Node<K, V>, result: R) -> Self {
        Self { root: Some(root), result }
    }
}

/// The versions of one map or shard.
#[derive(Debug)]
pub(crate) struct Core<K, V> {
    cell: CachePadded<SnapshotCell<Version<K, V>>>,
    /// Held while the next version is made; holds the current one. On cache lines of its own: readers look at the cell.
    writer: CachePadded<Mutex<Arc<Version<K, V>>>>,
}

impl<K, V> Core<K, V> {
    pub(crate) fn new() -> Self {
        let first = Arc::new(Version::first());
        Self {
            cell: CachePadded::new(SnapshotCell::new(Arc::clone(&first))),
            writer: CachePadded::new(Mutex::new(first)),
        }
    }

    /// Calls `read` with the current version, wait-free.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(&Version<K, V>) -> R) -> R {
        self.cell.with(read)
    }

    /// The current version, to keep.
    pub(crate) fn load(&self) -> Arc<Version<K, V>> {
        self.cell.load()
    }

    #[inline]
    pub(crate) fn is_current(&self, version: &Arc<Version<K, V>>) -> bool {
        self.cell.is(version)
    }

    /// Makes and publishes the next version, on no condition or on that of the current number. What the change
    /// displaced is buried after the lock was let go.
    fn edit<R, E: From<MapError>>(
        &self,
        graveyard: &Graveyard<Version<K, V>>,
        make: impl FnOnce(&Version<K, V>) -> Result<Edit<K, V, R>, E>,
    ) -> Result<R, E> {
        let mut current = self.writer.lock();
        let Edit { root, result } = make(current.open()?)?;
        if let Some(root) = root {
            let bytes = root.own_bytes();
            let next = Arc::new(Version { root, number: current.number + 1, closed: None });
            let displaced = self.cell.swap(Arc::clone(&next));
            let held = std::mem::replace(&mut *current, next);
            drop(current);
            drop(held);
            graveyard.bury(displaced, bytes);
        }
        Ok(result)
    }

    /// Puts an empty closed version in the place of the current one. Returns how many entries there were, and whether
    /// the map had been closed before.
    pub(crate) fn close(&self, graveyard: &Graveyard<Version<K, V>>) -> (usize, bool) {
        let mut current = self.writer.lock();
        if let Some(entries) = current.closed {
            return (entries, true);
        }
        let entries = current.len();
        let last = Version { root: Node::default(), number: current.number + 1, closed: Some(entries) };
        let last = Arc::new(last);
        let displaced = self.cell.swap(Arc::clone(&last));
        let held = std::mem::replace(&mut *current, last);
        drop(current);
        drop(held);
        graveyard.bury(displaced, 0);
        (entries, false)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Core<K, V> {
    pub(crate) fn insert(
        &self,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<Option<V>, MapError> {
        self.edit(graveyard, |current| {
            let mut root = current.root.clone();
            let replaced = root.insert(hash, key, value, hasher);
            Ok(Edit::new(root, replaced))
        })
    }

    pub(crate) fn insert_if_absent(
        &self,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<Option<V>, MapError> {
        self.edit(graveyard, |current| {
            if let Some(present) = current.get(hash, &key) {
                return Ok(Edit::nothing(Some(present.clone())));
            }
            let mut root = current.root.clone();
            root.insert(hash, key, value, hasher);
            Ok(Edit::new(root, None))
        })
    }

    pub(crate) fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        hash: u64,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<Option<R>, MapError> {
        self.edit(graveyard, |current| {
            if current.get(hash, key).is_none() {
                return Ok(Edit::nothing(None));
            }
            let mut root = current.root.clone();
            let result = root.get_mut(hash, key).map(change);
            Ok(Edit::new(root, result))
        })
    }

    pub(crate) fn compute<R>(
        &self,
        hash: u64,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<R, MapError> {
        self.edit(graveyard, |current| {
            let found = current.get(hash, &key);
            let (change, result) = decide(found);
            let mut root = match change {
                Change::Keep => return Ok(Edit::nothing(result)),
                Change::Remove if found.is_none() => return Ok(Edit::nothing(result)),
                _ => current.root.clone(),
            };
            match change {
                Change::Put(value) => drop(root.insert(hash, key, value, hasher)),
                _ => drop(root.remove(hash, &key, hasher)),
            }
            Ok(Edit::new(root, result))
        })
    }

    pub(crate) fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<Option<V>, MapError> {
        self.edit(graveyard, |current| {
            if !current.get(hash, key).is_some_and(condition) {
                return Ok(Edit::nothing(None));
            }
            let mut root = current.root.clone();
            let removed = root.remove(hash, key, hasher);
            Ok(Edit::new(root, removed))
        })
    }

    pub(crate) fn retain(
        &self,
        mut keep: impl FnMut(&K, &V) -> bool,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<usize, MapError> {
        self.edit(graveyard, |current| {
            Ok(match current.root.retain(&mut keep, hasher) {
                Some(root) => {
                    let removed = current.len() - root.len();
                    Edit::new(root, removed)
                }
                None => Edit::nothing(0),
            })
        })
    }

    pub(crate) fn clear(&self, graveyard: &Graveyard<Version<K, V>>) -> Result<usize, MapError> {
        self.edit(graveyard, |current| {
            Ok(match current.len() {
                0 => Edit::nothing(0),
                removed => Edit::new(Node::default(), removed),
            })
        })
    }

    /// Does a batch as one version, if `check` agrees to the current version number. Returns how many operations
    /// changed the map, and the number of the version that holds the result.
    pub(crate) fn apply<E: From<MapError>>(
        &self,
        batch: HashedBatch<K, V>,
        check: impl FnOnce(u64) -> Result<(), E>,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<(usize, u64), E> {
        self.edit(graveyard, |current| {
            check(current.number)?;
            let mut next: Option<Node<K, V>> = None;
            let mut changed = 0;
            for (hash, operation) in batch {
                let seen = next.as_ref().unwrap_or(&current.root);
                let idle = match &operation {
                    Operation::Insert(..) => false,
                    Operation::InsertIfAbsent(key, _) => seen.get(hash, key).is_some(),
                    Operation::Remove(key) => seen.get(hash, key).is_none(),
                };
                if idle {
                    continue;
                }
                changed += 1;
                let root = next.get_or_insert_with(|| current.root.clone());
                match operation {
                    Operation::Insert(key, value) | Operation::InsertIfAbsent(key, value) => {
                        drop(root.insert(hash, key, value, hasher));
                    }
                    Operation::Remove(key) => drop(root.remove(hash, &key, hasher)),
                }
            }
            let number = current.number + u64::from(next.is_some());
            Ok(Edit { root: next, result: (changed, number) })
        })
    }

    /// Puts these entries in the place of all, if `check` agrees to the current version number. Returns the number of
    /// the new version.
    pub(crate) fn replace<E: From<MapError>>(
        &self,
        entries: Vec<(K, V)>,
        check: impl FnOnce(u64) -> Result<(), E>,
        hasher: &impl BuildHasher,
        graveyard: &Graveyard<Version<K, V>>,
    ) -> Result<u64, E> {
        let mut root = Node::default();
        for (key, value) in entries {
            root.insert(hasher.hash_one(&key), key, value, hasher);
        }
        self.edit(graveyard, |current| {
            check(current.number)?;
            Ok(Edit::new(root, current.number + 1))
        })
    }
}
