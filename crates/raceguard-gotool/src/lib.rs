//! Drives the user's own Go toolchain so that programs run under raceguard's race runtime.
//!
//! Nothing of the user's installation, module or source is changed: the race runtime is put into programs at
//! their link step, through cmd/go's `-toolexec` flag.
//!
//! - [`environment`]: is there a Go that can do this, and what does it say about the user's folder?
//! - [`flags`] and [`command`]: from the user's command line to the one of cmd/go.
//! - [`toolexec`]: what happens when cmd/go calls us in front of a tool; [`substitution`] says what is replaced,
//!   [`importcfg`], [`archive`] and [`cache`] do it.
//! - [`events`]: what `go test -json` tells while it runs.
//! - [`module`]: facts on the user's module for the record of a run.
//!
//! Invariants: compile steps are those of stock `-race`, to the byte; every tool but the linker is called
//! exactly as without us; a rewritten archive differs in the replaced members only; nothing is written
//! outside of the build's work folder and raceguard's own cache folder.
//!
//! Deliberately absent: evidence and its parsing, and every opinion on what a test's output means.

pub mod archive;
pub mod cache;
pub mod command;
pub mod environment;
pub mod error;
pub mod events;
pub mod flags;
pub mod importcfg;
pub mod module;
pub mod object;
pub mod quoting;
pub mod stub;
pub mod substitution;
pub mod toolexec;
pub mod version;
