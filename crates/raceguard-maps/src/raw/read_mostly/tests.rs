//! The core through its map.

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
mod threads {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use crate::{ConcurrentMap, ReadMostlyMap};

    crate::raw::entry_tests::entry_tests!(ReadMostlyMap, 2_000);

    #[test]
    fn tombstones_are_freed() {
        let alive = Arc::new(AtomicUsize::new(0));
        let map = ReadMostlyMap::new();
        for key in 0..10_000 {
            map.insert((key, Tracked(Arc::clone(&alive))), key).unwrap();
        }
        // Promotes, so that all keys are in the read table.
        map.for_each(|_, _| ()).unwrap();
        for key in 0..10_000 {
            map.remove(&(key, Tracked(Arc::clone(&alive)))).unwrap();
        }
        while map.core().collect() != 0 {
            thread::yield_now();
        }
        assert!(Arc::strong_count(&alive) < 1000, "{} keys of removed entries", Arc::strong_count(&alive));
    }

    /// Other tests may be pinned meanwhile, which holds up the freeing: then the next removals do it.
    #[test]
    fn tombstones_of_new_keys_are_freed_by_the_removals() {
        let alive = Arc::new(AtomicUsize::new(0));
        let map = ReadMostlyMap::new();
        let freed = || Arc::strong_count(&alive) < 2_000;
        for _ in 0..100 {
            // Nothing promotes these, and nothing but removals follows.
            for key in 0..10_000 {
                map.insert((key, Tracked(Arc::clone(&alive))), key).unwrap();
            }
            for key in 100..10_000 {
                map.remove(&(key, Tracked(Arc::clone(&alive)))).unwrap();
            }
            if freed() {
                break;
            }
        }
        assert!(freed(), "{} keys of removed entries", Arc::strong_count(&alive));
        assert_eq!(map.len(), Ok(100));
    }

    #[derive(Clone)]
    struct Tracked(#[expect(dead_code, reason = "its count of references is what matters")] Arc<AtomicUsize>);

    impl PartialEq for Tracked {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Eq for Tracked {}

    impl std::hash::Hash for Tracked {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
}

/// Models under loom.
#[cfg(raceguard_loom)]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;

    use crate::{Change, ConcurrentMap, ReadMostlyMap};

    fn model(work: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        // A compaction, and the end of a map, look at many words once.
        builder.max_branches = 5_000;
        builder.check(work);
    }

    /// One key, in the read table.
    fn map_with_one() -> Arc<ReadMostlyMap<u64, u64>> {
        let map = Arc::new(ReadMostlyMap::new());
        assert_eq!(map.insert(1, 10), Ok(None));
        map.for_each(|_, _| ()).unwrap();
        map
    }

    #[test]
    fn loom_a_key_is_revived_while_its_tombstone_is_expunged() {
        model(|| {
            let map = map_with_one();
            map.remove(&1).unwrap();
            let other = {
                let map = Arc::clone(&map);
                // Makes the dirty table, and expunges.
                thread::spawn(move || assert_eq!(map.insert(2, 20), Ok(None)))
            };
            assert_eq!(map.insert(1, 11), Ok(None));
            assert_eq!(map.get(&1), Ok(Some(11)));
            other.join().unwrap();
            map.for_each(|_, _| ()).unwrap();
            assert_eq!((map.get(&1), map.get(&2)), (Ok(Some(11)), Ok(Some(20))));
        });
    }

    #[test]
    fn loom_a_promotion_loses_no_key() {
        model(|| {
            let map = map_with_one();
            assert_eq!(map.insert(2, 20), Ok(None));
            let other = {
                let map = Arc::clone(&map);
                // Misses the read table, and promotes.
                thread::spawn(move || assert_eq!((map.get(&2), map.get(&2)), (Ok(Some(20)), Ok(Some(20)))))
            };
            assert_eq!(map.insert(1, 11), Ok(Some(10)));
            assert_eq!(map.get(&2), Ok(Some(20)));
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(11)));
        });
    }

    #[test]
    fn loom_no_update_is_lost() {
        model(|| {
            let map = map_with_one();
            let add = |old: Option<&u64>| (Change::Put(old.map_or(1, |value| value + 1)), ());
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || map.compute(1, add).unwrap())
            };
            map.compute(1, add).unwrap();
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(12)));
        });
    }
}
