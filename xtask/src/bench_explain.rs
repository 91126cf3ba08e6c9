//! `cargo xtask bench explain`: how well races are joined to causes, and what a diagnosis of much evidence costs.
//!
//! [`subjects`] makes logs of race reports, dumps of goroutines and execution traces of any size. Each is ingested and
//! explained at three sizes, so that growth is seen; [`table`] shows both.

mod subjects;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{self, Cost};
use crate::measured_page::{MeasuredPage, machine};
use crate::report_line::step;
use crate::toolchain::{self, Go, Release};
use crate::{process, raceguard, workspace};

use subjects::{SUBJECTS, Subject};
use table::Row;

/// A command that takes longer is stopped.
const LIMIT: Duration = Duration::from_mins(15);

const PAGE: MeasuredPage = MeasuredPage { file: "docs/explain.md", task: "bench explain" };

/// The options of the task `bench explain`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only subjects whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Runs of each command; the table shows medians
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Go release line that makes the traces, such as 1.24; without it, the Go on PATH
    #[arg(long, value_name = "RELEASE")]
    go: Option<Release>,

    /// Put the results into docs/explain.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

/// The task `bench explain`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = arguments.go.map_or_else(toolchain::any, toolchain::of_release)?;
    let binary = raceguard.binary()?;
    let is_wanted =
        |subject: &Subject| arguments.only.as_ref().is_none_or(|only| subject.name.contains(only.as_str()));
    let mut rows = Vec::new();
    for subject in SUBJECTS.iter().filter(|subject| is_wanted(subject)) {
        for size in subject.sizes {
            rows.push(measure_one(subject, size, arguments.runs, binary, &go)?);
        }
    }
    let text = format!("{}\n\n{}\n{}", machine(&go, arguments.runs), table::markdown(&rows), clustering()?);
    println!("{text}");
    if arguments.write {
        PAGE.write(&text)?;
    }
    Ok(())
}

fn measure_one(subject: &Subject, size: u64, runs: u32, raceguard: &Path, go: &Go) -> Result<Row, Failure> {
    let folder = tempfile::tempdir_in(workspace::products("bench-explain")?)
        .map_err(|error| Failure::file("create a folder in", &workspace::target(), &error))?;
    let file = folder.path().join("file");
    step(&format!("making {} of {}", (subject.label)(size), subject.name));
    (subject.generate)(&file, size, go)?;
    let bytes = fs::metadata(&file).map_err(|error| Failure::file("read", &file, &error))?.len();
    let (mut ingested, mut explained) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        step(&format!("reading {} ({} MB), run {run} of {runs}", subject.name, bytes / 1_000_000));
        let module = folder.path().join("module");
        fresh(&module)?;
        let command = || {
            let mut command = Command::new(raceguard);
            command.current_dir(&module);
            command
        };
        ingested.push(measure::demand(
            command().args(["ingest", "--quiet", "--force"]).arg(&file),
            LIMIT,
            &[0],
        )?);
        explained.push(measure::demand(command().args(["explain", "--format", "json"]), LIMIT, &[0, 1])?);
    }
    Ok(Row {
        name: subject.name,
        size: (subject.label)(size),
        bytes,
        ingest: Cost::of(&ingested),
        explain: Cost::of(&explained),
        limit: subject.limit,
    })
}

/// A module without evidence, so that the file is never a duplicate.
fn fresh(module: &Path) -> Result<(), Failure> {
    if module.exists() {
        fs::remove_dir_all(module).map_err(|error| Failure::file("remove", module, &error))?;
    }
    fs::create_dir(module).map_err(|error| Failure::file("create", module, &error))?;
    workspace::write(&module.join("go.mod"), "module example.com/bench\n")
}

/// Precision and recall of joining, as the test of the diagnosis measures them on evidence whose causes are known.
fn clustering() -> Result<String, Failure> {
    step("joining races whose causes are known");
    let mut command = workspace::cargo();
    command.args(["test", "--quiet", "-p", "raceguard-diagnosis", "--test", "clustering", "--"]);
    let printed =
        process::demand(command.args(["--nocapture", "--test-threads=1"]), "mend what the test names")?;
    let is_figure = |line: &&str| ["examples: ", "generated: "].iter().any(|set| line.contains(set));
    let mut text =
        String::from("Pairs of races joined to one cause, on evidence whose causes are known:\n\n");
    for line in printed.lines().filter(is_figure) {
        text.push_str("- ");
        // The test runner prints its dots on the same line.
        text.push_str(line.trim_start_matches(['.', ' ']));
        text.push('\n');
    }
    Ok(text)
}
