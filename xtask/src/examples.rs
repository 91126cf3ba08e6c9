//! The bundled Go examples under raceguard: each must show exactly the races that `examples/expected.toml` lists, and
//! its corrected twin, the package `fixed`, none.

mod evidence;
mod expected;

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::{self, Finished};
use crate::report_line::{Tally, step};
use crate::toolchain::{self, Go};
use crate::{raceguard, workspace};

use evidence::Evidence;
pub(crate) use expected::{Example, all};

/// The example whose report is shown to people.
pub(crate) const SHOWN: &str = "payment-gateway";

/// That example.
pub(crate) fn shown() -> Result<Example, Failure> {
    all()?.into_iter().find(|example| example.name == SHOWN).ok_or_else(|| {
        Failure::environment(format!("examples/expected.toml does not list {SHOWN}"), "restore the table")
    })
}

impl Example {
    /// The Go module of this example.
    pub(crate) fn folder(&self) -> PathBuf {
        workspace::root().join("examples").join(&self.name)
    }

    /// The path in its go.mod.
    fn module(&self) -> String {
        format!("example.com/{}", self.name)
    }
}

/// Runs `raceguard test` on an example.
pub(crate) fn find_races(
    example: &Example,
    go: &Go,
    raceguard: &raceguard::Source,
) -> Result<Finished, Failure> {
    let mut command = raceguard.command(go)?;
    command.args(["test", "-count=1", "./..."]).current_dir(example.folder());
    process::collect(&mut command)
}

/// The task `examples`.
pub(crate) fn run(raceguard: &raceguard::Source) -> Result<(), Failure> {
    check(&toolchain::any()?, raceguard)?.into_result("examples")
}

/// Checks every example.
pub(crate) fn check(go: &Go, raceguard: &raceguard::Source) -> Result<Tally, Failure> {
    step(&format!("examples under raceguard with {}", go.version));
    let mut tally = Tally::default();
    for example in all()? {
        let finished = find_races(&example, go, raceguard)?;
        let mut problems = Vec::new();
        if finished.status.code() != Some(1) {
            problems
                .push(format!("`raceguard test` ended with {} instead of 1 (races found)", finished.status));
        }
        match last_evidence(&example.folder()).and_then(|text| Evidence::read(&text, &example.module())) {
            Ok(evidence) => problems.extend(example.differences(&evidence)),
            Err(problem) => problems.push(problem),
        }
        if !problems.is_empty() {
            problems.push(process::last_lines(&format!("{}{}", finished.stdout, finished.stderr), 40));
        }
        tally.check(&format!("examples/{}", example.name), &problems);
    }
    Ok(tally)
}

/// The evidence of a module's last run.
fn last_evidence(module: &Path) -> Result<String, String> {
    let folder = module.join(".raceguard");
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let run = read(folder.join("last"))?;
    read(folder.join("runs").join(run.trim()).join("evidence.jsonl"))
}
