//! The core through its map.

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
mod threads {
    use crate::{ConcurrentMap, LockFreeMap};

    crate::raw::entry_tests::entry_tests!(LockFreeMap, 20_000);

    /// A hasher that sends everything to few buckets.
    #[derive(Default, Clone)]
    struct Colliding;

    impl std::hash::BuildHasher for Colliding {
        type Hasher = Self;
        fn build_hasher(&self) -> Self {
            Self
        }
    }

    impl std::hash::Hasher for Colliding {
        fn write(&mut self, _: &[u8]) {}
        fn finish(&self) -> u64 {
            42
        }
    }

    #[test]
    fn equal_hashes_are_slow_but_right() {
        let map = LockFreeMap::with_hasher(Colliding);
        for key in 0..500_u64 {
            assert_eq!(map.insert(key, key), Ok(None));
        }
        assert!((0..500).all(|key| map.get(&key) == Ok(Some(key))));
        assert!((0..500).all(|key| map.remove(&key) == Ok(Some(key))));
        assert_eq!(map.len(), Ok(0));
    }

    #[test]
    fn memory_goes_back_when_entries_go() {
        let map = LockFreeMap::new();
        for turn in 0..3 {
            for key in 0..100_000_u64 {
                map.insert(key, key).unwrap();
            }
            assert!(map.core().buckets() >= 8192);
            if turn == 0 {
                map.clear().unwrap();
            } else {
                for key in 0..100_000 {
                    map.remove(&key).unwrap();
                }
            }
            assert!(map.core().buckets() <= 512, "{} buckets for no entries", map.core().buckets());
        }
    }
}

/// Models under loom.
#[cfg(raceguard_loom)]
mod loom_models {
    use std::hash::BuildHasherDefault;

    use loom::sync::Arc;
    use loom::thread;

    use crate::raw::reclaim::pin;
    use crate::{ConcurrentMap, LockFreeMap};

    /// The key is the hash.
    #[derive(Default)]
    struct Identity(u64);

    impl std::hash::Hasher for Identity {
        fn write(&mut self, _: &[u8]) {}
        fn write_u64(&mut self, key: u64) {
            self.0 = key;
        }
        fn finish(&self) -> u64 {
            self.0
        }
    }

    type Map = LockFreeMap<u64, u64, BuildHasherDefault<Identity>>;

    fn model(work: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(work);
    }

    fn map_of(entries: &[(u64, u64)]) -> Arc<Map> {
        let map = Arc::new(Map::default());
        for (key, value) in entries {
            assert_eq!(map.insert(*key, *value), Ok(None));
        }
        map
    }

    /// Hangs a table of this size behind the current one; the next write moves the buckets.
    fn start_moving(map: &Map, buckets: usize) {
        let guard = pin();
        let table = map.core().table(&guard).unwrap().unwrap();
        map.core().start_moving(table, buckets, &guard);
    }

    #[test]
    fn loom_reads_and_writes_while_the_table_grows() {
        model(|| {
            let map = map_of(&[(1, 10), (2, 20)]);
            start_moving(&map, 2);
            let writer = {
                let map = Arc::clone(&map);
                thread::spawn(move || assert_eq!(map.insert(1, 11), Ok(Some(10))))
            };
            let first = map.get(&1).unwrap().unwrap();
            let second = map.get(&1).unwrap().unwrap();
            assert!((10..=11).contains(&first) && first <= second && second <= 11);
            assert_eq!(map.get(&2), Ok(Some(20)));
            writer.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(11)));
            assert_eq!(map.core().buckets(), 2);
        });
    }

    #[test]
    fn loom_two_writers_move_and_change_one_key() {
        model(|| {
            let map = map_of(&[(1, 0)]);
            start_moving(&map, 2);
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || assert_eq!(map.update(&1, |value| *value += 1), Ok(Some(()))))
            };
            assert_eq!(map.update(&1, |value| *value += 1), Ok(Some(())));
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(2)));
        });
    }

    #[test]
    fn loom_a_key_is_added_once() {
        model(|| {
            let map = map_of(&[(3, 0)]);
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || map.insert_if_absent(1, 2).unwrap())
            };
            let here = map.insert_if_absent(1, 1).unwrap();
            let there = other.join().unwrap();
            assert!(matches!((here, there), (None, Some(1)) | (Some(2), None)));
        });
    }

    #[test]
    fn loom_a_removed_entry_stays_readable() {
        model(|| {
            let map = map_of(&[(1, 10)]);
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || assert_eq!(map.remove(&1), Ok(Some(10))))
            };
            assert!(matches!(map.get_with(&1, |value| *value), Ok(Some(10) | None)));
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(None));
        });
    }

    #[test]
    fn loom_closing_takes_every_added_entry() {
        model(|| {
            let map = map_of(&[(1, 10)]);
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || usize::from(map.insert(2, 20).is_ok()))
            };
            let taken = map.core().take_all();
            assert_eq!(taken, 1 + other.join().unwrap());
        });
    }
}
