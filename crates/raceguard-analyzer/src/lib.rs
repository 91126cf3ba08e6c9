//! Static analysis of Go source: finds data races, map races above all, without a Go toolchain.
//!
//! The way of a file through the crate:
//!
//! 1. [`source`] finds packages and reads files, through the one trait that does I/O;
//! 2. [`syntax`] makes an abstract syntax tree of each, declarations first and function bodies on demand;
//! 3. [`types`] resolves names and types as far as the analysis asks. What it can't know is unknown, never guessed;
//! 4. [`ir`] keeps of each function what can matter to a race: accesses as access paths, calls, channel operations;
//! 5. [`analysis`] finds accesses that may run at the same time with nothing to order them;
//! 6. [`rules`] say what each kind of finding means, `fixes` what to write instead; [`finding`] is what comes out.
//!
//! Invariants: no I/O outside [`source::SourceTree`]; bytes come in, values go out; whatever could not be read,
//! parsed or resolved is in the result, never silently left out. The same input gives the same findings in the same
//! order.

pub mod analysis;
pub mod check;
pub mod finding;
mod fixes;
pub mod ir;
pub mod pipeline;
pub mod rules;
pub mod source;
pub mod syntax;
pub mod types;
