//! All of GOROOT/src: what is reported there, and what its analysis costs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use raceguard_analyzer::finding::Severity;

use super::analysis::{Analysis, Counts, Size, analyse, load_only};
use crate::failure::Failure;
use crate::measure::Cost;
use crate::report_line::step;
use crate::toolchain::Go;
use crate::{measure, process, raceguard};

/// A command that takes longer is stopped.
const LIMIT: Duration = Duration::from_mins(10);

/// The standard library, and the commands that come with it: two modules below GOROOT/src.
const PATTERNS: [&str; 2] = ["std", "cmd/..."];

/// What was found in the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) size: Size,
    pub(super) counts: Counts,
}

/// What the analysis of the library costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speed {
    pub(super) size: Size,
    pub(super) cold: Cost,
    pub(super) warm: Cost,
}

/// Analyses the library.
pub(super) fn findings(go: &Go) -> Findings {
    step("all of GOROOT/src");
    let Analysis { loaded, checked } = analyse(&go.root.join("src"), go, &PATTERNS);
    for finding in checked.findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let name = finding.sites.first().map_or("", |site| &*site.function);
        println!("{} {}: {}", finding.rule.code, name, finding.message);
    }
    Findings { size: Size::of(&loaded), counts: Counts::of(&checked.findings) }
}

/// Times `raceguard check` on a copy of the library: with an empty cache, then with what the run before kept.
pub(super) fn speed(go: &Go, raceguard: &raceguard::Source, runs: u32) -> Result<Speed, Failure> {
    let binary = raceguard.binary()?;
    step("copying GOROOT/src, since a check keeps evidence where it runs");
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::environment(format!("cannot make a folder: {error}"), "make room in the temporary folder")
    })?;
    copy(&go.root, folder.path())?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        step(&format!("timing raceguard check, run {run} of {runs}"));
        let cache = folder.path().join("cache");
        if cache.exists() {
            fs::remove_dir_all(&cache).map_err(|error| Failure::file("remove", &cache, &error))?;
        }
        for costs in [&mut cold, &mut warm] {
            costs.push(measure::demand(&mut command(binary, go, folder.path()), LIMIT, &[0, 1])?);
        }
    }
    let size = Size::of(&load_only(&go.root.join("src"), go, &PATTERNS));
    Ok(Speed { size, cold: Cost::of(&cold), warm: Cost::of(&warm) })
}

fn command(binary: &Path, go: &Go, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    go.set_environment(&mut command);
    command.env("GOROOT", folder);
    command.args(["check", "--quiet", "-C"]).arg(folder.join("src"));
    command.arg("--cache-dir").arg(folder.join("cache")).args(PATTERNS);
    command
}

/// Copies what the analyzer reads of a Go installation.
fn copy(goroot: &Path, to: &Path) -> Result<(), Failure> {
    let mut command = Command::new("cp");
    command.arg("-R").args(["src", "VERSION"].map(|name| goroot.join(name))).arg(to);
    process::demand(&mut command, "make room in the temporary folder").map(drop)
}
