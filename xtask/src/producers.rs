//! `cargo xtask producers`: the parsers of foreign evidence on what the oldest and the newest supported Go write.

use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::{self, Release};
use crate::{process, workspace};

/// Test programs that run Go and ingest what it writes.
const TESTS: [&str; 1] = ["ingest_producers"];

/// The options of the task `producers`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go release lines, such as 1.24; may be repeated
    #[arg(long, value_name = "RELEASE", default_values = ["1.22", "1.27"])]
    go: Vec<Release>,
}

/// The task `producers`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for release in &arguments.go {
        let go = toolchain::of_release(*release)?;
        step(&format!("what {} writes", go.version));
        let mut command = workspace::cargo();
        command.args(["test", "--package", "raceguard"]).current_dir(workspace::root());
        command.args(TESTS.iter().flat_map(|test| ["--test", test]));
        go.set_environment(&mut command);
        if !process::run(&mut command)?.success() {
            failed.push(go.version);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Findings(format!("failed with {}", failed.join(", "))))
    }
}
