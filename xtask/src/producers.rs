//! `cargo xtask producers`: the parsers of foreign evidence on what the oldest and the newest supported Go write.

use std::process::Command;

use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::{self, Go, Release};
use crate::{process, workspace};

/// Tests that take the Go on PATH.
const OF_ONE: [&str; 3] = ["raceguard", "--test", "ingest_producers"];
/// Tests that take several versions side by side.
const OF_ALL: [&str; 5] =
    ["raceguard-evidence", "--test", "foreign_pprof", "--test", "foreign_execution_trace"];

/// The options of the task `producers`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go release lines, such as 1.24; may be repeated
    #[arg(long, value_name = "RELEASE", default_values = ["1.22", "1.27"])]
    go: Vec<Release>,
}

/// The task `producers`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut releases = arguments.go.clone();
    releases.sort();
    let versions: Vec<Go> = releases.into_iter().map(toolchain::of_release).collect::<Result<_, _>>()?;
    let mut failed = Vec::new();
    for go in &versions {
        step(&format!("what {} writes", go.version));
        if !process::run(&mut tests(&OF_ONE, go))?.success() {
            failed.push(go.version.as_str());
        }
    }
    // The newest one is on PATH: what is read is compared with what its tools print, and those of old versions print less.
    if let Some((newest, others)) = versions.split_last() {
        step("profiles and traces of all of them");
        let mut command = tests(&OF_ALL, newest);
        let others = std::env::join_paths(others.iter().map(|go| &go.binary)).map_err(|error| {
            Failure::environment(error.to_string(), "move the toolchain to a path without `:`")
        })?;
        command.env("RACEGUARD_TEST_GO", others);
        if !process::run(&mut command)?.success() {
            failed.push("profiles and traces");
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Findings(format!("failed: {}", failed.join(", ")))) }
}

/// `cargo test` of a package and its test programs, with this Go on PATH.
fn tests(words: &[&str], go: &Go) -> Command {
    let mut command = workspace::cargo();
    command.args(["test", "--package"]).args(words).current_dir(workspace::root());
    go.set_environment(&mut command);
    command
}
