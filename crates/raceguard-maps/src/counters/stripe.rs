//! [`Stripe`]: the counts that one thread collects before they go to the shared table.
//!
//! A stripe is a set-associative cache: the hash picks a set, and the set holds up to [`WAYS`] keys with what was added
//! to them since they came in. It never loses a count: a key leaves only by being taken out of its [`Stripe::slot`],
//! with its count.
//!
//! # Which keys stay
//!
//! Each hit gives a key credit, each miss in a full set costs its poorest key one, and only a key without credit makes
//! room. So keys that are counted often stay, and a stream of keys that are each counted once goes past them. The cache doubles while misses are frequent, up to [`MAX_SETS`].
//!
//! Where few additions hit, a stripe only costs. So a full-grown one counts hits and misses, and when [`WINDOW`] misses
//! come with fewer hits than that, it lets [`REST`] additions go straight to the shared table before it tries again. An
//! addition is right in either place.

use std::hash::Hash;
use std::num::NonZeroU8;

use crate::map::Lookup;

/// Keys that one set holds.
pub(super) const WAYS: usize =
    if cfg!(any(raceguard_loom, raceguard_shuttle, raceguard_stress)) { 1 } else { 4 };

/// Sets of a stripe at most: 4,096 keys.
pub(super) const MAX_SETS: usize =
    if cfg!(any(raceguard_loom, raceguard_shuttle, raceguard_stress)) { 2 } else { 1024 };

/// Misses after which a full-grown stripe compares them with its hits.
const WINDOW: usize = if cfg!(any(raceguard_loom, raceguard_shuttle, raceguard_stress)) { 4 } else { 1024 };

/// Additions that pass by a stripe which was hit too rarely.
const REST: u32 = if cfg!(any(raceguard_loom, raceguard_shuttle, raceguard_stress)) { 8 } else { 64 * 1024 };

/// Credit of a key that came in; 1 is none.
const FIRST_CREDIT: NonZeroU8 = NonZeroU8::new(2).unwrap();

/// Credit that a key collects at most.
const MOST_CREDIT: NonZeroU8 = NonZeroU8::new(16).unwrap();

#[derive(Debug)]
pub(super) struct Stripe<K> {
    sets: Vec<[Option<Slot<K>>; WAYS]>,
    /// Misses in full sets since the stripe last grew or looked at its hits.
    misses: usize,
    /// Hits since the stripe last looked at them.
    hits: usize,
    /// Set when the map was closed, with the entries that it had.
    pub(super) closed: Option<usize>,
}

/// One key and what was added to it since it came in.
#[derive(Debug)]
pub(super) struct Slot<K> {
    pub(super) hash: u64,
    pub(super) count: u64,
    pub(super) key: K,
    credit: NonZeroU8,
}

/// Where in a stripe a key is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    set: usize,
    way: usize,
}

/// What became of an addition.
#[derive(Debug)]
pub(super) enum Addition {
    /// It is counted.
    Done,
    /// It is not: the set is full of keys with credit, so count it in the shared table, and so many of the next ones.
    PassBy(u32),
    /// It is not: move the key at this place to the shared table, and try again.
    Evict(Place),
}

impl<K> Default for Stripe<K> {
    fn default() -> Self {
        Self { sets: Vec::new(), misses: 0, hits: 0, closed: None }
    }
}

impl<K> Stripe<K> {
    /// Where there is a key.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<K> {
        let sets = self.sets.len();
        (0..sets).flat_map(|set| (0..WAYS).map(move |way| Place { set, way }))
    }

    /// The slot at a place, to be taken out or left.
    pub(super) fn slot(&mut self, place: Place) -> &mut Option<Slot<K>> {
        &mut self.sets[place.set][place.way]
    }

    /// Gives the memory back. The stripe must be empty.
    pub(super) fn free(&mut self) {
        debug_assert!(self.sets.iter().flatten().all(Option::is_none));
        self.sets = Vec::new();
    }

    fn set_of(&self, hash: u64) -> usize {
        // The number of sets is a power of two far below 2^32, so the low bits of the hash do.
        #[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
        let low = hash as usize;
        low & self.sets.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let sets = (self.sets.len() * 2).max(1);
        let grown = (0..sets).map(|_| [const { None }; WAYS]).collect();
        let old = std::mem::replace(&mut self.sets, grown);
        for slot in old.into_iter().flatten().flatten() {
            // The keys of one set split over two, so there is room.
            let set = self.set_of(slot.hash);
            if let Some(free) = self.sets[set].iter_mut().find(|slot| slot.is_none()) {
                *free = Some(slot);
            }
        }
        self.misses = 0;
    }
}

impl<K: Hash + Eq> Stripe<K> {
    /// Adds to the count of a key if there is a place for it.
    #[inline]
    pub(super) fn add<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q, count: u64) -> Addition {
        let set = self.set_of(hash);
        if let Some(slots) = self.sets.get_mut(set) {
            for slot in slots.iter_mut().flatten() {
                if slot.hash == hash && key.matches(&slot.key) {
                    slot.count = slot.count.wrapping_add(count);
                    slot.credit = slot.credit.saturating_add(1).min(MOST_CREDIT);
                    self.hits += 1;
                    return Addition::Done;
                }
            }
        }
        self.add_new(hash, key, count)
    }

    /// How many additions should pass by from now on.
    fn rest(&mut self) -> u32 {
        if self.misses < WINDOW || self.sets.len() < MAX_SETS {
            return 0;
        }
        let rarely_hit = self.hits < self.misses;
        (self.misses, self.hits) = (0, 0);
        if rarely_hit { REST } else { 0 }
    }

    #[cold]
    fn add_new<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q, count: u64) -> Addition {
        if self.sets.is_empty() {
            self.grow();
        }
        let set = self.set_of(hash);
        if let Some(free) = self.sets[set].iter_mut().find(|slot| slot.is_none()) {
            *free = Some(Slot { hash, count, key: key.to_key(), credit: FIRST_CREDIT });
            return Addition::Done;
        }
        self.misses += 1;
        if self.sets.len() < MAX_SETS && self.misses > self.sets.len() {
            self.grow();
            return self.add_new(hash, key, count);
        }
        let slots = self.sets[set].iter_mut().flatten().enumerate();
        let Some((way, poorest)) = slots.min_by_key(|(_, slot)| slot.credit) else {
            return Addition::PassBy(0);
        };
        match NonZeroU8::new(poorest.credit.get() - 1) {
            Some(less) => {
                poorest.credit = less;
                Addition::PassBy(self.rest())
            }
            None => Addition::Evict(Place { set, way }),
        }
    }

    /// Where a key is.
    pub(super) fn find<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<Place> {
        let set = self.set_of(hash);
        let holds = |slot: &Option<Slot<K>>| {
            slot.as_ref().is_some_and(|slot| slot.hash == hash && key.matches(&slot.key))
        };
        self.sets.get(set)?.iter().position(holds).map(|way| Place { set, way })
    }

    /// What a key has in this stripe.
    pub(super) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<u64> {
        let place = self.find(hash, key)?;
        self.sets[place.set][place.way].as_ref().map(|slot| slot.count)
    }
}
