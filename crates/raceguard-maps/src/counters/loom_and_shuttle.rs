//! Every interleaving (loom, up to three preemptions) or many random ones (shuttle) of small programs on counters.
//!
//! `RUSTFLAGS="--cfg raceguard_loom" cargo test --release -p raceguard-maps --lib loom`, and the same with
//! `raceguard_shuttle`.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

#[cfg(raceguard_loom)]
use loom::thread;
#[cfg(raceguard_shuttle)]
use shuttle::thread;

use crate::counters::{CounterMap, QuotaError, QuotaMap, SystemClock};
use crate::error::MapError;
use crate::table::SHARD_SHIFT;

type FixedState = BuildHasherDefault<DefaultHasher>;
type Bank = QuotaMap<u64, SystemClock, FixedState>;

#[cfg(raceguard_loom)]
fn explore(program: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(program);
}

#[cfg(raceguard_shuttle)]
fn explore(program: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(program, 5_000);
}

/// The first `count` keys whose hash has the wanted low bit and lowest shard bit.
fn keys(low: u64, shard: u64, count: usize) -> Vec<u64> {
    let fits = |key: &u64| {
        let hash = FixedState::default().hash_one(key);
        hash & 1 == low && (hash >> SHARD_SHIFT) & 1 == shard
    };
    (0..).filter(fits).take(count).collect()
}

fn drained(counts: &CounterMap<u64, FixedState>) -> u64 {
    counts.drain().map_or(0, |counts| counts.into_iter().map(|(_, count)| count).sum())
}

/// Additions that push each other out of their stripe, while another thread drains.
#[test]
fn drains_lose_nothing() {
    explore(|| {
        let counts: Arc<CounterMap<u64, FixedState>> =
            Arc::new(CounterMap::with_parts(2, 1, FixedState::default()));
        let adder = thread::spawn({
            let counts = Arc::clone(&counts);
            move || {
                // Three keys of one set with one way, the last one often enough to make room.
                for (key, times) in keys(0, 0, 3).into_iter().zip([1, 1, 3]) {
                    (0..times).for_each(|_| counts.add(&key, 1).unwrap());
                }
            }
        });
        let first = drained(&counts);
        adder.join().unwrap();
        assert_eq!(first + drained(&counts), 5);
    });
}

/// A thread sees its own additions, also when another thread on its stripe moves them to the shared table.
#[test]
fn reads_see_own_additions() {
    explore(|| {
        let counts: Arc<CounterMap<u64, FixedState>> =
            Arc::new(CounterMap::with_parts(1, 1, FixedState::default()));
        let set = keys(0, 0, 3);
        let other = thread::spawn({
            let (counts, set) = (Arc::clone(&counts), set.clone());
            move || {
                (0..2).for_each(|_| counts.add(&set[1], 1).unwrap());
                counts.add(&set[0], 10).unwrap();
            }
        });
        counts.add(&set[0], 1).unwrap();
        let seen = counts.get(&set[0]).unwrap().unwrap();
        assert!(seen == 1 || seen == 11, "{seen}");
        counts.add(&set[2], 1).unwrap();
        assert!(counts.get(&set[0]).unwrap().unwrap() >= seen);
        other.join().unwrap();
        assert_eq!(counts.get(&set[0]), Ok(Some(11)));
        assert_eq!(counts.snapshot().unwrap().into_iter().map(|(_, count)| count).sum::<u64>(), 14);
    });
}

/// What was added is drained by `close`, or the addition was refused.
#[test]
fn closing_counts_what_succeeded() {
    explore(|| {
        let counts: Arc<CounterMap<u64, FixedState>> =
            Arc::new(CounterMap::with_parts(2, 2, FixedState::default()));
        let adder = thread::spawn({
            let counts = Arc::clone(&counts);
            move || {
                let keys = [keys(0, 0, 1), keys(0, 1, 2)].concat();
                keys.iter().map(|key| u64::from(counts.add(key, 1).is_ok())).sum::<u64>()
            }
        });
        let (report, left) = counts.close_and_drain().unwrap();
        let succeeded = adder.join().unwrap();
        assert_eq!(left.iter().map(|(_, count)| count).sum::<u64>(), succeeded);
        assert_eq!(report.entries, left.len());
        assert_eq!(counts.add(&0, 1), Err(MapError::Closed));
    });
}

fn bank() -> (Arc<Bank>, u64, u64) {
    let bank = QuotaMap::with_parts(2, SystemClock, FixedState::default());
    let (one, other) = (keys(0, 0, 1)[0], keys(0, 1, 1)[0]);
    bank.open(one, 0, 10).unwrap();
    bank.open(other, 0, 10).unwrap();
    (Arc::new(bank), one, other)
}

/// Transfers in both directions never wait for each other in a circle, and nobody sees the sum move.
#[test]
fn opposite_transfers_keep_the_sum() {
    explore(|| {
        let (bank, one, other) = bank();
        let there = thread::spawn({
            let bank = Arc::clone(&bank);
            move || bank.transfer(&one, &other, 7).unwrap()
        });
        let back = thread::spawn({
            let bank = Arc::clone(&bank);
            move || bank.transfer(&other, &one, 12).is_ok()
        });
        assert_eq!(bank.totals().unwrap().balance, 20);
        there.join().unwrap();
        let went_back = back.join().unwrap();
        let left = bank.quota(&one).unwrap().balance;
        assert_eq!(left, if went_back { 15 } else { 3 });
        assert_eq!(bank.totals().unwrap().balance, 20);
    });
}

/// What is reserved cannot be spent by another, and comes back when the reservation is dropped.
#[test]
fn a_reservation_is_nobody_elses() {
    explore(|| {
        let (bank, one, other) = bank();
        let spender = thread::spawn({
            let bank = Arc::clone(&bank);
            move || bank.try_debit(&one, 6).is_ok()
        });
        let committed = match bank.reserve(&one, 6) {
            Ok(held) => held.commit_to(&other).is_ok(),
            Err(error) => {
                assert_eq!(error, QuotaError::Insufficient { available: 4, requested: 6 });
                false
            }
        };
        let spent = spender.join().unwrap();
        assert!(spent != committed, "exactly one of them got it");
        assert_eq!(bank.quota(&one).unwrap().available, 4);
        assert_eq!(bank.totals().unwrap().balance, if spent { 14 } else { 20 });
    });
}

/// The balances that `close` returns hold every transfer that succeeded, and no half of one.
#[test]
fn closing_midway_keeps_the_sum() {
    explore(|| {
        let (bank, one, other) = bank();
        let teller = thread::spawn({
            let bank = Arc::clone(&bank);
            move || {
                let held = bank.reserve(&one, 3);
                held.and_then(|held| held.commit_to(&other)).is_ok()
            }
        });
        let (_, balances) = bank.close_and_drain().unwrap();
        let moved = teller.join().unwrap();
        let balance = |wanted| balances.iter().find(|(key, _)| *key == wanted).unwrap().1;
        assert_eq!((balance(one), balance(other)), if moved { (7, 13) } else { (10, 10) });
    });
}
