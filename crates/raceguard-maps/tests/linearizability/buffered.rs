//! A map whose writes may still be in the store buffer of their core when they have returned: it must be caught by the
//! litmus test, for no scheduler of whole instructions shows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raceguard_maps::consistency::Promise;
use raceguard_maps::{Change, CloseReport, ConcurrentMap, Consistency, Entries, Lookup, MapError};

use crate::litmus;
use crate::subjects::Home;

/// Time in which the fault must show; it needs two threads to run at the very same time, also on a busy machine.
const ENOUGH: Duration = Duration::from_mins(5);

/// Keys.
const SLOTS: usize = 2;

/// One value; zero when absent.
#[derive(Default)]
struct Slot {
    locked: AtomicBool,
    value: AtomicU64,
}

impl Slot {
    /// Changes the value under the lock and returns what it was.
    fn change(&self, change: impl FnOnce(u64) -> u64) -> u64 {
        while self.locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        let before = self.value.load(Ordering::Relaxed);
        // Neither store is followed by a barrier: a load that comes next may overtake both.
        self.value.store(change(before), Ordering::Release);
        self.locked.store(false, Ordering::Release);
        before
    }
}

struct Buffered([Slot; SLOTS]);

fn present(value: u64) -> Option<u64> {
    (value > 0).then_some(value)
}

impl Buffered {
    fn new() -> Home<Self> {
        Home::of(Self(std::array::from_fn(|_| Slot::default())))
    }

    fn slot(&self, key: u64) -> &Slot {
        &self.0[usize::try_from(key).expect("a small key")]
    }
}

impl ConcurrentMap<u64, u64> for Buffered {
    type Snapshot = Entries<u64, u64>;

    const CONSISTENCY: Consistency = Consistency {
        len: Promise::Approximate,
        for_each: Promise::PerEntry,
        snapshot: Promise::PerEntry,
        retain: Promise::PerEntry,
        apply: Promise::PerEntry,
        ..Consistency::ONE_LOCK
    };

    fn get_with<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&u64) -> R,
    ) -> Result<Option<R>, MapError> {
        let value = present(self.slot(key.to_key()).value.load(Ordering::Acquire));
        Ok(value.as_ref().map(read))
    }

    fn insert(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        Ok(present(self.slot(key).change(|_| value)))
    }

    fn insert_if_absent(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        Ok(present(self.slot(key).change(|before| if before == 0 { value } else { before })))
    }

    fn update<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut u64) -> R,
    ) -> Result<Option<R>, MapError> {
        let mut result = None;
        self.slot(key.to_key()).change(|mut value| {
            if value > 0 {
                result = Some(change(&mut value));
            }
            value
        });
        Ok(result)
    }

    fn compute<R>(
        &self,
        key: u64,
        decide: impl FnOnce(Option<&u64>) -> (Change<u64>, R),
    ) -> Result<R, MapError> {
        let mut result = None;
        self.slot(key).change(|value| {
            let (change, decided) = decide(present(value).as_ref());
            result = Some(decided);
            match change {
                Change::Keep => value,
                Change::Put(fresh) => fresh,
                Change::Remove => 0,
            }
        });
        Ok(result.expect("decide has run"))
    }

    fn remove_if<Q: Lookup<u64> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&u64) -> bool,
    ) -> Result<Option<u64>, MapError> {
        let mut removed = None;
        self.slot(key.to_key()).change(|value| {
            removed = present(value).filter(condition);
            if removed.is_some() { 0 } else { value }
        });
        Ok(removed)
    }

    fn retain(&self, mut keep: impl FnMut(&u64, &u64) -> bool) -> Result<usize, MapError> {
        let mut removed = 0;
        for key in 0..SLOTS as u64 {
            removed += usize::from(self.remove_if(&key, |value| !keep(&key, value))?.is_some());
        }
        Ok(removed)
    }

    fn len(&self) -> Result<usize, MapError> {
        let mut count = 0;
        self.for_each(|_, _| count += 1)?;
        Ok(count)
    }

    fn for_each(&self, mut visit: impl FnMut(&u64, &u64)) -> Result<(), MapError> {
        for key in 0..SLOTS as u64 {
            self.get_with(&key, |value| visit(&key, value))?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<u64, u64>, MapError> {
        let mut entries = Vec::new();
        self.for_each(|key, value| entries.push((*key, *value)))?;
        Ok(Entries::new(entries))
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        Ok(CloseReport::default())
    }
}

#[test]
fn a_write_that_is_not_yet_visible_is_caught() {
    if std::thread::available_parallelism().is_ok_and(|threads| threads.get() == 1) {
        eprintln!("one processor alone sees its own store buffer: the fault cannot show here");
        return;
    }
    let start = Instant::now();
    while litmus::passes(Buffered::new) {
        assert!(start.elapsed() < ENOUGH, "a broken map passed");
    }
}
