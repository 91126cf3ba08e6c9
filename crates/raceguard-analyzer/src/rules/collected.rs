//! What rules about the whole program note in each function while the ways through it are walked.
//!
//! A walk is what these rules cost. It happens once for all of them: each adds what it needs to one [`Collected`], and
//! draws its conclusions when all functions have been walked.

use super::guarded_maps::MapUse;
use super::{
    rg104_guarded_map_escapes, rg105_map_shared_by_copy, rg106_write_under_read_lock,
    rg303_lock_order_inversion, rg403_false_sharing, rg404_map_copy_under_lock,
};

/// The notes of all rules, in the order of the functions.
#[derive(Default)]
pub(super) struct Collected {
    /// Uses of maps that lie in fields.
    pub(super) map_uses: Vec<MapUse>,
    /// Maps that are given away.
    pub(super) escapes: Vec<rg104_guarded_map_escapes::Escape>,
    /// Locks taken, and calls made, while others are held.
    pub(super) lock_order: Vec<rg303_lock_order_inversion::Fact>,
    /// Structs with maps that are returned by value.
    pub(super) struct_copies: Vec<rg105_map_shared_by_copy::returned::StructCopy>,
    /// Maps of structs copied under a lock that are used without it.
    pub(super) outside_uses: Vec<rg105_map_shared_by_copy::used_outside::OutsideUse>,
    /// Map writes in callbacks that are called under a read lock.
    pub(super) callback_writes: Vec<rg106_write_under_read_lock::callback::CallbackWrite>,
    /// Counters in loops, and goroutines.
    pub(super) counters: Vec<rg403_false_sharing::fields::Fact>,
    /// Copies of whole maps, and calls that happen often.
    pub(super) copies: Vec<rg404_map_copy_under_lock::Fact>,
}

impl Collected {
    /// Adds what was noted in a later function.
    pub(super) fn append(&mut self, mut later: Self) {
        self.map_uses.append(&mut later.map_uses);
        self.escapes.append(&mut later.escapes);
        self.lock_order.append(&mut later.lock_order);
        self.struct_copies.append(&mut later.struct_copies);
        self.outside_uses.append(&mut later.outside_uses);
        self.callback_writes.append(&mut later.callback_writes);
        self.counters.append(&mut later.counters);
        self.copies.append(&mut later.copies);
    }
}
