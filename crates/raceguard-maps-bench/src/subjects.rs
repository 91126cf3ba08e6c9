//! Everything that is measured, one adapter for each map.

pub(crate) mod arc_swap;
pub(crate) mod counting;
pub(crate) mod evmap;
pub(crate) mod left_right;
pub(crate) mod locks;
pub(crate) mod nothing;
pub(crate) mod ours;
pub(crate) mod peers;
