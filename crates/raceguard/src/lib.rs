//! What the `raceguard` command is made of: its commands, and the rendering of what they find.
//!
//! Start reading at [`cli`] for what there is, at [`commands`] for what each command does, and at [`report`] for
//! rendering. [`check`] is all around static analysis, [`gate`] all around policies,
//! [`fleet`] all around sending evidence to a server, [`agent`] all around doing so as it comes. [`session`] is one run and its evidence; [`test_output`],
//! [`timeline`] and [`attribution`] read the events of `go test`.

pub mod agent;
pub mod attribution;
pub mod check;
pub mod checks;
pub mod child;
pub mod cli;
pub mod commands;
pub mod crashes;
pub mod error;
pub mod evidence_tail;
pub mod explain;
pub mod fleet;
pub mod gate;
pub mod go_build;
pub mod go_failure;
pub mod ingest;
pub mod interrupt;
mod kept_runs;
pub mod old_runs;
pub mod progress;
pub mod race_text;
pub mod report;
pub mod report_output;
pub mod runtime_options;
pub mod session;
pub mod sightings;
pub mod test_output;
pub mod timeline;
