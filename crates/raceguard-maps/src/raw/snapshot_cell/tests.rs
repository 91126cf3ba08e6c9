//! The cell with real threads, and its model under loom.

use super::{Graveyard, SnapshotCell};
use std::sync::Arc;

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
mod threads {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    struct Counted {
        number: usize,
        alive: u64,
        drops: Arc<AtomicUsize>,
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            assert_eq!(std::mem::replace(&mut self.alive, 0), 0xA11F);
            self.drops.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn readers_see_versions_in_order_and_alive() {
        let drops = Arc::new(AtomicUsize::new(0));
        let version = |number| Arc::new(Counted { number, alive: 0xA11F, drops: Arc::clone(&drops) });
        let (cell, graveyard, stop) =
            (SnapshotCell::new(version(0)), Graveyard::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (mut last, mut kept) = (0, cell.load());
                    while !stop.load(Ordering::Relaxed) {
                        cell.with(|version| {
                            assert_eq!(std::hint::black_box(version).alive, 0xA11F);
                            assert!(version.number >= last);
                            last = version.number;
                        });
                        if !cell.is(&kept) {
                            kept = cell.load();
                            assert!(kept.number >= last);
                            last = kept.number;
                        }
                        assert_eq!(std::hint::black_box(&kept).alive, 0xA11F);
                    }
                });
            }
            for number in 1..=50_000 {
                graveyard.bury(cell.swap(version(number)), size_of::<Counted>());
            }
            stop.store(true, Ordering::Relaxed);
        });
        while graveyard.collect() > 0 {
            thread::yield_now();
        }
        assert_eq!(drops.load(Ordering::Relaxed), 50_000);
        drop(cell);
        assert_eq!(drops.load(Ordering::Relaxed), 50_001);
    }
}

/// Models under loom: every interleaving and every permitted reordering, of few threads.
#[cfg(raceguard_loom)]
mod loom_models {
    use super::*;
    use crate::raw::sync::cell::UnsafeCell;

    /// Tells loom of every read and of the drop: loom fails when one does not happen before the other.
    struct Tracked(UnsafeCell<u32>);

    impl Tracked {
        fn version(number: u32) -> Arc<Self> {
            Arc::new(Self(UnsafeCell::new(number)))
        }

        fn number(&self) -> u32 {
            // SAFETY: loom checks that no drop is concurrent.
            self.0.with(|number| unsafe { *number })
        }
    }

    impl Drop for Tracked {
        fn drop(&mut self) {
            // SAFETY: loom checks that no read is concurrent.
            self.0.with_mut(|number| unsafe { *number = 0 });
        }
    }

    fn model(work: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(work);
    }

    #[test]
    fn loom_a_read_sees_a_whole_version_that_is_not_dropped() {
        model(|| {
            let shared = loom::sync::Arc::new((SnapshotCell::new(Tracked::version(1)), Graveyard::new()));
            let reader = {
                let shared = loom::sync::Arc::clone(&shared);
                loom::thread::spawn(move || shared.0.with(|version| assert_ne!(version.number(), 0)))
            };
            let (cell, graveyard) = &*shared;
            graveyard.bury(cell.swap(Tracked::version(2)), 1);
            graveyard.collect();
            reader.join().unwrap();
            assert_eq!(cell.with(Tracked::number), 2);
        });
    }

    #[test]
    fn loom_a_kept_version_is_revalidated() {
        model(|| {
            let shared = loom::sync::Arc::new((SnapshotCell::new(Tracked::version(1)), Graveyard::new()));
            let reader = {
                let shared = loom::sync::Arc::clone(&shared);
                loom::thread::spawn(move || {
                    let kept = shared.0.load();
                    let first = kept.number();
                    let kept = if shared.0.is(&kept) { kept } else { shared.0.load() };
                    assert!(kept.number() >= first);
                    // Not dropped here: the count of `Arc` is not modelled.
                    std::mem::forget(kept);
                })
            };
            let (cell, graveyard) = &*shared;
            graveyard.bury(cell.swap(Tracked::version(2)), 1);
            reader.join().unwrap();
        });
    }
}
