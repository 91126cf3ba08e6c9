//! `cargo xtask bench ingest`: how fast `raceguard ingest` reads each format, and in how much memory.
//!
//! [`subjects`] and [`binary`] list what is measured: for each format a generator that makes files of any size, and the tool of Go's
//! that reads the same file, where there is one. Each file is read by both in turn. [`table`] shows throughput and peak
//! memory at three sizes, so that growth is seen.

mod binary;
mod subjects;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{self, Cost};
use crate::measured_page::{MeasuredPage, machine};
use crate::report_line::step;
use crate::toolchain::{self, Go, Release};
use crate::{raceguard, workspace};

use subjects::{SUBJECTS, Subject};
use table::Row;

/// A command that takes longer is stopped.
const LIMIT: Duration = Duration::from_mins(10);

const PAGE: MeasuredPage = MeasuredPage { file: "docs/ingest.md", task: "bench ingest" };

/// The options of the task `bench ingest`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only formats whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Runs of each command; the table shows medians
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Go release line whose tools are compared with, such as 1.24; without it, the Go on PATH
    #[arg(long, value_name = "RELEASE")]
    go: Option<Release>,

    /// Put the results into docs/ingest.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

/// The task `bench ingest`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = arguments.go.map_or_else(toolchain::any, toolchain::of_release)?;
    let binary = raceguard.binary()?;
    let is_wanted =
        |subject: &Subject| arguments.only.as_ref().is_none_or(|only| subject.name.contains(only.as_str()));
    let mut rows = Vec::new();
    for subject in SUBJECTS.iter().chain(binary::SUBJECTS).filter(|subject| is_wanted(subject)) {
        for size in subject.sizes {
            rows.push(measure_one(subject, size, arguments.runs, binary, &go)?);
        }
    }
    let text = format!("{}\n\n{}", machine(&go, arguments.runs), table::markdown(&rows));
    println!("{text}");
    if arguments.write {
        PAGE.write(&text)?;
    }
    Ok(())
}

fn measure_one(subject: &Subject, size: u64, runs: u32, raceguard: &Path, go: &Go) -> Result<Row, Failure> {
    let folder = tempfile::tempdir_in(workspace::products("bench-ingest")?)
        .map_err(|error| Failure::file("create a folder in", &workspace::target(), &error))?;
    let file = folder.path().join("file");
    (subject.generate)(&file, size, go)?;
    let bytes = fs::metadata(&file).map_err(|error| Failure::file("read", &file, &error))?.len();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        step(&format!("reading {} ({} MB), run {run} of {runs}", subject.name, bytes / 1_000_000));
        ours.push(measure::demand(&mut ingest(raceguard, &file, folder.path())?, LIMIT, &[0])?);
        if let Some(peer) = subject.peer {
            peers.push(measure::demand(&mut (peer.command)(go, &file), LIMIT, &[0])?);
        }
    }
    Ok(Row {
        name: subject.name,
        size: (subject.label)(size),
        bytes,
        ours: Cost::of(&ours),
        peer: subject.peer.map(|peer| (peer.name, Cost::of(&peers))),
        target: subject.target,
    })
}

/// Reads the file in a folder without evidence, so that it is never a duplicate.
fn ingest(raceguard: &Path, file: &PathBuf, folder: &Path) -> Result<Command, Failure> {
    let module = folder.join("module");
    if module.exists() {
        fs::remove_dir_all(&module).map_err(|error| Failure::file("remove", &module, &error))?;
    }
    fs::create_dir(&module).map_err(|error| Failure::file("create", &module, &error))?;
    // Without a go.mod above, nothing is refused, and no evidence is written elsewhere.
    workspace::write(&module.join("go.mod"), "module example.com/bench\n")?;
    let mut command = Command::new(raceguard);
    command.args(["ingest", "--quiet", "--force"]).arg(file).current_dir(&module);
    Ok(command)
}
