//! How a [`Table`] grows and shrinks: one segment at a time.
//!
//! With `n` segments, `base` the largest power of two up to `n`, the segments `0..n - base` have been split in this
//! round and the others not; the next to split is number `n - base`. A round is quick: it begins when segments are full
//! to 27/32 on average, and splits one for every 1/14 of a segment that comes in. So segments are never much emptier
//! than half, all memory is in proportion to the entries, and each entry moves once per doubling as in a plain hash
//! table. A segment that chance, or a bad hasher, fills before its turn grows alone.
//!
//! Shrinking goes the same way back: the last segment is merged into the one it came from.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use super::Table;

/// What a segment may weigh, in bytes: small enough that splitting one takes microseconds, and that its memory comes
/// from the allocator's own pools rather than from a system call.
const SEGMENT_BYTES: usize = 64 << 10;

/// A table with this little room does not shrink.
const SMALLEST: usize = 28;

/// Where the entries of a segment are, and their hashes.
type Plan = Vec<(usize, u64)>;

impl<K, V> Table<K, V> {
    /// The lowest bit of a hash that picks the segment. A segment uses fewer bits than this. The bits just above those
    /// are not used: foldhash spreads runs of small integers unevenly over them.
    pub(super) const INDEX_SHIFT: u32 = 22;

    /// How many entries a segment is made for.
    pub(super) const SEGMENT: usize = {
        let size = size_of::<(K, V)>();
        let buckets = if cfg!(raceguard_stress) {
            8
        } else if size == 0 || SEGMENT_BYTES / size > 4096 {
            4096
        } else if SEGMENT_BYTES / size < 64 {
            64
        } else {
            1 << (SEGMENT_BYTES / size).ilog2()
        };
        // The load that a hash table of so many buckets carries.
        buckets / 8 * 7
    };

    /// Entries per segment, on average, at which a round of splits begins.
    pub(super) const FIRST_SPLIT: usize = Self::SEGMENT * 27 / 32;

    /// New entries from one split of a round to the next.
    const STEP: usize = Self::SEGMENT.div_ceil(14);

    /// Sets the marks after the segments or their sizes changed.
    fn set_marks(&mut self) {
        let count = self.segments.len().max(1);
        let base = 1 << count.ilog2();
        self.mask = count.next_power_of_two() - 1;
        self.split_at = base * Self::FIRST_SPLIT + (count - base) * Self::STEP;
        self.shrink_at = match self.small.capacity() {
            _ if count > 1 => count * (Self::SEGMENT / 4),
            capacity if capacity > SMALLEST => capacity / 8,
            _ => 0,
        };
    }
}

impl<K: Hash, V> Table<K, V> {
    /// A table with room for so many entries.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut table = Self::default();
        if capacity <= Self::FIRST_SPLIT {
            table.small = HashTable::with_capacity(capacity);
        } else {
            let count = capacity.div_ceil(Self::FIRST_SPLIT).next_power_of_two();
            table.segments.resize_with(count, || HashTable::with_capacity(Self::SEGMENT));
        }
        table.set_marks();
        table
    }

    /// Makes one segment two.
    #[cold]
    #[inline(never)]
    pub(super) fn split(&mut self, hasher: &impl BuildHasher) {
        let count = self.segments.len().max(1);
        let base = 1 << count.ilog2();
        let source = count - base;
        let plan = plan(if self.segments.is_empty() { &self.small } else { &self.segments[source] }, hasher);
        let goes_up = |hash: u64| (hash >> Self::INDEX_SHIFT) & base as u64 != 0;
        let up = plan.iter().filter(|&&(_, hash)| goes_up(hash)).count();
        let mut upper = HashTable::with_capacity(up.max(Self::SEGMENT));
        let mut lower = HashTable::with_capacity((plan.len() - up).max(Self::SEGMENT));
        self.segments.reserve(2);
        if self.segments.is_empty() {
            self.segments.push(std::mem::take(&mut self.small));
        }
        for (bucket, hash) in plan {
            let target = if goes_up(hash) { &mut upper } else { &mut lower };
            move_entry(&mut self.segments[source], bucket, hash, target);
        }
        self.segments[source] = lower;
        self.segments.push(upper);
        self.set_marks();
    }

    /// Rebuilds a full segment: larger, or of the same size when what fills it are the marks of removed entries.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, hash: u64, hasher: &impl BuildHasher) {
        let segment = self.segment_mut(hash);
        let full = segment.num_buckets() / 8 * 7;
        let capacity = if segment.len() < full / 4 * 3 { full } else { (full + 1).max(segment.len() + 1) };
        rebuild(segment, capacity, hasher);
        self.set_marks();
    }

    /// Merges the last segment into the one it was split from, or makes an only one smaller.
    #[cold]
    #[inline(never)]
    pub(super) fn shrink(&mut self, hasher: &impl BuildHasher) {
        if self.segments.is_empty() {
            let capacity = self.small.len() * 2 + 1;
            rebuild(&mut self.small, capacity, hasher);
        } else {
            self.merge(hasher);
        }
        self.set_marks();
    }

    fn merge(&mut self, hasher: &impl BuildHasher) {
        let last = self.segments.len() - 1;
        let first = last - (1 << last.ilog2());
        let plans =
            [(first, plan(&self.segments[first], hasher)), (last, plan(&self.segments[last], hasher))];
        let mut merged = HashTable::with_capacity(plans.iter().map(|(_, plan)| plan.len()).sum());
        for (source, plan) in plans {
            for (bucket, hash) in plan {
                move_entry(&mut self.segments[source], bucket, hash, &mut merged);
            }
        }
        self.segments.truncate(last);
        if last == 1 {
            self.segments = Vec::new();
            self.small = merged;
        } else {
            self.segments[first] = merged;
            if self.segments.capacity() / 4 > last {
                self.segments.shrink_to(last * 2);
            }
        }
    }
}

fn plan<K: Hash, V>(segment: &HashTable<(K, V)>, hasher: &impl BuildHasher) -> Plan {
    let mut plan = Vec::with_capacity(segment.len());
    for bucket in segment.iter_buckets() {
        if let Some((key, _)) = segment.get_bucket(bucket) {
            plan.push((bucket, hasher.hash_one(key)));
        }
    }
    plan
}

/// Moves the entry in `bucket`, if there is one, to a table that has room for it.
fn move_entry<K, V>(from: &mut HashTable<(K, V)>, bucket: usize, hash: u64, to: &mut HashTable<(K, V)>) {
    if let Ok(entry) = from.get_bucket_entry(bucket) {
        let (moved, _) = entry.remove();
        // There is room for all entries of the plan, so the table does not hash.
        to.insert_unique(hash, moved, |_| hash);
    }
}

fn rebuild<K: Hash, V>(segment: &mut HashTable<(K, V)>, capacity: usize, hasher: &impl BuildHasher) {
    let plan = plan(segment, hasher);
    let mut rebuilt = HashTable::with_capacity(capacity);
    for (bucket, hash) in plan {
        move_entry(segment, bucket, hash, &mut rebuilt);
    }
    *segment = rebuilt;
}
