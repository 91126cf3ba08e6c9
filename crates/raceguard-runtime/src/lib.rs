//! The data race detector that is linked into Go programs.
//!
//! It implements the C ABI that Go's `-race` instrumentation calls, so that it can take the place of
//! ThreadSanitizer's object at link time. As one relocatable object it may refer to nothing outside itself: no libc,
//! no thread-local storage, no allocator of the system; only Linux system calls.
//!
//! # Algorithm
//!
//! Precise happens-before after FastTrack (Flanagan and Freund, "FastTrack: efficient and precise dynamic race
//! detection", PLDI 2009): each goroutine has a vector clock ([`clock`]), each release advances its epoch, each word
//! of memory remembers the accesses that a future one could race with ([`shadow`], [`detect`]). What differs:
//!
//! - Nothing is forgotten. Where the records that a cell holds do not suffice an overflow set grows ([`overflow`]);
//!   ThreadSanitizer keeps four per word and evicts at random. There is no bounded per-thread history: each record
//!   carries the id of its full calling context ([`context`]).
//! - Vector clocks are shared and copied on write ([`clock`]); a release costs a reference ([`sync_object`]).
//! - A goroutine's position in the clocks is used again only by a goroutine that happens after its end ([`slots`]).
//!
//! # Invariants
//!
//! - A record leaves the shadow only when a newer access of the same bytes that happens after it, and conflicts with
//!   at least as much, takes its place; or when its memory is allocated anew.
//! - Epoch `c` of a slot is published only after its last access: every release that publishes anything new moves its
//!   goroutine to a fresh epoch.
//! - No lock is held while Go is called back, and no lock is taken while a line of shadow is locked but the
//!   allocator's and that of new contexts.
//!
//! # What it can miss
//!
//! - Accesses that the compiler does not instrument (assembly, C, packages built without `-race`).
//! - Races that did not happen in this execution's order: happens-before sees one interleaving.
//! - What a goroutine does after a finalizer has run, until it next releases or learns anything, counts as done before
//!   that finalizer.
//! - Beyond 340 unordered plain *writes* on one word, all of them already in conflict, the newest replaces another.
//! - Of reads by goroutines that ended without being waited for, two per word and bytes are kept: whatever races with
//!   one of them races with all.
//!
//! Start reading at [`abi`], which Go calls, then [`detect`].
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod abi;
pub mod atomic;
pub mod budget;
pub mod cell_update;
pub mod clock;
pub mod clock_tree;
pub mod context;
pub mod context_pair;
pub mod detect;
#[cfg(test)]
mod detect_tests;
#[cfg(test)]
mod differential_tests;
pub mod entry;
pub mod goroutine;
pub mod heap;
pub mod lock;
pub mod memory;
pub mod options;
pub mod overflow;
mod overflow_table;
pub mod quick;
pub mod reclaim;
pub mod record;
pub mod report;
pub mod sampling;
pub mod shadow;
pub mod slots;
pub mod stack;
pub mod sync_object;
pub mod sys;

#[cfg(raceguard_object)]
mod freestanding;
