//! The strategies, one file each.

pub mod bucket;
pub mod inline;
pub mod lock_free;
pub mod mutex;
pub mod read_mostly;
pub mod rwlock;
pub mod serial;
pub mod sharded;
pub mod sharded_snapshot;
pub mod snapshot;
