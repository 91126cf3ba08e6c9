//! The strategies, one file each.

pub mod lock_free;
pub mod mutex;
pub mod read_mostly;
