//! [`Pages`]: the table of the owner, cut into small pages that it shares with its snapshots.
//!
//! Extendible hashing (Fagin and others, 1979): a directory of `2^depth` slots, indexed by some bits of the hash,
//! names the page of each key. A page that grows beyond [`PAGE_ENTRIES`] is split in two, so no write ever pays for more
//! than one page and, rarely, a directory of twice the length. A copy of the whole table is a copy of its list of
//! pages; a page that a snapshot shares is copied before the first write to it. So a snapshot costs one counted
//! reference per page, and a write after it one page.
//!
//! Each entry keeps its hash. Growing, splitting and shrinking a page then runs no code of the user's, and what cannot
//! panic cannot lose entries.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::map::{Change, Lookup};
use crate::raw::{prefetch, tally};

/// A page with more entries is split. One more still fits into a hash table of 256 buckets.
const PAGE_ENTRIES: usize = if cfg!(raceguard_stress) { 4 } else { 223 };

/// The directory has at most `2^MAX_DEPTH` slots. Keys whose hashes agree in all these bits share a page of any size.
const MAX_DEPTH: u32 = if cfg!(raceguard_stress) { 8 } else { 20 };

/// The directory looks at the bits from here upwards: hashbrown itself uses the lowest for the place in the page and
/// the seven highest as a tag, which would be the same for all of a page.
const FIRST_BIT: u32 = 32;

/// How many pages ahead of a walk the processor is asked to load.
const AHEAD: usize = 1;

#[derive(Debug, Clone)]
struct Item<K, V> {
    hash: u64,
    key: K,
    value: V,
}

#[derive(Debug, Clone)]
struct Page<K, V> {
    items: HashTable<Item<K, V>>,
    /// How many bits of the hash all keys of this page have in common.
    depth: u32,
}

impl<K, V> Page<K, V> {
    fn new(depth: u32) -> Self {
        Self { items: HashTable::new(), depth }
    }

    fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        let item = self.items.find(hash, |item| item.hash == hash && key.matches(&item.key))?;
        Some(&item.value)
    }

    fn add(&mut self, item: Item<K, V>) {
        self.items.insert_unique(item.hash, item, |item| item.hash);
    }
}

/// A table whose copies are cheap. Every method is told the hash of its key.
#[derive(Debug)]
pub(super) struct Pages<K, V> {
    /// The index in `list` of each slot's page.
    directory: Arc<Vec<u32>>,
    list: Vec<Arc<Page<K, V>>>,
    len: usize,
}

impl<K, V> Default for Pages<K, V> {
    fn default() -> Self {
        Self { directory: Arc::default(), list: Vec::new(), len: 0 }
    }
}

impl<K, V> Clone for Pages<K, V> {
    fn clone(&self) -> Self {
        Self { directory: Arc::clone(&self.directory), list: self.list.clone(), len: self.len }
    }
}

impl<K, V> Pages<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.list.get(self.page_of(hash)?)?.get(hash, key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let pages = self.list.iter().enumerate().flat_map(|(index, page)| {
            if let Some(later) = self.list.get(index + 2 * AHEAD) {
                prefetch::to_read(Arc::as_ptr(later));
            }
            if let Some(next) = self.list.get(index + AHEAD) {
                prefetch::table(&next.items);
            }
            &page.items
        });
        pages.map(|item| (&item.key, &item.value))
    }

    #[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
    pub(super) fn is_without_pages(&self) -> bool {
        self.list.is_empty()
    }

    /// `None` in an empty table, which has no page yet.
    #[inline]
    fn page_of(&self, hash: u64) -> Option<usize> {
        let mask = self.directory.len().wrapping_sub(1);
        self.directory.get(slot_bits(hash) & mask).map(|page| *page as usize)
    }
}

impl<K: Clone, V: Clone> Pages<K, V> {
    /// The page of this hash, for writing: the first page of an empty table, or a copy of a page that a snapshot has.
    fn page_mut(&mut self, hash: u64) -> (usize, &mut Page<K, V>) {
        if self.list.is_empty() {
            self.list.push(Arc::new(Page::new(0)));
            self.directory = Arc::new(vec![0]);
        }
        let index = self.page_of(hash).unwrap_or_default();
        (index, own(&mut self.list[index]))
    }

    pub(super) fn insert(&mut self, hash: u64, key: K, value: V) -> Option<V>
    where
        K: Eq,
    {
        let (index, page) = self.page_mut(hash);
        if let Some(item) = page.items.find_mut(hash, |item| item.hash == hash && item.key == key) {
            return Some(std::mem::replace(&mut item.value, value));
        }
        page.add(Item { hash, key, value });
        let full = page.items.len() > PAGE_ENTRIES;
        self.len += 1;
        if full {
            self.split(index, hash);
        }
        None
    }

    /// Calls `change` with the value, in place.
    pub(super) fn update<Q: Lookup<K> + ?Sized, R>(
        &mut self,
        hash: u64,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        // Looks first: the page of an absent key is not copied.
        self.get(hash, key)?;
        let (_, page) = self.page_mut(hash);
        let item = page.items.find_mut(hash, |item| item.hash == hash && key.matches(&item.key))?;
        Some(change(&mut item.value))
    }

    pub(super) fn compute<R>(
        &mut self,
        hash: u64,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> R
    where
        K: Eq,
    {
        let shown = self.list.get(self.page_of(hash).unwrap_or_default());
        let item = shown
            .and_then(|page| page.items.find(hash, |item| item.hash == hash && item.key == key))
            .map(|item| &item.value);
        let (change, result) = decide(item);
        match change {
            Change::Keep => {}
            Change::Put(value) => drop(self.insert(hash, key, value)),
            Change::Remove => drop(self.take(hash, |found| *found == key)),
        }
        result
    }

    pub(super) fn remove_if<Q: Lookup<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Option<V> {
        if condition(self.get(hash, key)?) { self.take(hash, |found| key.matches(found)) } else { None }
    }

    fn take(&mut self, hash: u64, mut is_it: impl FnMut(&K) -> bool) -> Option<V> {
        let (_, page) = self.page_mut(hash);
        let found = page.items.find_entry(hash, |item| item.hash == hash && is_it(&item.key)).ok()?;
        let (item, _) = found.remove();
        shrink(page);
        self.len -= 1;
        self.forget_pages_when_empty();
        Some(item.value)
    }

    /// Returns how many entries went. Right also when `keep` panics half-way.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) -> usize {
        let before = self.len;
        for shared in &mut self.list {
            let page = own(shared);
            page.items.retain(|item| {
                let stays = keep(&item.key, &item.value);
                self.len -= usize::from(!stays);
                stays
            });
            shrink(page);
        }
        self.forget_pages_when_empty();
        before - self.len
    }

    fn forget_pages_when_empty(&mut self) {
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// Splits the full page of `hash`, again if all its entries went to one side.
    fn split(&mut self, index: usize, hash: u64) {
        let mut index = index;
        loop {
            let page = own(&mut self.list[index]);
            if page.items.len() <= PAGE_ENTRIES || page.depth >= MAX_DEPTH {
                return;
            }
            let bit = 1_usize << page.depth;
            page.depth += 1;
            let depth = page.depth;
            let mut high = Page::new(depth);
            let all = std::mem::take(&mut page.items);
            for item in all {
                if slot_bits(item.hash) & bit == 0 { page.add(item) } else { high.add(item) }
            }
            self.list.push(Arc::new(high));
            self.point_to_high(depth, slot_bits(hash) & (bit - 1) | bit);
            index = self.page_of(hash).unwrap_or(index);
        }
    }

    /// Points the slots whose lowest `depth` bits are `pattern` to the newest page.
    fn point_to_high(&mut self, depth: u32, pattern: usize) {
        let newest = u32::try_from(self.list.len() - 1).expect("at most 2^MAX_DEPTH pages");
        let directory = Arc::make_mut(&mut self.directory);
        if directory.len() < 1 << depth {
            directory.extend_from_within(..);
        }
        for slot in directory.iter_mut().skip(pattern).step_by(1 << depth) {
            *slot = newest;
        }
    }
}

/// The page for writing: itself, or a copy if a snapshot has it too.
#[inline]
fn own<K: Clone, V: Clone>(shared: &mut Arc<Page<K, V>>) -> &mut Page<K, V> {
    if Arc::strong_count(shared) != 1 {
        tally::copied(shared.items.len());
    }
    Arc::make_mut(shared)
}

/// Gives memory back when three quarters of a page are unused.
fn shrink<K, V>(page: &mut Page<K, V>) {
    if page.items.capacity() > 16 && page.items.len() < page.items.capacity() / 4 {
        page.items.shrink_to(page.items.len() * 2, |item| item.hash);
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // The mask that follows keeps at most MAX_DEPTH bits.
fn slot_bits(hash: u64) -> usize {
    (hash >> FIRST_BIT) as usize
}
