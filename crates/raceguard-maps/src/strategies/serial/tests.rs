//! Tests of `SerialMap`: order, acknowledgements, back-pressure, closing, and panics.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::*;
use crate::snapshot::MapSnapshot;

/// Runs a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn small(queue: usize) -> SerialMap<u64, u64> {
    SerialMap::with_settings(SerialSettings { queue, ..SerialSettings::default() }).unwrap()
}

/// Keeps the owner thread in the middle of an operation until told to go on.
struct Stopped {
    go: Sender<()>,
    running: Receiver<()>,
}

fn stop_owner(map: &SerialMap<u64, u64>) -> (Stopped, Acknowledgement<()>) {
    let (go, wait) = channel::<()>();
    let (started, running) = channel();
    let held = map
        .submit(move |_| {
            started.send(()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
    let stopped = Stopped { go, running };
    stopped.running.recv().unwrap();
    (stopped, held)
}

#[test]
fn behaves_like_a_hash_map_and_snapshots_never_change() {
    let map: SerialMap<u64, u64> = SerialMap::new();
    let mut model = HashMap::new();
    let mut kept = Vec::new();
    let mut seed = 7_u64;
    for step in 0..60_000_u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, choice) = ((seed >> 33) % 3_000, (seed >> 20) % 8);
        match choice {
            0..=2 => assert_eq!(map.insert(key, step).unwrap(), model.insert(key, step)),
            3 | 4 => assert_eq!(map.remove(&key).unwrap(), model.remove(&key)),
            5 => {
                assert_eq!(
                    map.update(&key, |value| *value += 1).unwrap(),
                    model.get_mut(&key).map(|value| *value += 1)
                );
            }
            6 => {
                let change = if step % 2 == 0 { Change::Put(step) } else { Change::Remove };
                let shown = map.compute(key, |found| (change, found.copied())).unwrap();
                let expected = if step % 2 == 0 { model.insert(key, step) } else { model.remove(&key) };
                assert_eq!(shown, expected);
            }
            _ => assert_eq!(map.get(&key).unwrap(), model.get(&key).copied()),
        }
        if step % 10_000 == 9_999 {
            kept.push((map.snapshot().unwrap(), model.clone()));
        }
        if step == 30_000 {
            let before = model.len();
            model.retain(|key, _| key % 3 != 0);
            assert_eq!(map.retain(|key, _| key % 3 != 0).unwrap(), before - model.len());
        }
        assert_eq!(map.len().unwrap(), model.len());
    }
    for (snapshot, model) in &kept {
        let entries: HashMap<u64, u64> = snapshot.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(entries, *model);
        assert!(model.iter().all(|(key, value)| snapshot.get(key) == Some(value)));
    }
    assert!(map.core.thread_is_absent(), "without queued operations there is no thread");
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.live_snapshots), (model.len(), kept.len()));
    assert_eq!(map.get(&1), Err(MapError::Closed));
}

#[test]
fn grows_to_many_pages_and_gives_them_back() {
    let map: SerialMap<u64, u64> = SerialMap::new();
    let count = 100_000;
    for key in 0..count {
        map.insert(key, key).unwrap();
    }
    assert!((0..count).all(|key| map.get(&key).unwrap() == Some(key)));
    let mut seen = vec![false; usize::try_from(count).unwrap()];
    map.for_each(|key, _| assert!(!std::mem::replace(&mut seen[usize::try_from(*key).unwrap()], true)))
        .unwrap();
    assert!(seen.iter().all(|seen| *seen));
    assert_eq!(map.clear().unwrap(), usize::try_from(count).unwrap());
    assert!(map.core.turn().unwrap().pages().is_without_pages());
}

/// All keys have one hash: pages cannot be split, and everything still works.
#[test]
fn keys_with_one_hash_share_a_page() {
    #[derive(Clone, Default)]
    struct OneHash;
    struct Zero;
    impl std::hash::Hasher for Zero {
        fn finish(&self) -> u64 {
            u64::MAX / 3
        }
        fn write(&mut self, _: &[u8]) {}
    }
    impl BuildHasher for OneHash {
        type Hasher = Zero;
        fn build_hasher(&self) -> Zero {
            Zero
        }
    }
    let map: SerialMap<u32, u32, OneHash> = SerialMap::with_hasher(OneHash);
    for key in 0..600 {
        map.insert(key, key).unwrap();
    }
    assert_eq!(map.len().unwrap(), 600);
    assert!((0..600).all(|key| map.remove(&key).unwrap() == Some(key)));
    assert!(map.is_empty().unwrap());
}

#[test]
fn queued_operations_keep_their_order_and_come_before_later_calls() {
    let map = small(64);
    let mut acknowledgements = Vec::new();
    for value in 0..1_000 {
        acknowledgements.push(map.enqueue(Operation::Insert(1, value)).unwrap());
    }
    assert_eq!(map.get(&1).unwrap(), Some(999));
    for (value, acknowledgement) in (0_u64..).zip(acknowledgements) {
        assert_eq!(acknowledgement.wait().unwrap(), value.checked_sub(1));
    }
    assert_eq!(map.enqueue(Operation::InsertIfAbsent(1, 5)).unwrap().wait().unwrap(), Some(999));
    assert_eq!(map.enqueue(Operation::Remove(1)).unwrap().wait().unwrap(), Some(999));
    assert_eq!(map.enqueue(Operation::InsertIfAbsent(1, 5)).unwrap().wait().unwrap(), None);
}

#[test]
fn a_full_queue_is_an_error_or_a_wait() {
    let map = small(2);
    let (stopped, held) = stop_owner(&map);
    let first = map.try_enqueue(Operation::Insert(1, 10)).unwrap();
    let second = map.try_submit(|entries| entries.insert(2, 20)).unwrap();
    assert_eq!(map.try_enqueue(Operation::Insert(3, 30)).unwrap_err(), MapError::Full { capacity: 2 });
    assert_eq!(map.try_submit(|_| ()).unwrap_err(), MapError::Full { capacity: 2 });
    assert!(!first.is_done());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| map.enqueue(Operation::Insert(3, 30)).unwrap().wait());
        let task = scope.spawn(|| block_on(map.insert_async(4, 40)));
        let reading = scope.spawn(|| block_on(map.get_async(1)));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished() && !task.is_finished() && !reading.is_finished());
        stopped.go.send(()).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap(), None);
        assert_eq!(task.join().unwrap().unwrap(), None);
        assert_eq!(reading.join().unwrap().unwrap(), Some(10));
    });
    held.wait().unwrap();
    assert_eq!((first.wait().unwrap(), second.wait().unwrap()), (None, None));
    assert_eq!(map.len().unwrap(), 4);
}

#[test]
fn async_calls_work_with_and_without_a_queue() {
    let map = small(8);
    assert_eq!(block_on(map.insert_async(1, 1)).unwrap(), None);
    assert!(map.core.thread_is_absent(), "an idle map does it at once");
    let queued = map.enqueue(Operation::Insert(1, 2)).unwrap();
    assert_eq!(block_on(queued).unwrap(), Some(1));
    assert_eq!(block_on(map.remove_async(1)).unwrap(), Some(2));
    assert_eq!(block_on(map.submit_async(|entries| entries.len())).unwrap(), 0);
    map.close().unwrap();
    assert_eq!(block_on(map.get_async(1)).unwrap_err(), MapError::Closed);
}

#[test]
fn a_panic_reaches_who_waits_and_nobody_else() {
    let map = small(8);
    map.insert(1, 1).unwrap();
    let panicking = map.submit(|_| panic!("in the operation")).unwrap();
    let after = map.enqueue(Operation::Insert(2, 2)).unwrap();
    assert_eq!(after.wait().unwrap(), None);
    let payload = catch_unwind(AssertUnwindSafe(|| panicking.wait())).unwrap_err();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "in the operation");
    for _ in 0..2 {
        assert!(catch_unwind(AssertUnwindSafe(|| map.get_with(&1, |_| panic!("read")))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| map.compute::<()>(1, |_| panic!("compute")))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| map.remove_if(&1, |_| panic!("condition")))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| map.retain(|_, _| panic!("keep")))).is_err());
    }
    assert_eq!((map.get(&1).unwrap(), map.len().unwrap()), (Some(1), 2));
}

#[test]
fn a_call_from_within_an_operation_is_an_error_not_a_hang() {
    let map = Arc::new(small(2));
    map.insert(1, 1).unwrap();
    map.update(&1, |_| {
        assert_eq!(map.get(&1), Err(MapError::Reentrant));
        assert_eq!(map.insert(2, 2), Err(MapError::Reentrant));
        assert_eq!(map.close(), Err(MapError::Reentrant));
    })
    .unwrap();
    let inner = Arc::clone(&map);
    let results = map
        .submit(move |_| {
            let queued = inner.enqueue(Operation::Insert(3, 3)).unwrap();
            let waited = queued.wait().unwrap_err();
            let more: Vec<_> = (0..3).map(|key| inner.enqueue(Operation::Insert(key, 0)).err()).collect();
            (waited, more)
        })
        .unwrap();
    let (waited, more) = results.wait().unwrap();
    assert_eq!(waited, MapError::Reentrant);
    assert_eq!(
        more.last().unwrap(),
        &Some(MapError::Reentrant),
        "a full queue cannot be waited for from here"
    );
    assert_eq!(map.get(&3).unwrap(), Some(3), "what was queued from within is done");
}

#[test]
fn close_does_what_is_queued_and_answers_all() {
    let map = small(4);
    let (stopped, held) = stop_owner(&map);
    let queued: Vec<_> = (0..4).map(|key| map.enqueue(Operation::Insert(key, key)).unwrap()).collect();
    thread::scope(|scope| {
        let closing = scope.spawn(|| map.close());
        let waiting_for_room = scope.spawn(|| block_on(map.insert_async(9, 9)));
        let waiting_for_a_turn = scope.spawn(|| map.insert(8, 8));
        while map.try_enqueue(Operation::Insert(7, 7)).err() != Some(MapError::Closed) {
            thread::yield_now();
        }
        stopped.go.send(()).unwrap();
        let report = closing.join().unwrap().unwrap();
        let late = waiting_for_a_turn.join().unwrap();
        assert_eq!(report.entries, 4 + usize::from(late.is_ok()));
        assert!(report.drained <= 4 && report.dropped == 0);
        assert_eq!(waiting_for_room.join().unwrap(), Err(MapError::Closed));
    });
    held.wait().unwrap();
    assert!(queued.into_iter().all(|queued| queued.wait() == Ok(None)));
    assert!(map.close().unwrap().already_closed);
    assert_eq!(map.enqueue(Operation::Remove(1)).unwrap_err(), MapError::Closed);
    assert_eq!(map.published().unwrap_err(), MapError::Closed);
}

#[test]
fn close_counts_what_it_drained() {
    let map = small(8);
    let (job, queued) = map.operation(Operation::Insert(1, 1));
    // Past `enqueue`, so that there is no thread that could do it before `close`.
    assert!(matches!(map.core.queue.push(job, None), Pushed::QueuedFirst));
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.drained, report.dropped), (1, 1, 0));
    assert_eq!(queued.wait().unwrap(), None);
}

#[test]
fn dropping_the_map_finishes_the_queue_and_joins() {
    let done = Arc::new(AtomicUsize::new(0));
    let map = small(64);
    for _ in 0..50 {
        let done = Arc::clone(&done);
        drop(map.submit(move |_| done.fetch_add(1, Ordering::SeqCst)).unwrap());
    }
    let last = map.enqueue(Operation::Insert(1, 1)).unwrap();
    drop(map);
    assert_eq!(done.load(Ordering::SeqCst), 50);
    assert_eq!(last.wait().unwrap(), None);
}

#[test]
fn dropping_the_map_from_within_its_own_operation_does_not_hang() {
    for on_caller in [false, true] {
        let map = Arc::new(small(4));
        let inner = Arc::clone(&map);
        let meet = Arc::new(Barrier::new(2));
        let other = Arc::clone(&meet);
        let dropping = map
            .submit(move |_| {
                if !on_caller {
                    other.wait();
                }
                drop(inner);
            })
            .unwrap();
        drop(map);
        if !on_caller {
            meet.wait();
        }
        dropping.wait().unwrap();
    }
}

#[test]
fn publications_are_monotone_recent_and_free_without_readers() {
    let settings = SerialSettings {
        publish_after_writes: 10,
        publish_after: Duration::MAX,
        ..SerialSettings::default()
    };
    let map: SerialMap<u64, u64> = SerialMap::with_settings(settings).unwrap();
    map.insert(1, 0).unwrap();
    let first = map.published().unwrap();
    assert_eq!((first.version(), first.get(&1)), (1, Some(&0)));
    for value in 1..=9 {
        map.insert(1, value).unwrap();
    }
    assert_eq!(map.published().unwrap().version(), 1, "nine writes behind is recent enough");
    map.insert(1, 10).unwrap();
    assert_eq!(map.published().unwrap().version(), 11);
    assert_eq!(first.get(&1), Some(&0));
    let mut reader = map.reader().unwrap();
    assert_eq!(reader.get(&1).unwrap(), Some(&10));
    for value in 11..=40 {
        map.insert(1, value).unwrap();
    }
    assert_eq!(reader.get(&1).unwrap(), Some(&10), "nobody had asked for news");
    let mut newest = 10;
    for _ in 0..64 {
        let seen = *reader.get(&1).unwrap().unwrap();
        assert!(seen >= newest);
        newest = seen;
    }
    assert_eq!(newest, 40);
    let report = map.close().unwrap();
    assert_eq!((report.live_snapshots, report.live_handles), (1, 1));
    assert_eq!(reader.get(&1), Err(MapError::Closed));
    assert_eq!(first.len(), 1);
}

#[test]
fn an_old_publication_is_replaced_on_demand() {
    let settings = SerialSettings { publish_after: Duration::ZERO, ..SerialSettings::default() };
    let map: SerialMap<u64, u64> = SerialMap::with_settings(settings).unwrap();
    for value in 0..5 {
        map.insert(1, value).unwrap();
        assert_eq!(map.published().unwrap().get(&1), Some(&value));
    }
}

#[test]
fn nonsense_settings_are_refused() {
    for settings in [
        SerialSettings { queue: 0, ..SerialSettings::default() },
        SerialSettings { queue: usize::MAX, ..SerialSettings::default() },
        SerialSettings { publish_after_writes: 0, ..SerialSettings::default() },
    ] {
        let refused = SerialMap::<u8, u8>::with_settings(settings).unwrap_err();
        assert!(matches!(refused, MapError::Configuration { .. }));
    }
}

#[test]
fn threads_that_mix_all_ways_in_lose_no_update() {
    let map = small(16);
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let map = &map;
            scope.spawn(move || {
                for round in 0..2_000_u64 {
                    let key = round % 7;
                    match (round + thread) % 4 {
                        0 => map.compute(key, |old| (Change::Put(old.unwrap_or(&0) + 1), ())).unwrap(),
                        1 => drop(map.submit(move |entries| add_one(entries, key)).unwrap()),
                        2 => block_on(map.submit_async(move |entries| add_one(entries, key))).unwrap(),
                        _ => map.submit(move |entries| add_one(entries, key)).unwrap().wait().unwrap(),
                    }
                }
            });
        }
    });
    let mut sum = 0;
    map.for_each(|_, value| sum += value).unwrap();
    assert_eq!(sum, 8_000);
}

fn add_one(entries: &mut SerialEntries<'_, u64, u64, FastState>, key: u64) {
    let old = entries.get(&key).copied().unwrap_or(0);
    entries.insert(key, old + 1);
}

#[test]
fn each_value_is_dropped_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Counted {
        fn new(alive: &Arc<AtomicUsize>) -> Self {
            alive.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(alive))
        }
    }
    impl Clone for Counted {
        fn clone(&self) -> Self {
            Self::new(&self.0)
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let map: SerialMap<u64, Counted> = SerialMap::new();
    for key in 0..2_000 {
        map.insert(key % 700, Counted::new(&alive)).unwrap();
        if key % 300 == 0 {
            drop(map.published().unwrap());
            map.remove(&(key / 2)).unwrap();
        }
    }
    let snapshot = map.snapshot().unwrap();
    drop(map.enqueue(Operation::Insert(1, Counted::new(&alive))).unwrap());
    map.close().unwrap();
    drop(map);
    assert_eq!(alive.load(Ordering::SeqCst), snapshot.len());
    drop(snapshot);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}
