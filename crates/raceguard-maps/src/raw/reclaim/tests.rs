//! Drops of retired items, with real threads.

use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Limbo, pin};

/// Counts its drops, and panics in them if asked to.
struct Counted {
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        if self.panics {
            panic::resume_unwind(Box::new("asked to"));
        }
    }
}

fn retire(limbo: &Limbo<Counted>, drops: &Arc<AtomicUsize>, panics: bool) {
    let guard = pin();
    let local = limbo.local(&guard);
    let item = local.alloc(Counted { drops: Arc::clone(drops), panics });
    // SAFETY: nobody else has seen the item.
    unsafe { local.retire(item) };
}

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
mod threads {
    use super::*;
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, AtomicPtr};
    use std::sync::{Mutex, PoisonError, mpsc};
    use std::thread;

    /// Taken by tests that stay pinned for long or cannot stand it if others do.
    static LONG_PINS: Mutex<()> = Mutex::new(());

    /// Other tests pin too, for short times: ask until they have let go.
    fn collect_all<T>(limbo: &Limbo<T>) {
        while limbo.collect() != 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_retired_is_dropped_once_by_collect() {
        let (limbo, drops) = (Limbo::new(), Arc::default());
        for _ in 0..1000 {
            retire(&limbo, &drops, false);
        }
        collect_all(&limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 1000);
        drop(limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn the_structure_takes_its_garbage_with_it() {
        let (limbo, drops) = (Limbo::new(), Arc::default());
        retire(&limbo, &drops, false);
        drop(limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn garbage_does_not_pile_up() {
        let _alone = LONG_PINS.lock().unwrap_or_else(PoisonError::into_inner);
        let (limbo, drops) = (Limbo::new(), Arc::<AtomicUsize>::default());
        let mut retired = 0;
        // Threads of other tests may lose the processor while they are pinned.
        while drops.load(Ordering::Relaxed) < 100_000 && retired < 10_000_000 {
            retire(&limbo, &drops, false);
            retired += 1;
        }
        assert!(drops.load(Ordering::Relaxed) >= 100_000, "{drops:?} of {retired} were dropped");
    }

    #[test]
    fn a_pinned_thread_keeps_what_it_may_hold() {
        let _alone = LONG_PINS.lock().unwrap_or_else(PoisonError::into_inner);
        let (limbo, drops) = (Limbo::new(), Arc::default());
        let (pinned, wait_pinned) = mpsc::channel();
        let (go_on, wait_go_on) = mpsc::channel::<()>();
        let reader = thread::spawn(move || {
            let guard = pin();
            let nested = pin();
            drop(guard);
            pinned.send(()).unwrap();
            wait_go_on.recv().unwrap();
            drop(nested);
        });
        wait_pinned.recv().unwrap();
        for _ in 0..10_000 {
            retire(&limbo, &drops, false);
        }
        assert_ne!(limbo.collect(), 0);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        go_on.send(()).unwrap();
        reader.join().unwrap();
        collect_all(&limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 10_000);
    }

    #[test]
    fn a_panic_in_a_drop_loses_no_other_item() {
        let (limbo, drops) = (Limbo::new(), Arc::default());
        let mut panics = 0;
        for at in 0..10_000 {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| retire(&limbo, &drops, at % 100 == 0)));
            panics += usize::from(outcome.is_err());
        }
        while drops.load(Ordering::Relaxed) < 10_000 {
            panics += usize::from(panic::catch_unwind(AssertUnwindSafe(|| limbo.collect())).is_err());
        }
        assert!(panics > 0);
        retire(&limbo, &drops, true);
        assert!(panic::catch_unwind(AssertUnwindSafe(|| drop(limbo))).is_err());
        assert_eq!(drops.load(Ordering::Relaxed), 10_001);
    }

    #[test]
    fn threads_that_end_leave_their_garbage_to_others() {
        let (limbo, drops) = (Arc::new(Limbo::new()), Arc::default());
        for _ in 0..20 {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (limbo, drops) = (Arc::clone(&limbo), Arc::clone(&drops));
                    thread::spawn(move || retire(&limbo, &drops, false))
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        }
        collect_all(&limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 80);
    }

    struct AtThreadEnd(Arc<Limbo<Counted>>, Arc<AtomicUsize>);

    impl Drop for AtThreadEnd {
        fn drop(&mut self) {
            for _ in 0..300 {
                let _outer = pin();
                retire(&self.0, &self.1, false);
            }
        }
    }

    thread_local! {
        static FIRST: RefCell<Option<AtThreadEnd>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<AtThreadEnd>> = const { RefCell::new(None) };
    }

    #[test]
    fn works_while_thread_locals_are_destroyed() {
        let (limbo, drops) = (Arc::new(Limbo::new()), Arc::<AtomicUsize>::default());
        for _ in 0..3 {
            let (limbo, drops) = (Arc::clone(&limbo), Arc::clone(&drops));
            thread::spawn(move || {
                // One is destroyed before the slot is given back and one after it.
                FIRST.with(|kept| *kept.borrow_mut() = Some(AtThreadEnd(limbo.clone(), drops.clone())));
                retire(&limbo, &drops, false);
                SECOND.with(|kept| *kept.borrow_mut() = Some(AtThreadEnd(limbo.clone(), drops.clone())));
            })
            .join()
            .unwrap();
        }
        collect_all(&limbo);
        assert_eq!(drops.load(Ordering::Relaxed), 3 * 601);
    }

    /// A value that shows whether it is still alive.
    struct Checked {
        alive: u64,
    }

    const ALIVE: u64 = 0x00A1_15E0_0A11_5E00;

    impl Drop for Checked {
        fn drop(&mut self) {
            assert_eq!(std::mem::replace(&mut self.alive, 0), ALIVE);
        }
    }

    #[test]
    fn readers_never_meet_a_freed_item() {
        let limbo = Limbo::new();
        let cell = AtomicPtr::new(Box::into_raw(Box::new(Checked { alive: ALIVE })));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let _guard = pin();
                        // SAFETY: pinned before the pointer was read.
                        let found = unsafe { &*cell.load(Ordering::Acquire) };
                        assert_eq!(std::hint::black_box(found).alive, ALIVE);
                    }
                });
            }
            for turn in 0..100_000_u32 {
                let guard = pin();
                let local = limbo.local(&guard);
                let new = local.alloc(Checked { alive: ALIVE });
                let old = cell.swap(new.as_ptr(), Ordering::AcqRel);
                // SAFETY: just unlinked.
                unsafe { local.retire(NonNull::new(old).unwrap()) };
                drop(guard);
                if turn.is_multiple_of(10_000) {
                    limbo.collect();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        // SAFETY: no reader is left.
        drop(unsafe { Box::from_raw(cell.into_inner()) });
    }
}

/// Models under loom: every interleaving and every permitted reordering, of few threads.
#[cfg(raceguard_loom)]
mod loom_models {
    use super::*;
    use crate::raw::reclaim::biased::Biased;
    use crate::raw::reclaim::domain::Domain;
    use crate::raw::reclaim::fence::Fences;
    use crate::raw::sync::cell::UnsafeCell;
    use loom::sync::atomic::AtomicPtr as ModelPtr;

    fn model(work: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(work);
    }

    /// A reader follows a pointer, the writer unlinks what it points to and frees it after the grace period. The cell
    /// tells loom of the read and of the free; loom fails when one does not happen before the other.
    fn reader_and_reclaimer(domain: Domain, pins: usize, urgent: bool) {
        let shared = loom::sync::Arc::new((domain, ModelPtr::new(std::ptr::null_mut::<UnsafeCell<u32>>())));
        let old = Box::into_raw(Box::new(UnsafeCell::new(1_u32)));
        let new = Box::into_raw(Box::new(UnsafeCell::new(2_u32)));
        shared.1.store(old, Ordering::Release);
        let reader = {
            let shared = loom::sync::Arc::clone(&shared);
            loom::thread::spawn(move || {
                let (domain, pointer) = &*shared;
                let slot = domain.acquire();
                for _ in 0..pins {
                    // SAFETY: the slot is this thread's.
                    unsafe { domain.pin(slot) };
                    // SAFETY: pinned.
                    unsafe { &*pointer.load(Ordering::Acquire) }.with(|value| {
                        // SAFETY: loom checks it.
                        assert_ne!(unsafe { *value }, 0);
                    });
                    // SAFETY: as above.
                    unsafe { Domain::unpin(slot) };
                }
            })
        };
        let (domain, pointer) = &*shared;
        pointer.store(new, Ordering::Release);
        let stamp = domain.stamp();
        for _ in 0..3 {
            domain.try_advance(urgent);
        }
        if domain.is_over(stamp) {
            // SAFETY: what the model checks.
            unsafe { &*old }.with_mut(|value| unsafe { *value = 0 });
        }
        reader.join().unwrap();
        // SAFETY: the reader is gone.
        unsafe {
            drop(Box::from_raw(old));
            drop(Box::from_raw(new));
        }
    }

    #[test]
    fn loom_nothing_is_freed_under_a_pin() {
        model(|| reader_and_reclaimer(Domain::new(), 1, true));
    }

    #[test]
    fn loom_nothing_is_freed_under_a_pin_without_heavy_fences() {
        model(|| reader_and_reclaimer(Domain::without_heavy_fence(), 3, false));
    }

    #[test]
    fn loom_biased_lock_excludes() {
        model(|| {
            let lock = loom::sync::Arc::new(Biased::<u32>::default());
            let owner = {
                let lock = loom::sync::Arc::clone(&lock);
                loom::thread::spawn(move || {
                    for _ in 0..2 {
                        // SAFETY: the only thread that does.
                        unsafe { lock.own(Fences::Symmetric, |value| *value += 1) };
                    }
                })
            };
            assert!(lock.claim(Fences::Symmetric, |value| *value += 1).is_some());
            owner.join().unwrap();
            assert_eq!(lock.claim(Fences::Symmetric, |value| *value), Some(3));
        });
    }

    #[test]
    fn loom_limbo_drops_once() {
        model(|| {
            let (limbo, drops) = (loom::sync::Arc::new(Limbo::new()), Arc::<AtomicUsize>::default());
            let other = {
                let (limbo, drops) = (loom::sync::Arc::clone(&limbo), Arc::clone(&drops));
                loom::thread::spawn(move || retire(&limbo, &drops, false))
            };
            retire(&limbo, &drops, false);
            other.join().unwrap();
            assert_eq!(limbo.collect(), 0);
            assert_eq!(drops.load(Ordering::Relaxed), 2);
        });
    }
}
