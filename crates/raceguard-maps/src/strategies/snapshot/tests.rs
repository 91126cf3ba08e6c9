//! Snapshot maps against `std::collections::HashMap`, their versions, and what readers see.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::tree::Node;
use super::{PublishError, SnapshotMap};
use crate::hash::FastState;
use crate::{Change, ConcurrentMap, MapError, MapSnapshot, Operation, ShardedSnapshotMap};

/// A small generator of numbers (xorshift), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn entries(map: &impl ConcurrentMap<u64, u64>) -> HashMap<u64, u64> {
    let mut all = HashMap::new();
    map.for_each(|&key, &value| assert_eq!(all.insert(key, value), None, "{key} came twice")).unwrap();
    all
}

fn behaves_like_std(map: &impl ConcurrentMap<u64, u64>) {
    let mut numbers = Numbers(9);
    let mut model = HashMap::new();
    for round in 0..10_u64 {
        let keys = [40, 9_000, 2_000, 100_000, 10][usize::try_from(round % 5).unwrap()];
        // Fill fast, by batches, then change one by one.
        let batch: Vec<_> = (0..keys / 2).map(|_| Operation::Insert(numbers.below(keys), round)).collect();
        model.extend(batch.iter().map(|operation| match operation {
            Operation::Insert(key, value) => (*key, *value),
            _ => unreachable!("made above"),
        }));
        assert_eq!(map.apply(batch).unwrap(), usize::try_from(keys / 2).unwrap());
        for _ in 0..1_000 {
            let key = numbers.below(keys);
            let value = numbers.below(1_000);
            match numbers.below(6) {
                0 => assert_eq!(map.insert(key, value).unwrap(), model.insert(key, value)),
                1 => {
                    assert_eq!(map.insert_if_absent(key, value).unwrap(), model.get(&key).copied());
                    model.entry(key).or_insert(value);
                }
                2 => {
                    let expected = model.get_mut(&key).map(|old| std::mem::replace(old, value));
                    assert_eq!(map.update(&key, |old| std::mem::replace(old, value)).unwrap(), expected);
                }
                3 => {
                    let old = map.compute(key, |old| (Change::Put(value), old.copied())).unwrap();
                    assert_eq!(old, model.insert(key, value));
                }
                _ => assert_eq!(map.remove(&key).unwrap(), model.remove(&key)),
            }
        }
        let removed = map.retain(|key, _| round % 3 > 0 || key % 8 == 0).unwrap();
        let before = model.len();
        model.retain(|key, _| round % 3 > 0 || key % 8 == 0);
        assert_eq!(removed, before - model.len());
        assert_eq!(map.len().unwrap(), model.len());
        assert_eq!(entries(map), model);
        assert_eq!(map.snapshot().unwrap().iter().map(|(k, v)| (*k, *v)).collect::<HashMap<_, _>>(), model);
        for (key, value) in &model {
            assert_eq!(map.get(key).unwrap(), Some(*value));
        }
    }
    for key in model.keys() {
        map.remove(key).unwrap();
    }
    assert!(map.is_empty().unwrap());
}

#[test]
fn snapshot_map_behaves_like_std() {
    behaves_like_std(&SnapshotMap::new());
}

#[test]
fn sharded_snapshot_map_behaves_like_std() {
    behaves_like_std(&ShardedSnapshotMap::new());
    behaves_like_std(&ShardedSnapshotMap::with_shards(1).unwrap());
}

#[test]
fn snapshots_stay_as_they_were_and_share_the_rest() {
    let map: SnapshotMap<u64, Arc<u64>> = SnapshotMap::new();
    map.apply((0..20_000).map(|key| Operation::Insert(key, Arc::new(key)))).unwrap();
    let before = map.snapshot().unwrap();
    assert_eq!((before.version(), before.len()), (1, 20_000));
    map.insert(7, Arc::new(70)).unwrap();
    map.remove(&8).unwrap();
    let after = map.snapshot().unwrap();
    assert_eq!((after.version(), after.len()), (3, 19_999));
    assert_eq!((before.get(&7).map(|value| **value), before.contains_key(&8)), (Some(7), true));
    assert_eq!((after.get(&7).map(|value| **value), after.contains_key(&8)), (Some(70), false));
    // The writes copied two leaves; the values of all others have no further owner.
    let copied = before.iter().filter(|(_, value)| Arc::strong_count(value) > 1).count();
    assert!(copied <= 2 * 128, "{copied} entries were copied");
    assert_eq!(map.live_snapshots(), 2);
    drop((before, after));
    assert_eq!(map.live_snapshots(), 0);
}

#[test]
fn publishing_is_conditional_on_the_version() {
    let map: SnapshotMap<u64, u64> = SnapshotMap::new();
    assert_eq!(map.publish_if(0, [Operation::Insert(1, 1), Operation::Insert(2, 2)]), Ok(1));
    let conflict = PublishError::Conflict { expected: 0, current: 1 };
    assert_eq!(map.publish_if(0, [Operation::Insert(3, 3)]), Err(conflict.clone()));
    assert_eq!(map.publish_if(1, [Operation::Remove(3)]), Ok(1), "nothing changed, so the version stays");
    assert_eq!(map.replace_if(0, []), Err(conflict));
    assert_eq!(map.replace_if(1, [(5, 5), (5, 6)]), Ok(2));
    assert_eq!(entries(&map), HashMap::from([(5, 6)]));
    map.close().unwrap();
    assert_eq!(map.publish_if(2, []), Err(PublishError::Map(MapError::Closed)));
}

#[test]
fn close_reports_what_is_held_and_ends_everything_else() {
    let map: SnapshotMap<u64, u64> = SnapshotMap::new();
    map.insert(1, 1).unwrap();
    let snapshot = map.snapshot().unwrap();
    let second = snapshot.clone();
    let mut reader = map.reader().unwrap();
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.live_snapshots, report.live_handles), (1, 2, 1));
    assert!(!report.already_closed);
    assert_eq!(reader.get(&1), Err(MapError::Closed));
    assert_eq!(reader.get(&1), Err(MapError::Closed));
    assert_eq!(map.get(&1), Err(MapError::Closed));
    assert_eq!(map.insert(1, 2), Err(MapError::Closed));
    assert_eq!(map.version(), Err(MapError::Closed));
    assert_eq!(snapshot.get(&1), Some(&1));
    drop((snapshot, second, reader));
    let again = map.close().unwrap();
    assert_eq!((again.entries, again.live_snapshots, again.live_handles), (1, 0, 0));
    assert!(again.already_closed);
}

#[test]
fn a_snapshot_outlives_its_map() {
    let map: SnapshotMap<u64, String> = SnapshotMap::new();
    map.insert(1, "one".to_owned()).unwrap();
    let snapshot = map.snapshot().unwrap();
    drop(map);
    assert_eq!(snapshot.get(&1).map(String::as_str), Some("one"));
}

#[test]
fn a_panic_publishes_nothing() {
    let map: SnapshotMap<u64, u64> = SnapshotMap::new();
    map.insert(1, 1).unwrap();
    let panics = |work: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    panics(&|| {
        let _ = map.update(&1, |value| {
            *value = 2;
            panic!("half-way")
        });
    });
    panics(&|| drop(map.compute(1, |_| -> (Change<u64>, ()) { panic!("undecided") })));
    panics(&|| drop(map.retain(|_, _| panic!("undecided"))));
    panics(&|| drop(map.get_with(&1, |_| panic!("in a read"))));
    panics(&|| drop(map.apply((0..2).map(|_| -> Operation<u64, u64> { panic!("no batch") }))));
    assert_eq!((map.get(&1), map.version()), (Ok(Some(1)), Ok(1)));
    assert_eq!(map.insert(1, 3), Ok(Some(1)));
}

/// A value whose clone panics on demand, and whose live copies are counted.
#[derive(Debug)]
struct Fragile(Arc<(AtomicBool, AtomicUsize)>);

impl Fragile {
    fn new(shared: &Arc<(AtomicBool, AtomicUsize)>) -> Self {
        shared.1.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.0.load(Ordering::Relaxed), "the clone gives up");
        Self::new(&self.0)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.0.1.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn panicking_clones_leave_the_map_whole_and_nothing_behind() {
    let shared = Arc::default();
    let map: SnapshotMap<u64, Fragile> = SnapshotMap::new();
    map.apply((0..3_000).map(|key| Operation::Insert(key, Fragile::new(&shared)))).unwrap();
    shared.0.store(true, Ordering::Relaxed);
    let gives_up = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
    let mut added = 0;
    for key in 0..100 {
        assert!(gives_up(&|| drop(map.remove(&key))));
        assert!(gives_up(&|| drop(map.insert(key, Fragile::new(&shared)))));
        // A new key may come into a leaf without entries, which has nothing to clone.
        added += u64::from(!gives_up(&|| drop(map.insert(9_000 + key, Fragile::new(&shared)))));
    }
    shared.0.store(false, Ordering::Relaxed);
    assert_eq!((map.len(), map.version()), (Ok(3_000 + usize::try_from(added).unwrap()), Ok(1 + added)));
    drop(map.insert(1, Fragile::new(&shared)));
    drop(map);
    assert_eq!(shared.1.load(Ordering::Relaxed), 0);
}

/// A hasher under which all keys collide.
#[derive(Default, Clone)]
struct Same;

impl Hasher for Same {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

impl BuildHasher for Same {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

#[test]
fn keys_that_all_collide_still_work() {
    let mut root: Node<u64, u64> = Node::default();
    for key in 0..4_000_u64 {
        assert_eq!(root.insert(Same.hash_one(key), key, key, &Same), None);
    }
    assert_eq!((root.len(), root.iter().count()), (4_000, 4_000));
    for key in 0..4_000_u64 {
        assert_eq!(root.remove(7, &key, &Same), Some(key));
    }
    assert!(matches!(root, Node::Leaf(_)));
}

#[test]
fn a_removed_map_takes_little_memory() {
    let hasher = FastState::default();
    let mut root: Node<u64, u64> = Node::default();
    for key in 0..50_000_u64 {
        root.insert(hasher.hash_one(key), key, key, &hasher);
    }
    assert!(matches!(root, Node::Inner(_)));
    for key in 0..50_000_u64 {
        assert_eq!(root.remove(hasher.hash_one(key), &key, &hasher), Some(key));
    }
    assert!(matches!(&root, Node::Leaf(entries) if entries.capacity() <= 28));
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Account(u64);

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
#[test]
fn readers_see_whole_batches_in_the_order_of_versions() {
    const ACCOUNTS: u64 = 3_000;
    let map: SnapshotMap<Account, i64> = SnapshotMap::new();
    map.apply((0..ACCOUNTS).map(|account| Operation::Insert(Account(account), 10))).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 1..3 {
            let (map, stop) = (&map, &stop);
            scope.spawn(move || {
                let (mut numbers, mut last) = (Numbers(seed), 0);
                let mut reader = map.reader().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = reader.snapshot().unwrap();
                    assert!(snapshot.version() >= last);
                    last = snapshot.version();
                    assert_eq!(snapshot.iter().map(|(_, sum)| sum).sum::<i64>(), 10 * ACCOUNTS.cast_signed());
                    let account = Account(numbers.below(ACCOUNTS));
                    assert!(map.get(&account).unwrap().is_some());
                    assert!(map.version().unwrap() >= last);
                }
            });
        }
        for seed in 11..13 {
            let (map, stop) = (&map, &stop);
            scope.spawn(move || {
                let mut numbers = Numbers(seed);
                for _ in 0..1_500 {
                    let (from, to) = (numbers.below(ACCOUNTS), numbers.below(ACCOUNTS));
                    if from == to {
                        continue;
                    }
                    loop {
                        let seen = map.snapshot().unwrap();
                        let sum = |account| *seen.get(&Account(account)).unwrap();
                        let transfer = [
                            Operation::Insert(Account(from), sum(from) - 1),
                            Operation::Insert(Account(to), sum(to) + 1),
                        ];
                        if map.publish_if(seen.version(), transfer).is_ok() {
                            break;
                        }
                    }
                }
                if seed == 12 {
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((map.live_snapshots(), map.live_handles()), (0, 0));
}
