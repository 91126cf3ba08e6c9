//! A bank of 1,000 accounts in which everything goes wrong: whatever happens, the sum of all balances never moves and no
//! account falls below its floor.
//!
//! 10 million transfers, in release:
//! `RACEGUARD_BANK_TRANSFERS=10000000 cargo test --release -p raceguard-maps --test quota_bank -- --nocapture`

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raceguard_maps::QuotaMap;
use raceguard_maps::counters::{ManualClock, QuotaError};

const ACCOUNTS: u64 = 1000;
const THREADS: u64 = 8;
/// What each account starts with.
const START: i64 = 1000;
/// Some may overdraw, some must keep a rest.
const FLOORS: [i64; 4] = [0, -500, 100, 0];
/// A thread dies after so many transfers, and another takes its place.
const LIFETIME: u64 = 20_000;

type Bank = QuotaMap<Account, ManualClock>;

thread_local! {
    /// In how many uses of a key a panic comes; 0 is never.
    static FUSE: Cell<u32> = const { Cell::new(0) };
}

#[derive(Debug, Clone)]
struct Account(u64);

fn burn() {
    let left = FUSE.get();
    if left > 0 {
        FUSE.set(left - 1);
        if left == 1 {
            // Without the panic hook's message: there are many of these.
            resume_unwind(Box::new("the fuse is used up"));
        }
    }
}

impl Hash for Account {
    fn hash<H: Hasher>(&self, state: &mut H) {
        burn();
        self.0.hash(state);
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.0 == other.0
    }
}

impl Eq for Account {}

fn transfers() -> i64 {
    std::env::var("RACEGUARD_BANK_TRANSFERS").map_or(200_000, |count| count.parse().expect("a number"))
}

fn open_bank(clock: &ManualClock) -> Bank {
    let bank = QuotaMap::with_clock(clock.clone());
    for account in 0..ACCOUNTS {
        bank.open(Account(account), floor(account), START).unwrap();
    }
    bank
}

fn floor(account: u64) -> i64 {
    FLOORS[usize::try_from(account % 4).unwrap()]
}

fn sum() -> i128 {
    i128::from(ACCOUNTS) * i128::from(START)
}

/// One teller: a thread's random numbers, and what it did.
struct Teller<'a> {
    bank: &'a Bank,
    clock: &'a ManualClock,
    random: u64,
    done: u64,
    tally: &'a Tally,
}

/// How often what happened, so that the test cannot pass with nothing going wrong.
#[derive(Debug, Default)]
struct Tally {
    moved: AtomicU64,
    refused: AtomicU64,
    cancelled: AtomicU64,
    expired: AtomicU64,
    panicked: AtomicU64,
    died: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Teller<'_> {
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// One transfer in one of many ways, most of which go wrong in the middle. False when the bank is closed.
    fn transfer(&mut self) -> bool {
        let (from, to) = (Account(self.next() % ACCOUNTS), Account(self.next() % ACCOUNTS));
        let (amount, choice) = (self.next() % 400, self.next() % 100);
        self.done += 1;
        let outcome = match choice {
            0..60 => self.bank.transfer(&from, &to, amount),
            60..75 => self.bank.reserve(&from, amount).and_then(|held| held.commit_to(&to)),
            75..80 => self.bank.reserve(&from, amount).map(|held| self.cancel(held)),
            80..85 => self.bank.reserve_for(&from, amount, Duration::from_millis(1)).and_then(|held| {
                if choice % 2 == 0 {
                    self.clock.advance(Duration::from_millis(1));
                }
                held.commit_to(&to)
            }),
            // Nobody ever ends it: only its time does.
            85..87 => self.bank.reserve_for(&from, amount, Duration::from_millis(1)).map(std::mem::forget),
            _ => self.panicking(&from, &to, amount, choice),
        };
        match outcome {
            Ok(()) => count(&self.tally.moved),
            Err(QuotaError::Map(_)) => return false,
            Err(QuotaError::Expired) => count(&self.tally.expired),
            Err(QuotaError::Insufficient { .. }) => count(&self.tally.refused),
            Err(other) => panic!("{other}"),
        }
        true
    }

    fn cancel<T>(&self, held: T) {
        drop(held);
        count(&self.tally.cancelled);
    }

    /// A panic inside the map, from the hash or the comparison of a key, or outside with a reservation in hand.
    fn panicking(
        &mut self,
        from: &Account,
        to: &Account,
        amount: u64,
        choice: u64,
    ) -> Result<(), QuotaError> {
        let fuse = u32::try_from(self.next() % 6).unwrap();
        let bank = self.bank;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            FUSE.set(fuse);
            let held = bank.reserve(from, amount)?;
            if choice < 95 { held.commit_to(to) } else { bank.transfer(from, to, 1) }
        }));
        FUSE.set(0);
        outcome.unwrap_or_else(|_| {
            count(&self.tally.panicked);
            Ok(())
        })
    }

    /// Works until the bank closes, the work is done, or the thread dies, with a reservation in its hands.
    fn work(mut self, left: &AtomicI64) {
        while left.load(Ordering::Relaxed) > 0 && self.transfer() {
            if self.done.is_multiple_of(64) {
                left.fetch_sub(64, Ordering::Relaxed);
            }
            if self.done >= LIFETIME {
                let held = self.bank.reserve(&Account(self.next() % ACCOUNTS), 1);
                count(&self.tally.died);
                resume_unwind(Box::new(("the thread dies", held.is_ok())));
            }
        }
    }
}

/// Eight tellers, each replaced when it dies, until `left` transfers are done or the bank is closed.
fn run_tellers(
    bank: &Bank,
    clock: &ManualClock,
    left: &AtomicI64,
    tally: &Tally,
    open: &(impl Fn() -> bool + Sync),
) {
    std::thread::scope(|scope| {
        for teller in 0..THREADS {
            scope.spawn(move || {
                let mut generation = 0;
                while left.load(Ordering::Relaxed) > 0 && open() {
                    generation += 1;
                    let random = (generation * THREADS + teller + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let work = move || Teller { bank, clock, random, done: 0, tally }.work(left);
                    std::thread::scope(|scope| drop(scope.spawn(work).join()));
                }
            });
        }
    });
}

fn check_floors(bank: &Bank) {
    for account in 0..ACCOUNTS {
        let quota = bank.quota(&Account(account)).unwrap();
        let free = i128::from(quota.balance) - i128::from(quota.reserved);
        assert!(free >= i128::from(floor(account)), "account {account}: {quota:?}");
    }
}

#[test]
fn the_sum_never_moves() {
    let clock = ManualClock::new();
    let bank = open_bank(&clock);
    let tally = Tally::default();
    let left = AtomicI64::new(transfers());
    let start = Instant::now();
    let mut checks = 0;
    std::thread::scope(|scope| {
        let tellers = scope.spawn(|| run_tellers(&bank, &clock, &left, &tally, &|| true));
        while !tellers.is_finished() {
            let totals = bank.totals().unwrap();
            assert_eq!(totals.balance, sum());
            assert_eq!(totals.accounts, 1000);
            check_floors(&bank);
            clock.advance(Duration::from_micros(500));
            checks += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    clock.advance(Duration::from_secs(1));
    let totals = bank.totals().unwrap();
    assert_eq!((totals.balance, totals.reserved, totals.reservations), (sum(), 0, 0));
    check_floors(&bank);
    assert!(checks > 10, "{checks} checks while running");
    for (what, counter) in [
        ("moved", &tally.moved),
        ("refused", &tally.refused),
        ("cancelled", &tally.cancelled),
        ("expired", &tally.expired),
        ("panicked", &tally.panicked),
        ("died", &tally.died),
    ] {
        assert!(counter.load(Ordering::Relaxed) > 0, "{what}: {tally:?}");
    }
    println!("{} transfers in {:.2?}, {checks} checks: {tally:?}", transfers(), start.elapsed());
}

#[test]
fn the_sum_is_there_when_the_bank_closes_midway() {
    for round in 0..20 {
        let clock = ManualClock::new();
        let bank = open_bank(&clock);
        let tally = Tally::default();
        let left = AtomicI64::new(i64::MAX);
        let balances = std::thread::scope(|scope| {
            let open = || bank.totals().is_ok();
            let tellers = scope.spawn({
                let (bank, clock, left, tally) = (&bank, &clock, &left, &tally);
                move || run_tellers(bank, clock, left, tally, &open)
            });
            while tally.moved.load(Ordering::Relaxed) < 500 + round {
                std::thread::yield_now();
            }
            let (report, balances) = bank.close_and_drain().unwrap();
            assert_eq!(report.entries, balances.len());
            tellers.join().unwrap();
            balances
        });
        assert_eq!(balances.len(), 1000);
        assert_eq!(balances.iter().map(|(_, balance)| i128::from(*balance)).sum::<i128>(), sum());
        for (account, balance) in balances {
            assert!(balance >= floor(account.0), "{account:?}: {balance}");
        }
    }
}
