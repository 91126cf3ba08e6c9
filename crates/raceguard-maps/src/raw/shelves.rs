//! [`Shelves`]: an array that grows without moving, for things that exist once per thread slot.

use std::ptr;

use crate::raw::sync::atomic::{AtomicPtr, Ordering};

const FIRST: usize = 8;
const COUNT: usize = 24;

/// Shelf `k` holds `FIRST << k` elements and is made when one of them is first asked for.
#[derive(Debug)]
pub(crate) struct Shelves<T> {
    shelves: [AtomicPtr<T>; COUNT],
}

// SAFETY: shares and sends `T`s.
unsafe impl<T: Send + Sync> Sync for Shelves<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shelves<T> {}

fn len_of(shelf: usize) -> usize {
    FIRST << shelf
}

impl<T: Default> Shelves<T> {
    pub(crate) fn new() -> Self {
        Self { shelves: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    #[inline]
    pub(crate) fn get_or_add(&self, index: usize) -> &T {
        let at = ((index + FIRST) / FIRST).ilog2() as usize;
        let offset = index + FIRST - len_of(at);
        // ORDERING: Acquire pairs with the Release in `add`.
        let mut elements = self.shelves[at].load(Ordering::Acquire);
        if elements.is_null() {
            elements = self.add(at);
        }
        // SAFETY: the shelf has `len_of(at)` elements, more than `offset`, and stays until `self` goes.
        unsafe { &*elements.add(offset) }
    }

    #[cold]
    fn add(&self, at: usize) -> *mut T {
        let elements: Box<[T]> = (0..len_of(at)).map(|_| T::default()).collect();
        let new = Box::into_raw(elements).cast::<T>();
        // ORDERING: Release publishes the elements; Acquire shows those of whoever was first.
        match self.shelves[at].compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(first) => {
                // SAFETY: ours, and not published.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(new, len_of(at))) });
                first
            }
        }
    }
}

impl<T> Shelves<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shelves.iter().enumerate().flat_map(|(shelf, elements)| {
            // ORDERING: Acquire pairs with the Release in `add`.
            let elements = elements.load(Ordering::Acquire);
            let len = if elements.is_null() { 0 } else { len_of(shelf) };
            // SAFETY: as in `get_or_add`.
            (0..len).map(move |offset| unsafe { &*elements.add(offset) })
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.shelves.iter().enumerate().flat_map(|(shelf, elements)| {
            // ORDERING: Relaxed: `&mut self`.
            let elements = elements.load(Ordering::Relaxed);
            let len = if elements.is_null() { 0 } else { len_of(shelf) };
            // SAFETY: as in `get_or_add`; `&mut self`, and each element comes once.
            (0..len).map(move |offset| unsafe { &mut *elements.add(offset) })
        })
    }
}

impl<T> Drop for Shelves<T> {
    fn drop(&mut self) {
        for (shelf, elements) in self.shelves.iter().enumerate() {
            // ORDERING: Relaxed: `&mut self`.
            let elements = elements.load(Ordering::Relaxed);
            if !elements.is_null() {
                // SAFETY: made by `add` with this length; nobody refers to it.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(elements, len_of(shelf))) });
            }
        }
    }
}
