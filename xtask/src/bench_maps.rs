//! `cargo xtask bench maps`: every strategy of raceguard-maps beside the maps of other crates and of Go.
//!
//! The program `maps-bench` measures, the Go program in `bench/maps` helps it; this task builds both, runs them, and
//! makes tables and pictures of what they report. [`report`] is the file that they write; [`cells`] compares ours with
//! the peers, and the other modules each make one part of docs/maps.md.

mod cells;
mod claims;
mod decision;
mod details;
mod grid;
mod page;
mod pictures;
mod report;
mod svg;
mod targets;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::measured_page::MeasuredPage;
use crate::report_line::step;
use crate::toolchain::{self, Release};
use crate::{process, release_build, workspace};

use report::Report;

const PAGE: MeasuredPage = MeasuredPage { file: "docs/maps.md", task: "bench maps" };

/// What `raceguard_maps::advice` is built with.
const ADVICE: &str = "crates/raceguard-maps/src/advice/measured.json";

/// Where the pictures lie, from the root of the repository.
const PICTURES: &str = "docs/maps";

/// The options of the task `bench maps`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A look in about two minutes instead of a measurement in about fifteen
    #[arg(long)]
    quick: bool,

    /// Put tables and pictures into docs/maps.md and the figures into raceguard-maps, for its advice
    #[arg(long, conflicts_with_all = ["quick", "replay", "direct"])]
    write: bool,

    /// Measure nothing; use what an earlier run left in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "replay", "direct"])]
    from: Option<PathBuf>,

    /// Run this workload profile on every map and print a ranking
    #[arg(long, value_name = "PROFILE", conflicts_with = "quick")]
    replay: Option<PathBuf>,

    /// Go release line whose maps are measured, such as 1.26; without it, the Go on PATH
    #[arg(long, value_name = "RELEASE")]
    go: Option<Release>,

    /// Arguments for maps-bench itself, after `--`: single cells, single maps (`-- grid --help`)
    #[arg(last = true, value_name = "ARGUMENT", conflicts_with_all = ["quick", "replay"])]
    direct: Vec<String>,
}

/// The task `bench maps`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(file) = &arguments.from {
        return show(&Report::read(file)?, arguments.write);
    }
    let folder = workspace::products("bench-maps")?;
    let mut command = Command::new(release_build::binary_of("raceguard-maps-bench", "maps-bench")?);
    command.arg("--go").arg(go_part(arguments.go, &folder)?);
    if let Some(profile) = &arguments.replay {
        return demand(command.arg("replay").arg(profile));
    }
    if !arguments.direct.is_empty() {
        return demand(command.args(&arguments.direct));
    }
    let (report, advice) = (folder.join("report.json"), folder.join("measured.json"));
    command.arg("--json").arg(&report).arg("--advice").arg(&advice).arg("all").arg("--folder").arg(&folder);
    if arguments.quick {
        command.arg("--quick");
    }
    step(if arguments.quick { "measuring, about two minutes" } else { "measuring, about fifteen minutes" });
    demand(command.stdout(Stdio::null()))?;
    if arguments.write {
        workspace::write(&workspace::root().join(ADVICE), &workspace::read(&advice)?)?;
    }
    step(&format!("everything that was measured: {}", workspace::shown(&report)));
    show(&Report::read(&report)?, arguments.write)
}

/// Builds the Go program.
fn go_part(release: Option<Release>, folder: &Path) -> Result<PathBuf, Failure> {
    let go = release.map_or_else(toolchain::any, toolchain::of_release)?;
    let program = folder.join("go-maps");
    step("building bench/maps");
    let mut build = go.command();
    build.arg("build").arg("-o").arg(&program).current_dir(workspace::root().join("bench/maps"));
    process::demand(&mut build, "let go fetch the module xsync, or mend what the compiler names")?;
    Ok(program)
}

/// Runs a command whose output belongs to the user, and has to succeed.
fn demand(command: &mut Command) -> Result<(), Failure> {
    let status = process::run(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::environment(
        format!("`{}` ended with {status}", process::shown(command)),
        "mend what it names above",
    ))
}

fn show(report: &Report, write: bool) -> Result<(), Failure> {
    let text = page::markdown(report);
    println!("{text}");
    if !write {
        return Ok(());
    }
    let folder = workspace::root().join(PICTURES);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    for picture in pictures::all(report) {
        workspace::write(&folder.join(picture.file), &picture.svg)?;
    }
    PAGE.write(&text)
}
