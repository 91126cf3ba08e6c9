//! [`Node`]: a hash map of which versions share what they have in common.
//!
//! A small map is one flat hash table, as quick to read as any. A larger one is a trie over the bits of the hash (P.
//! Bagwell, "Ideal hash trees", 2001) whose leaves are hash tables of some hundred entries: a lookup in a million
//! entries goes through two inner nodes, and a write copies the leaf and the inner nodes above it. Leaves split when
//! they are full and merge when they are nearly empty, one at a time, so no write pays for the whole map.
//!
//! Every change works on nodes that no other version uses: [`Arc::make_mut`] copies the others. A panic of user code
//! leaves a half-made copy, which is dropped, and never a half-changed version.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{HashTable, hash_table};

use crate::map::Lookup;
use crate::raw::prefetch;

/// Children of an inner node, and the bits of the hash that pick one.
const FANOUT_BITS: u32 = if cfg!(raceguard_stress) { 2 } else { 6 };
pub(super) const FANOUT: usize = 1 << FANOUT_BITS;

/// The lowest bit that picks a child; a leaf uses the lowest bits of all. The ones just above those are left out, for
/// foldhash spreads runs of small integers unevenly over them.
const FIRST_BIT: u32 = 22;

/// Below this many levels leaves do not split: what collides so far collides for ever.
const DEEPEST: u32 = 6;

/// What the entries of a leaf may weigh.
const LEAF_BYTES: usize = 32 << 10;

/// The table of a leaf does not get smaller than this.
const SMALLEST: usize = 14;

/// A map, or a part of one whose keys agree in the bits that lead to it.
#[derive(Debug)]
pub(super) enum Node<K, V> {
    Leaf(HashTable<(K, V)>),
    Inner(Inner<K, V>),
}

#[derive(Debug)]
pub(super) struct Inner<K, V> {
    len: usize,
    children: Box<[Arc<Node<K, V>>; FANOUT]>,
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(HashTable::new())
    }
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(entries.clone()),
            Self::Inner(inner) => Self::Inner(Inner { len: inner.len, children: inner.children.clone() }),
        }
    }
}

impl<K, V> Node<K, V> {
    /// The most entries of a leaf: what a write may have to copy. Fewer where a copy is more than a move of bytes.
    const LEAF: usize = {
        let size = size_of::<(K, V)>();
        let copies = if std::mem::needs_drop::<(K, V)>() { 128 } else { 512 };
        if cfg!(raceguard_stress) {
            4
        } else if size * copies <= LEAF_BYTES {
            copies
        } else if size * 16 >= LEAF_BYTES {
            16
        } else {
            LEAF_BYTES / size
        }
    };

    /// The most entries of a leaf that is the whole map: reading it is quickest.
    const FLAT: usize = 3 * Self::LEAF;

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(inner) => inner.len,
        }
    }

    /// The bytes that a version with this root does not share with the next one, roughly. What keys and values own is
    /// not known; so it is never less than makes some hundred versions a lot.
    pub(super) fn own_bytes(&self) -> usize {
        let bytes = match self {
            Self::Leaf(entries) => entries.allocation_size(),
            Self::Inner(_) => Self::LEAF * size_of::<(K, V)>() + 2 * FANOUT * size_of::<usize>(),
        };
        bytes.max(4 << 10)
    }

    pub(super) fn for_each(&self, visit: &mut impl FnMut(&K, &V)) {
        self.iter().for_each(|(key, value)| visit(key, value));
    }

    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new(), leaf: None };
        iter.enter(self);
        iter
    }
}

#[inline]
fn child_of(bits: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than FANOUT")]
    let child = (bits % FANOUT as u64) as usize;
    child
}

fn child_at(hash: u64, level: u32) -> usize {
    child_of(hash >> (FIRST_BIT + level * FANOUT_BITS))
}

impl<K: Hash + Eq, V> Node<K, V> {
    #[inline]
    pub(super) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        let mut node = self;
        let mut bits = hash >> FIRST_BIT;
        loop {
            match node {
                Self::Leaf(entries) => {
                    return entries.find(hash, |(found, _)| key.matches(found)).map(|(_, value)| value);
                }
                Self::Inner(inner) => {
                    node = &inner.children[child_of(bits)];
                    bits >>= FANOUT_BITS;
                }
            }
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Node<K, V> {
    /// The value of a key, in leaves of this version's own.
    pub(super) fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V> {
        let mut node = self;
        let mut bits = hash >> FIRST_BIT;
        loop {
            match node {
                Self::Leaf(entries) => {
                    let found = entries.find_mut(hash, |(found, _)| key.matches(found));
                    return found.map(|(_, value)| value);
                }
                Self::Inner(inner) => {
                    node = Arc::make_mut(&mut inner.children[child_of(bits)]);
                    bits >>= FANOUT_BITS;
                }
            }
        }
    }

    /// Returns the replaced value.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V, hasher: &impl BuildHasher) -> Option<V> {
        self.insert_below(0, hash, key, value, hasher)
    }

    fn insert_below(
        &mut self,
        level: u32,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
    ) -> Option<V> {
        if let Self::Leaf(entries) = self {
            if let Some((_, present)) = entries.find_mut(hash, |(found, _)| *found == key) {
                return Some(std::mem::replace(present, value));
            }
            let most = if level == 0 { Self::FLAT } else { Self::LEAF };
            if entries.len() < most || level == DEEPEST {
                entries.insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
                return None;
            }
            *self = Self::Inner(split(std::mem::take(entries), level, hasher));
        }
        let Self::Inner(inner) = self else { return None };
        let child = Arc::make_mut(&mut inner.children[child_at(hash, level)]);
        let replaced = child.insert_below(level + 1, hash, key, value, hasher);
        inner.len += usize::from(replaced.is_none());
        replaced
    }

    /// Removes a key that may be there.
    pub(super) fn remove<Q: Lookup<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        hasher: &impl BuildHasher,
    ) -> Option<V> {
        self.remove_below(0, hash, key, hasher)
    }

    fn remove_below<Q: Lookup<K> + ?Sized>(
        &mut self,
        level: u32,
        hash: u64,
        key: &Q,
        hasher: &impl BuildHasher,
    ) -> Option<V> {
        let removed = match self {
            Self::Leaf(entries) => {
                let entry = entries.find_entry(hash, |(found, _)| key.matches(found)).ok()?;
                let ((_, value), _) = entry.remove();
                if entries.capacity() > SMALLEST && entries.len() < entries.capacity() / 8 {
                    entries.shrink_to(entries.len() * 2, |(key, _)| hasher.hash_one(key));
                }
                value
            }
            Self::Inner(inner) => {
                let child = Arc::make_mut(&mut inner.children[child_at(hash, level)]);
                let value = child.remove_below(level + 1, hash, key, hasher)?;
                inner.len -= 1;
                value
            }
        };
        self.merge_if_small(hasher);
        Some(removed)
    }

    /// Makes an inner node with few entries a leaf.
    fn merge_if_small(&mut self, hasher: &impl BuildHasher) {
        if let Self::Inner(inner) = self
            && inner.len <= Self::LEAF / 4
        {
            let mut entries = HashTable::with_capacity(inner.len);
            let rehash = |(key, _): &(K, V)| hasher.hash_one(key);
            for child in inner.children.iter() {
                child.for_each(&mut |key, value| {
                    let entry = (key.clone(), value.clone());
                    entries.insert_unique(rehash(&entry), entry, rehash);
                });
            }
            *self = Self::Leaf(entries);
        }
    }

    /// Without the entries that `keep` refuses; `None` if it keeps all.
    pub(super) fn retain(
        &self,
        keep: &mut impl FnMut(&K, &V) -> bool,
        hasher: &impl BuildHasher,
    ) -> Option<Self> {
        match self {
            Self::Leaf(entries) => {
                let kept: Vec<_> = entries.iter().filter(|(key, value)| keep(key, value)).collect();
                if kept.len() == entries.len() {
                    return None;
                }
                let mut left = HashTable::with_capacity(kept.len());
                for entry in kept {
                    left.insert_unique(hasher.hash_one(&entry.0), entry.clone(), |(key, _)| {
                        hasher.hash_one(key)
                    });
                }
                Some(Self::Leaf(left))
            }
            Self::Inner(inner) => {
                let mut left: Option<Inner<K, V>> = None;
                for (index, child) in inner.children.iter().enumerate() {
                    if let Some(smaller) = child.retain(keep, hasher) {
                        let left = left.get_or_insert_with(|| Inner {
                            len: inner.len,
                            children: inner.children.clone(),
                        });
                        left.len -= child.len() - smaller.len();
                        left.children[index] = Arc::new(smaller);
                    }
                }
                let mut left = Self::Inner(left?);
                left.merge_if_small(hasher);
                Some(left)
            }
        }
    }
}

/// The entries of a full leaf, one level further down.
fn split<K: Hash, V>(entries: HashTable<(K, V)>, level: u32, hasher: &impl BuildHasher) -> Inner<K, V> {
    let len = entries.len();
    let mut leaves: [HashTable<(K, V)>; FANOUT] = std::array::from_fn(|_| HashTable::new());
    for entry in entries {
        let hash = hasher.hash_one(&entry.0);
        leaves[child_at(hash, level)].insert_unique(hash, entry, |(key, _)| hasher.hash_one(key));
    }
    Inner { len, children: Box::new(leaves.map(|leaf| Arc::new(Node::Leaf(leaf)))) }
}

/// How many leaves ahead of a walk the processor is asked to load.
const AHEAD: usize = 1;

/// The entries of a version, in no order.
#[derive(Debug)]
pub(super) struct Iter<'a, K, V> {
    above: Vec<std::slice::Iter<'a, Arc<Node<K, V>>>>,
    leaf: Option<hash_table::Iter<'a, (K, V)>>,
}

impl<'a, K, V> Iter<'a, K, V> {
    fn enter(&mut self, node: &'a Node<K, V>) {
        match node {
            Node::Leaf(entries) => self.leaf = Some(entries.iter()),
            Node::Inner(inner) => {
                inner.children.iter().for_each(|child| prefetch::to_read(Arc::as_ptr(child)));
                self.above.push(inner.children.iter());
            }
        }
    }

    /// Enters the next child of the innermost node, or leaves that when it has no more; false when no node is left.
    fn go_on(&mut self) -> bool {
        let Some(children) = self.above.last_mut() else { return false };
        let child = children.next();
        if let Some(Node::Leaf(entries)) = children.as_slice().get(AHEAD - 1).map(|child| &**child) {
            prefetch::table(entries);
        }
        match child {
            Some(child) => self.enter(child),
            None => drop(self.above.pop()),
        }
        true
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.as_mut().and_then(Iterator::next) {
                return Some((key, value));
            }
            self.leaf = None;
            if !self.go_on() {
                return None;
            }
        }
    }

    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut step: F) -> B {
        let mut result = init;
        loop {
            if let Some(leaf) = self.leaf.take() {
                result = leaf.fold(result, |result, (key, value)| step(result, (key, value)));
            }
            if !self.go_on() {
                return result;
            }
        }
    }
}
