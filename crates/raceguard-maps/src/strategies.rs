//! The strategies, one file each.

pub mod mutex;
