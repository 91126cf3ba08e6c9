//! The contract of `ConcurrentMap`: what every strategy and every layer has to do, whatever its key and value types.
//!
//! Each check is a generic function; `contract!` makes a module of tests out of them for one subject. A new strategy
//! gets a `Subject` in `subjects/` and a line at the end of this file.
#![cfg(not(any(raceguard_shuttle, raceguard_loom)))]

#[path = "../subjects/mod.rs"]
mod subjects;

#[macro_use]
mod suite;

mod closing;
mod drops;
mod every_call;
mod family;
mod hashers;
mod operations;
mod panics;
mod threads;
mod tracked;
mod watchdog;

use family::Family;
use raceguard_maps::FastState;
use subjects::{Home, Subject};

/// The map of a subject for the types of a family.
type MapOf<T, F, S> = <T as Subject<<F as Family>::Key, <F as Family>::Value, S>>::Map;

/// An empty map of a subject.
fn map<T, F, S>() -> Home<MapOf<T, F, S>>
where
    F: Family,
    S: Default,
    T: Subject<F::Key, F::Value, S>,
{
    T::make(S::default())
}

contract!(mutex, crate::subjects::Mutex, any);
contract!(rwlock, crate::subjects::RwLock, any);
contract!(sharded, crate::subjects::Sharded, any);
contract!(serial, crate::subjects::Serial, any);
contract!(snapshots, crate::subjects::Snapshots, any);
contract!(sharded_snapshots, crate::subjects::ShardedSnapshots, any);
contract!(buckets, crate::subjects::Buckets, any);
contract!(lock_free, crate::subjects::LockFree, any);
contract!(inline, crate::subjects::Inline, copy);
contract!(checked_mutex, crate::subjects::CheckedOver<crate::subjects::Mutex>, layer);
contract!(coalesced_sharded, crate::subjects::CoalescedOver<crate::subjects::Sharded>, layer);
contract!(durable_mutex, crate::subjects::DurableOver<crate::subjects::Mutex>, layer);
