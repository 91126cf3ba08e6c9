//! Binaries of this workspace in release mode.

use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;

use crate::failure::Failure;
use crate::report_line::step;
use crate::{process, workspace};

#[derive(Deserialize)]
struct CargoMessage {
    target: Option<CargoTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
}

/// Builds the binary that a package of this workspace is named for.
pub(crate) fn binary(package: &str) -> Result<PathBuf, Failure> {
    binary_of(package, package)
}

/// Builds a binary of a package of this workspace.
pub(crate) fn binary_of(package: &str, name: &str) -> Result<PathBuf, Failure> {
    step(&format!("building {name} (release)"));
    let mut command = workspace::cargo();
    command
        .args(["build", "--release", "--package", package, "--message-format=json-render-diagnostics"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit());
    let mut executable = None;
    let status = process::follow(&mut command, |line| {
        if let Ok(CargoMessage { target: Some(target), executable: Some(path) }) = serde_json::from_str(line)
            && target.name == name
        {
            executable = Some(path);
        }
    })?;
    match executable {
        Some(path) if status.success() => Ok(path),
        _ => Err(Failure::environment(
            format!("`{}` ended with {status} and made no binary", process::shown(&command)),
            "mend the errors above",
        )),
    }
}
