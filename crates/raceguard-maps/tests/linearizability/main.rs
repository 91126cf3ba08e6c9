//! Linearizability: histories of every strategy and every layer, from real threads and from shuttle's schedules, checked
//! against a sequential map by the promises that the strategy makes in `CONSISTENCY`.
//!
//! `RACEGUARD_MAPS_HISTORIES` sets how many histories are checked in all (100,000 without it), `RACEGUARD_MAPS_SEED`
//! where the random scripts begin. A failure names the seed of its script. Under `--cfg raceguard_shuttle` shuttle
//! chooses the schedules; without it real threads run.
//!
//! Why not `todc-utils`, the one published checker: its last release is 0.1, and it knows neither calls whose order is
//! only partly known nor several promises in one history. The search itself is forty lines: [`checker`].
#![cfg(not(raceguard_loom))]

#[path = "../subjects/mod.rs"]
mod subjects;

mod broken;
#[cfg(not(raceguard_shuttle))]
mod buffered;
mod checker;
#[cfg(raceguard_shuttle)]
mod closing;
mod dice;
mod history;
mod known;
#[cfg(not(raceguard_shuttle))]
mod litmus;
mod model;
mod promises;
mod record;
#[cfg(raceguard_shuttle)]
mod schedules;
mod script;
#[cfg(not(raceguard_shuttle))]
mod threads;

#[cfg(raceguard_shuttle)]
use schedules::search;
#[cfg(not(raceguard_shuttle))]
use threads::search;

use raceguard_maps::ConcurrentMap;
#[cfg(not(raceguard_shuttle))]
use raceguard_maps::consistency::Promise;
use subjects::{Home, Subject};

/// The same hashes in every run, so that a seed repeats one.
type Hasher = foldhash::fast::FixedState;

fn make<T: Subject<u64, u64, Hasher>>() -> Home<T::Map> {
    T::make(Hasher::default())
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// Where the seeds begin.
fn first_seed() -> u64 {
    setting("RACEGUARD_MAPS_SEED", 1)
}

/// Checks a subject's share of all histories.
fn check<M: ConcurrentMap<u64, u64> + Send + Sync + 'static>(name: &str, make: fn() -> Home<M>) {
    let share = setting("RACEGUARD_MAPS_HISTORIES", 100_000).div_ceil(SUBJECTS);
    let seed = first_seed();
    if let Err(found) = search(make, seed, share) {
        panic!("{name}: {found}");
    }
    println!("{name}: {share} histories from seed {seed} on are as promised");
    #[cfg(raceguard_shuttle)]
    closing::check(make, seed, share);
    #[cfg(not(raceguard_shuttle))]
    assert!(
        M::CONSISTENCY.read != Promise::Linearizable || litmus::passes(make),
        "{name}: two threads wrote and then both read an older value of the other's key"
    );
}

/// A test for each subject.
macro_rules! subjects {
    ($($name:ident: $subject:ty;)*) => {
        /// How many subjects share the histories.
        const SUBJECTS: u64 = [$(stringify!($name)),*].len() as u64;

        $(#[test]
        fn $name() {
            check(stringify!($name), make::<$subject>);
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
    checked_sharded: subjects::CheckedOver<subjects::Sharded>;
    observed_buckets: subjects::ObservedOver<subjects::Buckets>;
    coalesced_mutex: subjects::CoalescedOver<subjects::Mutex>;
    coalesced_lock_free: subjects::CoalescedOver<subjects::LockFree>;
    durable_mutex: subjects::DurableOver<subjects::Mutex>;
}
