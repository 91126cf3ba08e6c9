//! Foreign evidence on its way into a run: which files, whose they are, what became of them.
//!
//! [`inputs`] finds the files, [`writing`] keeps the run, [`membership`] tells evidence of another module, [`known`]
//! files that were ingested before, and [`summary`] says what was read and what was not. The formats themselves are
//! those of [`raceguard_evidence::foreign`].

pub mod inputs;
pub mod known;
pub mod membership;
pub mod progress;
pub mod summary;
pub mod writing;
