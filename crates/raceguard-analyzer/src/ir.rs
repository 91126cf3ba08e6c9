//! What the analysis reads: functions as trees of accesses, calls and channel operations.
//!
//! Lowering ([`lower`]) leaves out all that can't matter to a race: arithmetic, and variables that no other goroutine
//! can reach. Memory is named by access paths ([`place`]): a local that is assigned once is replaced by its value, so
//! that `m := s.routes; m[k] = v` writes to the contents of `s.routes`.

pub mod function;
pub mod lower;
pub mod place;
