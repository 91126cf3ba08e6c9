//! Everything of `raceguard check` around the analysis itself.
//!
//! The way of a check:
//!
//! 1. [`config`] reads `raceguard.toml`, [`settings`] joins it with the command line;
//! 2. [`analysis`] loads and analyses, or takes the result of the same sources from the [`cache`];
//! 3. [`filter`] leaves out what is suppressed ([`suppression`]), not selected ([`selection`]), outside of the change
//!    ([`git_diff`]) or known ([`baseline`]), and counts all of it;
//! 4. [`evidence`] keeps the findings in `.raceguard`, [`render`] shows them, [`fix`] applies changes.
//!
//! Invariant: renderers see nothing but records of evidence and sources, so `raceguard report` shows a check again
//! months later.

pub mod analysis;
pub mod baseline;
pub mod cache;
pub mod config;
pub mod convert;
pub mod error;
pub mod evidence;
pub mod filter;
pub mod fix;
pub mod git_diff;
pub mod globs;
pub mod meta_rules;
pub mod output;
pub mod progress;
pub mod registry;
pub mod render;
pub mod selection;
pub mod settings;
pub mod suppression;
pub mod watch;
