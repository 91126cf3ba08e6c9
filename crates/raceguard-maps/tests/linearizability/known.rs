//! The checker itself: histories of which it is known whether they are linearizable.

use raceguard_maps::consistency::Promise;
use raceguard_maps::{Consistency, Operation};

use super::history::{Clock, Event, History};
use super::model::{Call, Outcome};
use super::promises;

/// `(thread, began, ended, call, outcome)`
type Line = (usize, u64, u64, Call, Outcome);

fn is_allowed(promises: Consistency, clock: Clock, lines: &[Line]) -> bool {
    let events = lines
        .iter()
        .map(|(thread, began, ended, call, outcome)| Event {
            thread: *thread,
            began: *began,
            ended: *ended,
            call: call.clone(),
            outcome: outcome.clone(),
        })
        .collect();
    promises::allow(promises, &History { initial: [None; 3], clock, events, last: Vec::new() })
}

fn linearizable(lines: &[Line]) -> bool {
    is_allowed(Consistency::ONE_LOCK, Clock::Shared, lines)
}

fn was(value: u64) -> Outcome {
    Outcome::Was(Some(value))
}

const NOTHING: Outcome = Outcome::Was(None);

#[test]
fn overlapping_calls_may_take_effect_in_either_order() {
    let write = (0, 0, 5, Call::Insert(0, 7), NOTHING);
    assert!(linearizable(&[write.clone(), (1, 1, 2, Call::Get(0), NOTHING)]));
    assert!(linearizable(&[write.clone(), (1, 1, 2, Call::Get(0), was(7))]));
    assert!(linearizable(&[write, (1, 1, 2, Call::Get(0), NOTHING), (1, 3, 4, Call::Get(0), was(7))]));
}

#[test]
fn a_stale_read_is_found() {
    let write = (0, 0, 1, Call::Insert(0, 7), NOTHING);
    assert!(!linearizable(&[write.clone(), (1, 2, 3, Call::Get(0), NOTHING)]));
    assert!(!linearizable(&[write.clone(), (1, 2, 3, Call::Get(0), was(8))]));
    assert!(linearizable(&[write, (1, 2, 3, Call::Get(0), was(7))]));
}

#[test]
fn a_read_that_goes_back_is_found() {
    let write = (0, 0, 9, Call::Insert(0, 7), NOTHING);
    assert!(!linearizable(&[write, (1, 1, 2, Call::Get(0), was(7)), (2, 3, 4, Call::Get(0), NOTHING)]));
}

#[test]
fn a_lost_update_is_found() {
    let lines = [
        (0, 0, 1, Call::Insert(0, 1), NOTHING),
        (0, 2, 5, Call::Update(0, 2), was(1)),
        (1, 3, 4, Call::Update(0, 3), was(1)),
    ];
    assert!(!linearizable(&lines));
    let mut right = lines;
    right[2].4 = was(31 + 2);
    assert!(linearizable(&right));
}

#[test]
fn two_removes_of_one_entry_are_found() {
    let lines = [
        (0, 0, 1, Call::Insert(0, 4), NOTHING),
        (0, 2, 5, Call::Remove(0), was(4)),
        (1, 3, 4, Call::RemoveIfEven(0), was(4)),
    ];
    assert!(!linearizable(&lines));
}

#[test]
fn a_visit_that_saw_no_single_instant_is_found_unless_each_entry_has_its_own() {
    // Key 0 is written before key 1, but the visit has only key 1.
    let lines = [
        (0, 1, 2, Call::Insert(0, 1), NOTHING),
        (0, 3, 4, Call::Insert(1, 2), NOTHING),
        (1, 0, 5, Call::ForEach, Outcome::Saw([None, Some(2), None])),
    ];
    assert!(!linearizable(&lines));
    for promise in [Promise::PerEntry, Promise::PerShard] {
        let weaker = Consistency { for_each: promise, ..Consistency::ONE_LOCK };
        assert!(is_allowed(weaker, Clock::Shared, &lines));
    }
}

#[test]
fn a_visit_that_misses_an_entry_that_was_there_all_the_time_is_found_in_any_case() {
    let lines =
        [(0, 0, 1, Call::Insert(0, 1), NOTHING), (1, 2, 3, Call::ForEach, Outcome::Saw([None, None, None]))];
    let weaker = Consistency { for_each: Promise::PerEntry, ..Consistency::ONE_LOCK };
    assert!(!linearizable(&lines));
    assert!(!is_allowed(weaker, Clock::Shared, &lines));
}

#[test]
fn half_a_batch_is_found_unless_each_entry_may_be_seen() {
    let batch = Call::Apply(vec![Operation::Insert(0, 1), Operation::Insert(1, 2)]);
    let lines = [
        (0, 0, 5, batch, Outcome::Count(2)),
        (1, 1, 2, Call::Get(0), was(1)),
        (1, 3, 4, Call::Len, Outcome::Count(1)),
    ];
    let weaker = Consistency { apply: Promise::PerEntry, ..Consistency::ONE_LOCK };
    assert!(!linearizable(&lines));
    assert!(is_allowed(weaker, Clock::Shared, &lines));
}

#[test]
fn a_batch_is_in_order() {
    let batch = Call::Apply(vec![Operation::Insert(0, 1), Operation::Insert(0, 2)]);
    let weaker = Consistency { apply: Promise::PerEntry, ..Consistency::ONE_LOCK };
    let read = |value| {
        let lines = [(0, 0, 1, batch.clone(), Outcome::Count(2)), (1, 2, 3, Call::Get(0), was(value))];
        is_allowed(weaker, Clock::Shared, &lines)
    };
    assert!(read(2));
    assert!(!read(1));
}

#[test]
fn shards_may_do_their_parts_of_a_batch_in_any_order() {
    let batch = Call::Apply(vec![Operation::Insert(0, 1), Operation::Insert(1, 2)]);
    let lines = [
        (0, 0, 9, batch, Outcome::Count(2)),
        (1, 1, 2, Call::Get(1), was(2)),
        (1, 3, 4, Call::Get(0), NOTHING),
        (1, 5, 6, Call::Snapshot, Outcome::Saw([None, Some(2), None])),
    ];
    let weaker = |apply| Consistency { apply, ..Consistency::ONE_LOCK };
    assert!(is_allowed(weaker(Promise::PerShard), Clock::Shared, &lines));
    assert!(!is_allowed(weaker(Promise::PerEntry), Clock::Shared, &lines));
}

#[test]
fn a_wrong_count_is_found() {
    let lines = |count| [(0, 0, 1, Call::Insert(0, 1), NOTHING), (1, 2, 3, Call::Len, Outcome::Count(count))];
    assert!(linearizable(&lines(1)));
    assert!(!linearizable(&lines(0)));
    let weaker = Consistency { len: Promise::Approximate, ..Consistency::ONE_LOCK };
    assert!(is_allowed(weaker, Clock::Shared, &lines(0)));
    assert!(!is_allowed(weaker, Clock::Shared, &lines(4)), "there are only three keys");
}

#[test]
fn a_monotone_read_may_be_old_but_not_go_back() {
    let weaker = Consistency { read: Promise::Monotone, ..Consistency::ONE_LOCK };
    let lines = |first, second| {
        [
            (0, 0, 1, Call::Insert(0, 1), NOTHING),
            (0, 2, 3, Call::Insert(0, 2), was(1)),
            (1, 4, 5, Call::Get(0), first),
            (1, 6, 7, Call::Get(0), second),
        ]
    };
    assert!(is_allowed(weaker, Clock::Shared, &lines(NOTHING, was(1))));
    assert!(is_allowed(weaker, Clock::Shared, &lines(was(1), was(2))));
    assert!(!is_allowed(weaker, Clock::Shared, &lines(was(2), was(1))));
    assert!(!is_allowed(weaker, Clock::Shared, &lines(was(9), was(9))), "a value that nobody wrote");
    let ahead = [(1, 0, 1, Call::Get(0), was(1)), (0, 2, 3, Call::Insert(0, 1), NOTHING)];
    assert!(!is_allowed(weaker, Clock::Shared, &ahead), "a read of what is not yet written");
}

#[test]
fn without_a_shared_clock_one_order_must_still_explain_all_keys() {
    let lines = |first, second| {
        [
            (0, 0, 1, Call::Insert(0, 1), NOTHING),
            (0, 2, 3, Call::Get(1), first),
            (1, 0, 1, Call::Insert(1, 2), NOTHING),
            (1, 2, 3, Call::Get(0), second),
        ]
    };
    let allowed = |lines: &[Line]| is_allowed(Consistency::ONE_LOCK, Clock::PerThread, lines);
    assert!(allowed(&lines(was(2), was(1))));
    assert!(allowed(&lines(NOTHING, was(1))));
    assert!(allowed(&lines(was(2), NOTHING)));
    assert!(!allowed(&lines(NOTHING, NOTHING)), "both stores were still on their way when the loads ran");
}
