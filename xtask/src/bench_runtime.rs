//! `cargo xtask bench runtime`: what Go programs cost plain, under stock `-race` and under raceguard. The three builds of
//! a workload run interleaved, so that whatever else the machine does falls on all of them alike.

mod builds;
mod table;
mod workloads;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{Cost, Measured};
use crate::measured_page::{MeasuredPage, machine};
use crate::toolchain::{self, Release};
use crate::{measure, process, raceguard};

use builds::{Build, Variant};
use table::Row;
use workloads::Workload;

const PAGE: MeasuredPage = MeasuredPage { file: "docs/performance.md", task: "bench runtime" };

/// The options of the task `bench runtime`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One run of each build instead of several: a look, not a measurement
    #[arg(long, conflicts_with = "runs")]
    quick: bool,

    /// Only workloads whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Runs of each build; the table shows medians
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Go release line to measure on, such as 1.24; without it, the Go on PATH
    #[arg(long, value_name = "RELEASE")]
    go: Option<Release>,

    /// Put the table into docs/performance.md
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write: bool,
}

/// The task `bench runtime`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = arguments.go.map_or_else(toolchain::any, toolchain::of_release)?;
    let selected = workloads::named(arguments.only.as_deref())?;
    let builds = builds::all(&go, raceguard, &selected)?;
    let runs = if arguments.quick { 1 } else { arguments.runs };

    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (index, workload) in selected.iter().enumerate() {
        match measure_workload(workload, &builds, runs, &format!("{}/{} ", index + 1, selected.len()))? {
            Ok(row) => rows.push(row),
            Err(problem) => failed.push(format!("{}: {problem}", workload.name)),
        }
    }
    let text = format!("{}\n\n{}", machine(&go, runs), table::markdown(&rows));
    println!("{text}");
    for problem in &failed {
        println!("FAIL  {problem}");
    }
    if arguments.write && failed.is_empty() {
        PAGE.write(&text)?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Findings(format!(
        "{} of {} workloads failed; they are not in the table",
        failed.len(),
        selected.len()
    )))
}

/// Runs all builds of a workload in turn, `runs` times; the inner error is a build that failed.
///
/// One round before the first is not counted: it pays for memory that the machine has not handed out yet. Each round
/// begins with another build, so that none of them always runs in the wake of the same one.
fn measure_workload(
    workload: &Workload,
    builds: &[Build; 3],
    runs: u32,
    place: &str,
) -> Result<Result<Row, String>, Failure> {
    let mut measured: [Vec<Measured>; 3] = Default::default();
    let rounds = (0..=runs).zip((0..builds.len()).cycle());
    for (round, first) in rounds {
        for turn in 0..builds.len() {
            let which = (first + turn) % builds.len();
            let build = &builds[which];
            progress(&format!("{place}{}: round {round} of {runs}, {}", workload.name, build.variant));
            let one = measure::run(&mut build.command(workload), Duration::from_mins(10))?;
            if !one.status.success() {
                progress("");
                let end = process::last_lines(&one.stderr, 20);
                let reason =
                    one.stopped.map_or_else(|| format!("ended with {}", one.status), |why| why.to_string());
                return Ok(Err(format!("{} {reason}\n{end}", build.variant)));
            }
            if round > 0 {
                measured[which].push(one);
            }
        }
    }
    progress("");
    Ok(Ok(Row { name: workload.name, costs: measured.map(|runs| Cost::of(&runs)) }))
}

/// One line on a terminal that the next one replaces; nothing elsewhere.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
        let _ = stderr.flush();
    }
}

/// How long a build is called in messages and columns.
impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Stock => "stock -race",
            Self::Raceguard => "raceguard",
        })
    }
}
