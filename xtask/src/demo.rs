//! `cargo xtask demo`: raceguard's main job on the bundled examples, as a user would run it.

mod story;

use std::path::PathBuf;

use crate::examples::{self, Example, SHOWN};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::{self, Go};
use crate::{process, raceguard, workspace};

/// The task `demo`.
pub(crate) fn run(raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = toolchain::any()?;
    step(&format!("{} at {}", go.version, go.binary.display()));
    raceguard.binary()?;
    let mut report = None;
    for example in examples::all()? {
        step(&format!("examples/{}: {}", example.name, example.what));
        println!("$ raceguard test ./...");
        let finished = examples::find_races(&example, &go, raceguard)?;
        // Exit code 1 says that races were found, which is what the examples are for.
        if finished.status.code() != Some(1) {
            return Err(Failure::Findings(format!(
                "examples/{}: expected races and exit code 1, got {}\n{}{}",
                example.name, finished.status, finished.stdout, finished.stderr
            )));
        }
        let html = write_html(&example, &go, raceguard)?;
        println!("races found; report: {}", workspace::shown(&html));
        if example.name == SHOWN {
            report = Some((example, html));
        }
    }
    let (example, html) = report.ok_or_else(|| {
        Failure::environment(format!("examples/expected.toml does not list {SHOWN}"), "restore the table")
    })?;
    step(&format!("the report on examples/{SHOWN}"));
    println!("$ raceguard report");
    let mut text = raceguard.command(&go)?;
    process::run(text.args(["report"]).current_dir(example.folder()))?;
    println!("\nHTML report: {}", html.display());
    story::tell(&example, &go, raceguard)
}

fn write_html(example: &Example, go: &Go, raceguard: &raceguard::Source) -> Result<PathBuf, Failure> {
    let path = workspace::products("demo")?.join(format!("{}.html", example.name));
    let mut command = raceguard.command(go)?;
    command.args(["report", "--format", "html", "--output"]).arg(&path).current_dir(example.folder());
    let finished = process::collect(&mut command)?;
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    // `raceguard report` ends with 1 when there are findings, as the run did.
    if finished.status.code() == Some(1) && page.trim_start().to_lowercase().starts_with("<!doctype html") {
        return Ok(path);
    }
    Err(Failure::Findings(format!(
        "`{}` in examples/{} ended with {} and wrote no HTML page\n{}",
        process::shown(&command),
        example.name,
        finished.status,
        finished.stderr
    )))
}
