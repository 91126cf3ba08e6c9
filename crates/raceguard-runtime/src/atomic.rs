//! Go's atomic operations: the operation itself, its synchronisation, and its check against plain accesses.
//!
//! A load acquires, a store releases, a read-modify-write does both, a failed compare-and-swap acquires and still
//! counts as a write. Operation, clock update and record are made with the line locked: whoever sees the value also
//! sees the clock.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::detect::{self, AtomicAccess, Site};
use crate::goroutine::Goroutine;
use crate::record::{ATOMIC, WRITE};
use crate::sync_object;

/// An integer that Go has atomic operations for.
pub trait Word: Copy + Eq {
    /// Its atomic counterpart.
    type Atomic;
    /// The bytes it fills in an aligned word, before shifting to its place.
    const MASK: u8;
    /// Borrows the program's variable.
    ///
    /// # Safety
    /// `address` is a valid, aligned variable of this size.
    unsafe fn at<'a>(address: usize) -> &'a Self::Atomic;
    /// Loads.
    fn load(atomic: &Self::Atomic) -> Self;
    /// Stores.
    fn store(atomic: &Self::Atomic, value: Self);
    /// Applies `change` atomically; the old value, and whether a new one was stored.
    fn update(atomic: &Self::Atomic, change: Change<Self>) -> (Self, bool);
}

/// A read-modify-write operation.
#[derive(Clone, Copy)]
pub enum Change<T> {
    /// Replaces the value.
    Exchange(T),
    /// Adds, wrapping.
    Add(T),
    /// Bitwise and.
    And(T),
    /// Bitwise or.
    Or(T),
    /// Replaces the first by the second.
    CompareExchange(T, T),
}

macro_rules! word {
    ($type:ty, $atomic:ty, $mask:expr) => {
        impl Word for $type {
            type Atomic = $atomic;
            const MASK: u8 = $mask;
            #[inline(always)]
            unsafe fn at<'a>(address: usize) -> &'a $atomic {
                // SAFETY: the caller vouches for the address.
                unsafe { &*(address as *const $atomic) }
            }
            #[inline(always)]
            fn load(atomic: &$atomic) -> Self {
                atomic.load(Ordering::SeqCst)
            }
            #[inline(always)]
            fn store(atomic: &$atomic, value: Self) {
                atomic.store(value, Ordering::SeqCst);
            }
            #[inline(always)]
            fn update(atomic: &$atomic, change: Change<Self>) -> (Self, bool) {
                // ORDERING: Go's atomics are sequentially consistent.
                match change {
                    Change::Exchange(value) => (atomic.swap(value, Ordering::SeqCst), true),
                    Change::Add(value) => (atomic.fetch_add(value, Ordering::SeqCst), true),
                    Change::And(value) => (atomic.fetch_and(value, Ordering::SeqCst), true),
                    Change::Or(value) => (atomic.fetch_or(value, Ordering::SeqCst), true),
                    Change::CompareExchange(old, new) => {
                        match atomic.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
                            Ok(old) => (old, true),
                            Err(seen) => (seen, false),
                        }
                    }
                }
            }
        }
    };
}
word!(u32, AtomicU32, 0x0f);
word!(u64, AtomicU64, 0xff);

fn mask<T: Word>(address: usize) -> u8 {
    T::MASK << (address & 7)
}

/// Loads from `address`.
///
/// # Safety
/// `address` is an aligned variable of the program, with a shadow unless sync is ignored.
pub unsafe fn load<T: Word>(goroutine: &mut Goroutine, address: usize, site: Site) -> T {
    // SAFETY: passed on.
    let variable = unsafe { T::at(address) };
    if goroutine.ignores_sync != 0 {
        return T::load(variable);
    }
    // A store makes the object and releases to it before it stores: without an object the value came from no release.
    if detect::has_nothing_to_record(goroutine, address, ATOMIC, mask::<T>(address)) {
        let value = T::load(variable);
        let Some(object) = sync_object::find(address) else { return value };
        if let Some(value) = object.read_if_known(goroutine, || T::load(variable)) {
            return value;
        }
    }
    let mut access = AtomicAccess::new(goroutine, address, ATOMIC, mask::<T>(address), site);
    let line = access.lock(goroutine);
    access.record(goroutine);
    let value = T::load(variable);
    if let Some(object) = sync_object::find(address) {
        object.hold(&line).acquire(goroutine);
    }
    drop(line);
    access.report(goroutine);
    value
}

/// Stores to `address`.
///
/// # Safety
/// As for [`load`].
pub unsafe fn store<T: Word>(goroutine: &mut Goroutine, address: usize, value: T, site: Site) {
    // SAFETY: passed on.
    let variable = unsafe { T::at(address) };
    if goroutine.ignores_sync != 0 {
        return T::store(variable, value);
    }
    let mut access = AtomicAccess::new(goroutine, address, ATOMIC | WRITE, mask::<T>(address), site);
    let object = sync_object::find_or_create(address);
    let line = access.lock(goroutine);
    access.record(goroutine);
    object.hold(&line).release(goroutine);
    T::store(variable, value);
    drop(line);
    access.report(goroutine);
}

/// Changes the value at `address`; the old value, and whether a new one was stored.
///
/// # Safety
/// As for [`load`].
pub unsafe fn update<T: Word>(
    goroutine: &mut Goroutine,
    address: usize,
    change: Change<T>,
    site: Site,
) -> (T, bool) {
    // SAFETY: passed on.
    let variable = unsafe { T::at(address) };
    if goroutine.ignores_sync != 0 {
        return T::update(variable, change);
    }
    let mut access = AtomicAccess::new(goroutine, address, ATOMIC | WRITE, mask::<T>(address), site);
    let result = synchronised(goroutine, address, &mut access, || T::update(variable, change));
    access.report(goroutine);
    result
}

/// Runs a read-modify-write operation on `address` with its check and its synchronisation. The second part of its
/// result says whether something was stored.
#[inline]
pub fn synchronised<R>(
    goroutine: &mut Goroutine,
    address: usize,
    access: &mut AtomicAccess,
    operation: impl FnOnce() -> (R, bool),
) -> (R, bool) {
    let object = sync_object::find_or_create(address);
    let line = access.lock(goroutine);
    let mut held = object.hold(&line);
    let result = operation();
    if held.has_news_for(goroutine) {
        // A plain access that it hears of only by this operation still races with it. Once the operations before this one
        // are known it takes the place of their records.
        access.check(goroutine);
        held.acquire(goroutine);
    }
    access.record(goroutine);
    if result.1 {
        // Having acquired, the goroutine knows all that the object holds: release is a merge.
        held.release(goroutine);
    }
    result
}
