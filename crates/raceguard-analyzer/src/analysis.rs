//! What can race: two accesses to the same memory that may run at the same time, one of them a write, with no common
//! lock and no order between them.
//!
//! - [`scope`] plays a function through together with what it calls and starts, and lists the events of each goroutine;
//!   [`order`] tells which events happen before which; [`conflicts`] pairs accesses that nothing orders.
//! - [`races`] makes findings of them;
//! - [`fields`] finds accesses to fields and package-level variables that functions far apart make;
//! - [`models`] says what library functions do.

pub mod conflicts;
pub mod convention;
pub mod fields;
pub mod models;
pub mod order;
pub mod races;
pub mod scope;
pub mod units;
pub mod wording;
