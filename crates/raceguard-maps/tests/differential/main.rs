//! Differential fuzzing against `std::collections::HashMap`, as many programs as a test can afford.
//!
//! `RACEGUARD_MAPS_PROGRAMS` sets how many programs each map runs (200 without it), `RACEGUARD_MAPS_SEED` the seed of
//! the first. A failure names its seed. The fuzz target in `fuzz/` runs the same interpreter without end.
#![cfg(not(any(raceguard_shuttle, raceguard_loom)))]

#[path = "../linearizability/dice.rs"]
mod dice;
#[path = "../subjects/mod.rs"]
mod subjects;

mod interpreter;

use raceguard_maps::FastState;

use dice::Dice;
use interpreter::Step;
use subjects::Subject;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

fn step(dice: &mut Dice) -> Step {
    let [key, small, high, low, ..] = dice.word().to_le_bytes();
    let value = u16::from_le_bytes([high, low]);
    match dice.below(64) {
        0..14 => Step::Get(key),
        14..26 => Step::Insert(key, value),
        26..31 => Step::InsertIfAbsent(key, value),
        31..37 => Step::Update(key, value),
        37..44 => Step::Compute(key, value, small),
        44..51 => Step::Remove(key),
        51..54 => Step::RemoveIfEven(key),
        54..56 => Step::InsertRun(value, small),
        56..58 => Step::RemoveRun(value, small),
        58 => Step::Retain(small % 4),
        59 if dice.one_in(4) => Step::Clear,
        59..62 => Step::Apply(key, value),
        _ => Step::Look,
    }
}

fn check<T: Subject<u32, u64, FastState>>() {
    let first = setting("RACEGUARD_MAPS_SEED", 1);
    for seed in first..first + setting("RACEGUARD_MAPS_PROGRAMS", 200) {
        let mut dice = Dice::new(seed);
        let length = 1 + dice.below(300);
        let program: Vec<Step> = (0..length).map(|_| step(&mut dice)).collect();
        let shown = Seed(seed);
        interpreter::run(&*T::make(FastState::default()), &program);
        drop(shown);
    }
}

/// Tells the seed when the program panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// A test for each subject.
macro_rules! subjects {
    ($($name:ident: $subject:ty;)*) => {
        $(#[test]
        fn $name() {
            check::<$subject>();
        })*
    };
}

subjects! {
    mutex: subjects::Mutex;
    rwlock: subjects::RwLock;
    sharded: subjects::Sharded;
    serial: subjects::Serial;
    read_mostly: subjects::ReadMostly;
    snapshots: subjects::Snapshots;
    sharded_snapshots: subjects::ShardedSnapshots;
    buckets: subjects::Buckets;
    inline: subjects::Inline;
    lock_free: subjects::LockFree;
    checked_mutex: subjects::CheckedOver<subjects::Mutex>;
    observed_inline: subjects::ObservedOver<subjects::Inline>;
    coalesced_inline: subjects::CoalescedOver<subjects::Inline>;
    durable_sharded: subjects::DurableOver<subjects::Sharded>;
}
