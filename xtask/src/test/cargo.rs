//! `cargo test` on the whole workspace, its output passed on and its closing lines added up.

use std::process::Command;

use crate::failure::Failure;
use crate::report_line::{Tally, step};
use crate::toolchain::Go;
use crate::{process, workspace};

/// Runs all Rust tests; those that drive Go get the given toolchain.
pub(super) fn check(go: &Go) -> Result<Tally, Failure> {
    step("cargo test --workspace");
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    go.set_environment(&mut command);
    count(&mut command)
}

/// Runs a `cargo test` and adds up the closing lines of its test binaries.
pub(super) fn count(command: &mut Command) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let status = process::follow(command.current_dir(workspace::root()), |line| {
        println!("{line}");
        if let Some(counted) = closing_line(line) {
            tally += counted;
        }
    })?;
    if !status.success() && tally.failed == 0 {
        // Something did not compile, or a test binary died without its closing line.
        tally.failed = 1;
    }
    Ok(tally)
}

/// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; ...`. An ignored test is a test that did not run.
fn closing_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        counts.split("; ").find_map(|part| part.strip_suffix(what)?.trim().parse::<usize>().ok())
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")? + count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(closing_line(line), Some(Tally { passed: 12, failed: 4 }));
        assert_eq!(closing_line("test a ... ok"), None);
    }
}
