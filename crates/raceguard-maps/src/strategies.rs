//! The strategies, one file each.

pub mod mutex;
pub mod serial;
