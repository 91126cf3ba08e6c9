//! `cargo xtask bench analyzer`: what `raceguard check` finds, what it reports wrongly, and how fast it is.
//!
//! - [`labelled`]: Go's own labelled functions (runtime/race/testdata): recall and false positives;
//! - [`library`]: all of GOROOT/src: findings per line, and what the analysis of it costs, cold and warm;
//! - [`cases`]: real map races before and after the commit that fixed them, where the user gives checkouts.
//!
//! All three analyse as `raceguard check` does: through the analyzer's own entry, [`analysis`]. Costs are those of the
//! `raceguard` binary. [`table`] holds results against targets.

mod analysis;
mod attribution;
mod cases;
mod checkouts;
mod labelled;
mod library;
mod table;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::measured_page::{MeasuredPage, machine};
use crate::toolchain::{self, Release};
use crate::{raceguard, release_build};

use table::Results;

const PAGE: MeasuredPage = MeasuredPage { file: "docs/analyzer-quality.md", task: "bench analyzer" };

/// The options of the task `bench analyzer`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Checkouts of real races, as docs/analyzer-quality.md describes
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,

    /// Only this measurement
    #[arg(long, value_name = "PART")]
    only: Option<Part>,

    /// Runs of each timed command; the table shows medians
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Go release line to measure on, such as 1.24; without it, the Go on PATH
    #[arg(long, value_name = "RELEASE")]
    go: Option<Release>,

    /// Put the results into docs/analyzer-quality.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

/// One of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Recall and false positives on Go's labelled functions
    Labelled,
    /// Findings in all of GOROOT/src
    Library,
    /// Time and memory for all of GOROOT/src
    Speed,
    /// The checkouts that --cases names
    Cases,
}

/// The task `bench analyzer`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return Err(run_optimised()?);
    }
    let go = arguments.go.map_or_else(toolchain::any, toolchain::of_release)?;
    let wants = |part| arguments.only.is_none_or(|only| only == part);
    let mut results = Results::default();
    if wants(Part::Labelled) {
        results.labelled = Some(labelled::measure(&go)?);
    }
    if wants(Part::Library) {
        results.library = Some(library::findings(&go));
    }
    if wants(Part::Speed) {
        results.speed = Some(library::speed(&go, raceguard, arguments.runs)?);
    }
    if let Some(folder) = arguments.cases.as_ref().filter(|_| wants(Part::Cases)) {
        results.cases = Some(checkouts::measure(folder, &go)?);
    }
    let text = format!("{}\n\n{}", machine(&go, arguments.runs), table::markdown(&results));
    println!("{text}");
    if arguments.write {
        PAGE.write(&text)?;
    }
    Ok(())
}

/// Goes on as a release build of this program, whose speed is that of the product.
fn run_optimised() -> Result<Failure, Failure> {
    let binary = release_build::binary("xtask")?;
    let error = std::process::Command::new(&binary).args(std::env::args_os().skip(1)).exec();
    Ok(Failure::file("run", &binary, &error))
}
