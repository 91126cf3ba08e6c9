//! `QuotaMap`: each operation does what it says, refuses what it must, and leaves balances alone when it refuses.

use std::time::Duration;

use raceguard_maps::counters::{ManualClock, Quota, QuotaError, Totals};
use raceguard_maps::{MapError, QuotaMap};

const SECOND: Duration = Duration::from_secs(1);

fn bank() -> (QuotaMap<String, ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    let bank = QuotaMap::with_clock(clock.clone());
    bank.open("alice".to_owned(), 0, 100).unwrap();
    bank.open("bob".to_owned(), -50, 0).unwrap();
    (bank, clock)
}

fn available(bank: &QuotaMap<String, ManualClock>, key: &str) -> u64 {
    bank.quota(key).unwrap().available
}

#[test]
fn debits_stop_at_the_floor() {
    let (bank, _) = bank();
    assert_eq!(bank.try_debit("alice", 60), Ok(40));
    assert_eq!(bank.try_debit("alice", 41), Err(QuotaError::Insufficient { available: 40, requested: 41 }));
    assert_eq!(bank.try_debit("alice", 40), Ok(0));
    assert_eq!(bank.try_debit("bob", 50), Ok(-50));
    assert_eq!(bank.try_debit("bob", 1), Err(QuotaError::Insufficient { available: 0, requested: 1 }));
    assert_eq!(bank.credit("bob", 70), Ok(20));
    assert_eq!(bank.quota("bob"), Ok(Quota { balance: 20, floor: -50, reserved: 0, available: 70 }));
}

#[test]
fn accounts_open_once_and_not_below_their_floor() {
    let (bank, _) = bank();
    assert_eq!(bank.open("alice".to_owned(), 0, 1), Err(QuotaError::Exists));
    assert_eq!(
        bank.open("carol".to_owned(), 5, 4),
        Err(QuotaError::BelowFloor { balance: 4, reserved: 0, floor: 5 })
    );
    for refused in [
        bank.credit("carol", 1),
        bank.try_debit("carol", 1),
        bank.remove("carol"),
        bank.transfer("carol", "bob", 1).map(|()| 0),
        bank.transfer("alice", "carol", 1).map(|()| 0),
        bank.reserve("carol", 1).map(|_| 0),
        bank.quota("carol").map(|_| 0),
    ] {
        assert_eq!(refused, Err(QuotaError::NoAccount));
    }
    assert_eq!(bank.quota("alice").unwrap().balance, 100);
}

#[test]
fn transfers_move_all_or_nothing() {
    let (bank, _) = bank();
    bank.transfer("alice", "bob", 30).unwrap();
    bank.transfer("bob", "alice", 80).unwrap();
    assert_eq!((available(&bank, "alice"), available(&bank, "bob")), (150, 0));
    assert!(bank.transfer("bob", "alice", 1).is_err());
    bank.transfer("alice", "alice", 150).unwrap();
    assert!(bank.transfer("alice", "alice", 151).is_err());
    assert_eq!((available(&bank, "alice"), available(&bank, "bob")), (150, 0));
}

#[test]
fn overflow_is_refused_on_both_ends() {
    let bank: QuotaMap<u8> = QuotaMap::new();
    bank.open(1, i64::MIN, i64::MAX).unwrap();
    bank.open(2, i64::MIN, i64::MIN).unwrap();
    bank.open(3, i64::MIN, 0).unwrap();
    assert_eq!(bank.quota(&1).unwrap().available, u64::MAX);
    assert_eq!(bank.credit(&1, 1), Err(QuotaError::Overflow { balance: i64::MAX, amount: 1 }));
    assert_eq!(bank.try_debit(&2, 1), Err(QuotaError::Insufficient { available: 0, requested: 1 }));
    assert_eq!(bank.transfer(&3, &1, 1), Err(QuotaError::Overflow { balance: i64::MAX, amount: 1 }));
    assert_eq!(bank.quota(&3).unwrap().balance, 0);
    let held = bank.reserve(&1, u64::MAX).unwrap();
    assert!(bank.reserve(&1, 1).is_err());
    drop(bank.reserve(&1, 0).unwrap());
    held.commit_to(&2).unwrap();
    assert_eq!(bank.quota(&1).unwrap().balance, i64::MIN);
    assert_eq!(bank.quota(&2).unwrap().balance, i64::MAX);
}

#[test]
fn a_reservation_keeps_its_amount_until_it_ends() {
    let (bank, _) = bank();
    let held = bank.reserve("alice", 70).unwrap();
    assert_eq!(held.amount(), 70);
    assert_eq!(bank.quota("alice"), Ok(Quota { balance: 100, floor: 0, reserved: 70, available: 30 }));
    assert!(bank.try_debit("alice", 31).is_err());
    assert!(bank.transfer("alice", "bob", 31).is_err());
    assert!(bank.reserve("alice", 31).is_err());
    assert_eq!(bank.remove("alice"), Err(QuotaError::Reserved { reserved: 70 }));
    assert_eq!(held.commit(), Ok(30));
    let cancelled = bank.reserve("alice", 30).unwrap();
    cancelled.cancel();
    drop(bank.reserve("alice", 30).unwrap());
    assert_eq!(available(&bank, "alice"), 30);
    assert_eq!(bank.remove("alice"), Ok(30));
    assert_eq!(bank.quota("alice"), Err(QuotaError::NoAccount));
}

#[test]
fn a_reservation_moves_to_another_account_or_back() {
    let (bank, _) = bank();
    bank.reserve("alice", 70).unwrap().commit_to("bob").unwrap();
    assert_eq!((available(&bank, "alice"), available(&bank, "bob")), (30, 120));
    bank.reserve("alice", 10).unwrap().commit_to("alice").unwrap();
    assert_eq!(bank.reserve("alice", 10).unwrap().commit_to("carol"), Err(QuotaError::NoAccount));
    bank.open("rich".to_owned(), 0, i64::MAX).unwrap();
    assert!(matches!(bank.reserve("alice", 10).unwrap().commit_to("rich"), Err(QuotaError::Overflow { .. })));
    assert_eq!(bank.quota("alice"), Ok(Quota { balance: 30, floor: 0, reserved: 0, available: 30 }));
}

#[test]
fn a_reservation_ends_with_its_time() {
    let (bank, clock) = bank();
    let late = bank.reserve_for("alice", 60, 10 * SECOND).unwrap();
    let kept = bank.reserve_for("alice", 10, 20 * SECOND).unwrap();
    let forever = bank.reserve_for("alice", 5, Duration::MAX).unwrap();
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(available(&bank, "alice"), 25);
    clock.advance(Duration::from_millis(1));
    assert_eq!(available(&bank, "alice"), 85);
    assert_eq!(late.commit(), Err(QuotaError::Expired));
    assert_eq!(kept.commit(), Ok(90));
    clock.advance(1000 * SECOND);
    assert_eq!(forever.commit_to("bob"), Ok(()));
    assert_eq!(available(&bank, "alice"), 85);
}

#[test]
fn a_forgotten_reservation_comes_back_with_its_time() {
    let (bank, clock) = bank();
    std::mem::forget(bank.reserve_for("alice", 100, SECOND).unwrap());
    assert!(bank.try_debit("alice", 1).is_err());
    clock.advance(SECOND);
    assert_eq!(bank.try_debit("alice", 100), Ok(0));
}

/// A late handle must not end a younger reservation that took its place.
#[test]
fn a_late_handle_ends_nothing_but_its_own() {
    let (bank, clock) = bank();
    let late = bank.reserve_for("alice", 100, SECOND).unwrap();
    clock.advance(SECOND);
    let young = bank.reserve("alice", 100).unwrap();
    drop(late);
    assert_eq!(available(&bank, "alice"), 0);
    drop(young);
    assert_eq!(available(&bank, "alice"), 100);
}

#[test]
fn many_short_reservations_leave_nothing_behind() {
    let (bank, clock) = bank();
    for _ in 0..10_000 {
        drop(bank.reserve_for("alice", 1, 1000 * SECOND).unwrap());
    }
    clock.advance(2000 * SECOND);
    assert_eq!(bank.totals(), Ok(Totals { accounts: 2, balance: 100, reserved: 0, reservations: 0 }));
}

#[test]
fn floors_move_within_what_is_free() {
    let (bank, _) = bank();
    let held = bank.reserve("alice", 40).unwrap();
    assert_eq!(
        bank.set_floor("alice", 61),
        Err(QuotaError::BelowFloor { balance: 100, reserved: 40, floor: 61 })
    );
    bank.set_floor("alice", 60).unwrap();
    assert_eq!(available(&bank, "alice"), 0);
    assert_eq!(held.commit(), Ok(60));
    bank.set_floor("alice", -10).unwrap();
    assert_eq!(available(&bank, "alice"), 70);
}

#[test]
fn after_close_every_call_is_refused() {
    let (bank, _) = bank();
    let held = bank.reserve("alice", 10).unwrap();
    let other = bank.reserve("alice", 10).unwrap();
    let (report, mut balances) = bank.close_and_drain().unwrap();
    assert_eq!((report.entries, report.live_handles, report.already_closed), (2, 2, false));
    balances.sort();
    assert_eq!(balances, [("alice".to_owned(), 100), ("bob".to_owned(), 0)]);
    let closed = Err(QuotaError::Map(MapError::Closed));
    assert_eq!(held.commit(), closed);
    assert_eq!(other.commit_to("bob").map(|()| 0), closed);
    assert_eq!(bank.credit("alice", 1), closed);
    assert_eq!(bank.try_debit("alice", 1), closed);
    assert_eq!(bank.open("x".to_owned(), 0, 0).map(|()| 0), closed);
    assert_eq!(bank.transfer("alice", "bob", 1).map(|()| 0), closed);
    assert_eq!(bank.reserve("alice", 1).map(|_| 0), closed);
    assert_eq!(bank.totals().map(|_| 0), closed);
    let again = bank.close().unwrap();
    assert_eq!((again.entries, again.live_handles, again.already_closed), (2, 2, true));
}
