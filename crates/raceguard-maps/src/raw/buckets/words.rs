//! Copying entries in and out of slots while others do the same, without a data race.
//!
//! A slot is read and written word by word through relaxed atomics of possibly uninitialized words (padding is), so
//! that a torn copy is a wrong value and not undefined behaviour. Nobody looks at a copy before the bucket's header has
//! shown that it is whole.

use std::mem::MaybeUninit;

use atomic_maybe_uninit::raw::{AtomicLoad, AtomicStore, Primitive};

use crate::raw::sync;
use crate::raw::sync::atomic::Ordering;

/// Copies what is at `from`, maybe torn.
///
/// # Safety
///
/// `from` is valid for reads and aligned; others write it through [`store`] alone while this runs.
#[inline]
pub(super) unsafe fn load<T>(from: *const T) -> MaybeUninit<T> {
    let mut copy = MaybeUninit::uninit();
    let to = copy.as_mut_ptr();
    // SAFETY: by the caller; the words cover `T`, whose size is a multiple of its alignment.
    unsafe {
        match align_of::<T>() {
            1 => load_words::<T, u8>(from, to),
            2 => load_words::<T, u16>(from, to),
            4 => load_words::<T, u32>(from, to),
            _ => load_words::<T, usize>(from, to),
        }
    }
    copy
}

#[inline]
unsafe fn load_words<T, W: Primitive + AtomicLoad>(from: *const T, to: *mut T) {
    for word in 0..size_of::<T>() / size_of::<W>() {
        // SAFETY: by the caller of `load`.
        unsafe {
            let value = W::atomic_load(from.cast::<MaybeUninit<W>>().add(word), Ordering::Relaxed);
            to.cast::<MaybeUninit<W>>().add(word).write(value);
        }
        sync::between_words();
    }
}

/// Writes `value` to `to`, where others may be reading.
///
/// # Safety
///
/// `to` is valid for writes and aligned; others only read it, and through [`load`] alone, while this runs.
#[inline]
pub(super) unsafe fn store<T>(to: *mut T, value: &MaybeUninit<T>) {
    let from = value.as_ptr();
    // SAFETY: by the caller; the words cover `T`, whose size is a multiple of its alignment.
    unsafe {
        match align_of::<T>() {
            1 => store_words::<T, u8>(to, from),
            2 => store_words::<T, u16>(to, from),
            4 => store_words::<T, u32>(to, from),
            _ => store_words::<T, usize>(to, from),
        }
    }
}

#[inline]
unsafe fn store_words<T, W: Primitive + AtomicStore>(to: *mut T, from: *const T) {
    for word in 0..size_of::<T>() / size_of::<W>() {
        // SAFETY: by the caller of `store`.
        unsafe {
            let value = from.cast::<MaybeUninit<W>>().add(word).read();
            W::atomic_store(to.cast::<MaybeUninit<W>>().add(word), value, Ordering::Relaxed);
        }
        sync::between_words();
    }
}
