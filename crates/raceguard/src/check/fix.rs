//! Applies the changes that come with findings.
//!
//! Changes are tried in [`rounds`]. A change is kept only if the analysis of the result finds less and nothing new ([`verify`]). Nothing is written
//! before all of that is known, nor when a file has changed since it was read; and each file is written as a whole
//! ([`atomic`]).

pub mod atomic;
pub mod command;
mod edits;
mod gofmt;
mod overlay;
mod rounds;
mod verify;
