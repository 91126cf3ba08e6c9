//! Keys and values that are counted, and whose `Hash`, `Eq`, `Clone` and `Drop` panic at a chosen call.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// A kind of user code that a map calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Closure,
    Hash,
    Eq,
    Clone,
    Drop,
}

/// From here on, twenty ids at a time have one hash.
pub(crate) const COLLIDING: u64 = 1_000;

/// How long to wait for what is freed later, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the payload of every planned panic is.
pub(crate) struct Planned;

/// Counts the tracked objects of one test and holds the fuse.
pub(crate) struct World {
    /// Numbers of the objects that live.
    alive: Mutex<BTreeSet<i64>>,
    next: AtomicI64,
    dropped_twice: AtomicI64,
    armed: Mutex<Option<Call>>,
    /// Calls of the armed kind that are still let through.
    left: AtomicI64,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            alive: Mutex::default(),
            next: AtomicI64::new(0),
            dropped_twice: AtomicI64::new(0),
            armed: Mutex::default(),
            left: AtomicI64::new(0),
        })
    }

    /// The n-th call of this kind, counted from zero, will panic; those after it will not.
    pub(crate) fn arm(&self, call: Call, nth: i64) {
        self.left.store(nth, Ordering::SeqCst);
        *self.armed.lock().expect("no panic under this lock") = Some(call);
    }

    /// No call panics from now on. Whether one has.
    pub(crate) fn disarm(&self) -> bool {
        *self.armed.lock().expect("no panic under this lock") = None;
        self.left.load(Ordering::SeqCst) < 0
    }

    /// To be called wherever user code runs.
    pub(crate) fn called(&self, call: Call) {
        let armed = *self.armed.lock().expect("no panic under this lock") == Some(call);
        // A panic during a panic would end the process: whatever the map did.
        if armed && !std::thread::panicking() && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            // Unlike `panic!`, prints nothing.
            resume_unwind(Box::new(Planned));
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.lock().expect("no panic under this lock").len()
    }

    /// Waits until nothing tracked is left, for a strategy that frees later, and checks that nothing went twice.
    pub(crate) fn expect_empty(&self, flush: &mut dyn FnMut(), when: &str) {
        let start = Instant::now();
        while self.alive() > 0 {
            assert!(start.elapsed() < PATIENCE, "{when}: {} objects were never dropped", self.alive());
            flush();
            std::thread::yield_now();
        }
        self.expect_no_double_drop(when);
    }

    pub(crate) fn expect_no_double_drop(&self, when: &str) {
        assert_eq!(self.dropped_twice.load(Ordering::SeqCst), 0, "{when}: dropped twice");
    }

    fn born(&self) -> i64 {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        self.alive.lock().expect("no panic under this lock").insert(number);
        number
    }

    fn died(&self, number: i64) {
        if !self.alive.lock().expect("no panic under this lock").remove(&number) {
            self.dropped_twice.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A tracked object: a key or a value.
pub(crate) struct Tracked {
    pub(crate) id: u64,
    number: i64,
    world: Arc<World>,
}

impl Tracked {
    pub(crate) fn new(id: u64, world: &Arc<World>) -> Self {
        Self { id, number: world.born(), world: world.clone() }
    }
}

impl Clone for Tracked {
    fn clone(&self) -> Self {
        self.world.called(Call::Clone);
        Self::new(self.id, &self.world)
    }
}

impl PartialEq for Tracked {
    fn eq(&self, other: &Self) -> bool {
        self.world.called(Call::Eq);
        self.id == other.id
    }
}

impl Eq for Tracked {}

impl Hash for Tracked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.world.called(Call::Hash);
        // Few different hashes, so that keys are compared with others too.
        (self.id / if self.id < COLLIDING { 3 } else { 20 }).hash(state);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.world.died(self.number);
        self.world.called(Call::Drop);
    }
}
