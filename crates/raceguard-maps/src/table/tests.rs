//! The table against `std::collections::HashMap`, and its growth.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::Table;
use crate::hash::FastState;
use crate::map::Change;

/// A small generator of numbers (SplitMix64), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn hasher() -> FastState {
    FastState::default()
}

fn entries<V: Clone>(table: &Table<u64, V>) -> HashMap<u64, V> {
    let mut all = HashMap::new();
    table.for_each(|&key, value| assert!(all.insert(key, value.clone()).is_none(), "{key} came twice"));
    all
}

fn check(table: &Table<u64, u64>, model: &HashMap<u64, u64>, hasher: &FastState) {
    assert_eq!(table.len(), model.len());
    assert_eq!(&entries(table), model);
    for (key, value) in model {
        assert_eq!(table.get(hasher.hash_one(key), key), Some(value));
    }
}

#[test]
fn behaves_like_std() {
    let hasher = hasher();
    let mut numbers = Numbers(1);
    let mut table = Table::default();
    let mut model = HashMap::new();
    // The key range swells and shrinks, so that the table does too.
    for round in 0..40_u64 {
        let keys = [50, 3_000, 40_000, 2_000, 10][usize::try_from(round % 5).unwrap()];
        for _ in 0..12_000 {
            let key = numbers.below(keys);
            let value = numbers.next();
            let hash = hasher.hash_one(key);
            match numbers.below(6) {
                0 | 1 => assert_eq!(
                    table.insert(hash, key, value, &hasher).map(|(_, value)| value),
                    model.insert(key, value)
                ),
                2 => {
                    let kept = table.insert_if_absent(hash, key, value, &hasher).map(|(value, _)| value);
                    assert_eq!(kept, model.get(&key).copied());
                    model.entry(key).or_insert(value);
                }
                3 => {
                    let decide = |old: Option<&u64>| match old {
                        Some(old) if old % 2 == 0 => (Change::Remove, 1),
                        Some(old) => (Change::Put(old / 2), 2),
                        None => (Change::Put(value), 3),
                    };
                    let expected = decide(model.get(&key));
                    match expected.0 {
                        Change::Remove => drop(model.remove(&key)),
                        Change::Put(value) => drop(model.insert(key, value)),
                        Change::Keep => {}
                    }
                    assert_eq!(table.compute(hash, key, decide, &hasher).0, expected.1);
                }
                _ => assert_eq!(
                    table.remove_if(hash, &key, |_| true, &hasher).map(|(_, value)| value),
                    model.remove(&key)
                ),
            }
        }
        let kept = |key: &u64| key % 3 != round % 3 || round % 7 > 0;
        let (removed, _) = table.retain(|key, _| kept(key), &hasher);
        let before = model.len();
        model.retain(|key, _| kept(key));
        assert_eq!(removed, before - model.len());
        check(&table, &model, &hasher);
    }
}

#[test]
fn growth_comes_in_small_steps_and_memory_goes_back() {
    // The same hashes in every run: how full the fullest of many segments gets is a matter of chance.
    let hasher = foldhash::fast::FixedState::default();
    let count = if cfg!(raceguard_stress) { 2_000 } else { 300_000 };
    let mut table: Table<u64, u64> = Table::default();
    for key in 0..count {
        table.insert(hasher.hash_one(key), key, key, &hasher);
    }
    let room: usize = table.segments.iter().map(hashbrown::HashTable::capacity).sum();
    let fullest = table.segments.iter().map(hashbrown::HashTable::len).max().unwrap();
    assert!(fullest <= Table::<u64, u64>::SEGMENT * 2, "a segment holds {fullest}");
    let expected = usize::try_from(count).unwrap();
    assert!(room < expected * 5 / 2, "room for {room} with {expected} entries");
    for key in 0..count {
        assert_eq!(table.remove_if(hasher.hash_one(key), &key, |_| true, &hasher), Some((key, key)));
    }
    assert_eq!(table.len(), 0);
    assert_eq!(table.segments.capacity(), 0);
    assert!(table.small.capacity() <= 28, "{} left", table.small.capacity());
}

#[test]
fn room_made_ahead_is_enough() {
    let hasher = hasher();
    for capacity in [0, 1, 28, 700, 5_000, 100_000] {
        let mut table: Table<u64, u64> = Table::with_capacity(capacity);
        let segments = table.segments.len();
        for key in 0..capacity as u64 {
            table.insert(hasher.hash_one(key), key, key, &hasher);
        }
        assert_eq!(table.segments.len(), segments, "capacity {capacity}");
    }
}

/// A key whose hash panics on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragile(u64, Rc<Cell<u64>>);

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let left = self.1.get();
        assert!(left > 0, "the hash gives up");
        self.1.set(left - 1);
        self.0.hash(state);
    }
}

#[test]
fn a_panicking_hash_loses_nothing() {
    let hasher = hasher();
    let fuse = Rc::new(Cell::new(u64::MAX));
    let mut numbers = Numbers(7);
    let mut table: Table<Fragile, u64> = Table::default();
    let mut model = HashMap::new();
    let mut panics = 0;
    for step in 0..30_000_u64 {
        let growing = (step / 5_000) % 2 == 0;
        let key = numbers.below(if growing { 20_000 } else { 6_000 });
        fuse.set(u64::MAX);
        let fragile = Fragile(key, Rc::clone(&fuse));
        let hash = hasher.hash_one(&fragile);
        fuse.set(numbers.below(30));
        let insert = growing || numbers.below(8) == 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if insert {
                table.insert(hash, fragile.clone(), step, &hasher).map(|(_, value)| value)
            } else {
                table.remove_if(hash, &fragile, |_| true, &hasher).map(|(_, value)| value)
            }
        }));
        match outcome {
            Ok(old) if insert => assert_eq!(old, model.insert(key, step)),
            Ok(old) => assert_eq!(old, model.remove(&key)),
            Err(_) => panics += 1,
        }
    }
    assert!(panics > 5, "only {panics} panics");
    fuse.set(u64::MAX);
    assert_eq!(table.len(), model.len());
    for (key, value) in &model {
        let key = Fragile(*key, Rc::clone(&fuse));
        assert_eq!(table.get(hasher.hash_one(&key), &key), Some(value));
    }
}

#[test]
fn a_panic_in_retain_keeps_the_count_right() {
    let hasher = hasher();
    let mut table: Table<u64, Rc<u64>> = Table::default();
    for key in 0..5_000 {
        table.insert(hasher.hash_one(key), key, Rc::new(key), &hasher);
    }
    let mut seen = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        table.retain(
            |_, _| {
                seen += 1;
                assert!(seen < 3_000, "the closure gives up");
                seen % 2 == 0
            },
            &hasher,
        )
    }));
    assert!(outcome.is_err());
    assert_eq!(table.len(), entries(&table).len());
    assert_eq!(table.len(), 5_000 - 1_500);
}

#[test]
fn one_hash_for_all_keys_still_works() {
    let mut table: Table<u64, u64> = Table::default();
    for key in 0..3_000 {
        table.insert(42, key, key, &SameHash);
    }
    assert_eq!(entries(&table).len(), 3_000);
    for key in 0..3_000 {
        assert_eq!(table.remove_if(42, &key, |_| true, &SameHash), Some((key, key)));
    }
    assert_eq!(table.len(), 0);
}

/// What an adversary would like: every key hashes to 42.
struct SameHash;

impl BuildHasher for SameHash {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same
    }
}

struct Same;

impl Hasher for Same {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}
