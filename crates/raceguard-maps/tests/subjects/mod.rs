//! The maps under test: every strategy and every layer, each made the same way whatever its key and value types.
//!
//! A test binary that wants them says `#[path = "../subjects/mod.rs"] mod subjects;`.

mod family;
mod hashers;
mod subject;

pub(crate) use family::*;
pub(crate) use hashers::{AllOnes, AllZero, FourHashes};
pub(crate) use subject::*;
