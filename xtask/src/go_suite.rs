//! Go's own race suite, the package `runtime/race` of each Go version's standard library, on raceguard's runtime. It is
//! unchanged except for `-toolexec`, which reaches the `go` commands that the suite starts itself through GOFLAGS.

mod output;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::report_line::{Tally, step};
use crate::toolchain::{self, Go, Release};
use crate::{process, raceguard, workspace};

use output::Suite;

/// The options of the task `go-suite`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Release lines to run on, such as 1.22,1.24; without it, the Go on PATH
    #[arg(long, value_delimiter = ',', value_name = "RELEASES")]
    go: Vec<Release>,

    /// Run the suite on the stock detector instead, to see what it says of itself
    #[arg(long)]
    stock: bool,
}

/// The task `go-suite`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let toolchains = if arguments.go.is_empty() {
        vec![toolchain::any()?]
    } else {
        arguments.go.iter().map(|release| toolchain::of_release(*release)).collect::<Result<_, _>>()?
    };
    let toolexec = if arguments.stock { None } else { Some(raceguard.toolexec()?) };
    let mut total = Tally::default();
    for go in &toolchains {
        total += check_with(go, toolexec.as_deref())?;
    }
    total.into_result("go-suite")
}

/// Runs the suite of one Go version and prints what became of each part.
pub(crate) fn check(go: &Go, raceguard: &raceguard::Source) -> Result<Tally, Failure> {
    check_with(go, Some(&raceguard.toolexec()?))
}

fn check_with(go: &Go, toolexec: Option<&str>) -> Result<Tally, Failure> {
    step(&format!("runtime/race of {} (takes minutes when its caches are cold)", go.version));
    let mut command = go.command();
    // Vet reads the files of cgo by the path in Go's build cache, where a toolchain that has moved since may stand.
    command.args(["test", "-race", "-vet=off", "-v", "-count=1", "-timeout=30m", "runtime/race"]);
    command.current_dir(go.root.join("src"));
    if let Some(toolexec) = toolexec {
        command.env("GOFLAGS", format!("'-toolexec={toolexec}'"));
    }
    let finished = process::collect(&mut command)?;
    let text = format!("{}{}", finished.stdout, finished.stderr);
    let log = keep(go, &text)?;

    let suite = Suite::read(&finished.stdout);
    println!("{}: {}", go.version, suite.summary());
    let unreached = data_tests(go)?.saturating_sub(suite.data_reached());
    if suite.complete() && unreached > 0 {
        println!(
            "{}: {unreached} more in the testdata were not reached: this version's suite ends early, by design, when the \
             Go runtime's own check of maps stops its program",
            go.version
        );
    }
    for failure in &suite.failures {
        println!("FAIL  {} {failure}", go.version);
    }
    let mut tally = suite.tally();
    let explained = finished.status.success() == suite.failures.is_empty();
    if !explained || !suite.complete() {
        tally.failed += 1;
        println!("FAIL  {} the suite ended with {} before it was through:", go.version, finished.status);
        println!("{}", process::last_lines(&text, 40));
    }
    if tally.failed > 0 {
        println!("the whole output is in {}", workspace::shown(&log));
    }
    Ok(tally)
}

/// How many tests the suite's testdata holds.
fn data_tests(go: &Go) -> Result<usize, Failure> {
    let folder = go.root.join("src/runtime/race/testdata");
    let entries = std::fs::read_dir(&folder).map_err(|error| Failure::file("read", &folder, &error))?;
    let mut count = 0;
    for entry in entries.filter_map(Result::ok) {
        let text = workspace::read(&entry.path())?;
        let tests = ["func TestRace", "func TestNoRace"];
        count += text.lines().filter(|line| tests.iter().any(|test| line.starts_with(test))).count();
    }
    Ok(count)
}

fn keep(go: &Go, text: &str) -> Result<PathBuf, Failure> {
    let log = workspace::products("go-suite")?.join(format!("{}.txt", go.version));
    workspace::write(&log, text)?;
    Ok(log)
}
