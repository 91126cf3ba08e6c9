//! What people run: `cargo xtask <task>`.
//!
//! Each task is one module with one entry function. Tasks talk on stderr while they work and print their result on
//! stdout; they end with 0 when all is well, 1 when they found something wrong, 2 when this machine lacks something
//! (the message then names the command that mends it). Nothing here is part of the product: the product is the
//! `raceguard` binary, which the tasks build and drive as a user would.
//!
//! Start reading at [`Task`].

mod bench_analyzer;
mod bench_explain;
mod bench_ingest;
mod bench_maps;
mod bench_runtime;
mod chromium;
mod demo;
mod docs;
mod examples;
mod failure;
mod go_suite;
mod measure;
mod measured_page;
mod new_rule;
mod picture;
mod process;
mod producers;
mod promtool;
mod raceguard;
mod release_build;
mod report_line;
mod seeded;
mod std_summary;
mod system_package;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Use this raceguard binary instead of building the one of this workspace.
    #[arg(long, global = true, value_name = "PATH")]
    raceguard: Option<PathBuf>,

    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find the races of the bundled Go examples and write an HTML report
    Demo,
    /// Run every test: Rust, examples, seeded races, Go's own race suite
    Test,
    /// Check the maps more thoroughly than `test` does: thresholds shrunk, shuttle, loom, valgrind
    MapsCheck(test::maps::Arguments),
    /// Check that raceguard finds exactly the races of the bundled examples
    Examples,
    /// Run Go's own race suite (runtime/race) on raceguard's runtime
    GoSuite(go_suite::Arguments),
    /// Run the seeded races under stock -race and under raceguard
    Seeded(seeded::Arguments),
    /// Test the parsers of foreign evidence on what the oldest and the newest Go write
    Producers(producers::Arguments),
    /// Measure raceguard
    Bench {
        #[command(subcommand)]
        subject: BenchSubject,
    },
    /// Print the path of a Go toolchain, after fetching it if need be
    Toolchain {
        /// Release line such as 1.24; without it, whatever the other tasks would use
        release: Option<toolchain::Release>,
    },
    /// Check sizes, crate docs, forbidden words and generated docs
    Tidy,
    /// Write the generated parts of the docs again
    Docs,
    /// Begin a rule of the analyzer: its file, its line in the registry, its fixtures
    NewRule(new_rule::Arguments),
    /// Write the summary of Go's standard library that the analyzer carries
    StdSummary,
    /// Draw the report in the README again, from what raceguard prints
    Picture,
}

#[derive(Subcommand)]
enum BenchSubject {
    /// CPU, wall time and memory of Go programs: plain, stock -race, raceguard
    Runtime(bench_runtime::Arguments),
    /// What `raceguard check` finds of labelled and real races, what it reports wrongly, and how fast it is
    Analyzer(bench_analyzer::Arguments),
    /// How fast `raceguard ingest` reads each format, and in how much memory
    Ingest(bench_ingest::Arguments),
    /// How fast the concurrent maps are, beside those of other crates and of Go
    Maps(bench_maps::Arguments),
    /// How well `raceguard explain` joins races, and what a diagnosis of much evidence costs
    Explain(bench_explain::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let raceguard = raceguard::Source::new(arguments.raceguard);
    match run(&arguments.task, &raceguard) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn run(task: &Task, raceguard: &raceguard::Source) -> Result<(), Failure> {
    match task {
        Task::Demo => demo::run(raceguard),
        Task::Test => test::run(raceguard),
        Task::MapsCheck(arguments) => test::maps::run(arguments),
        Task::Examples => examples::run(raceguard),
        Task::GoSuite(arguments) => go_suite::run(arguments, raceguard),
        Task::Seeded(arguments) => seeded::run(arguments, raceguard),
        Task::Bench { subject: BenchSubject::Runtime(arguments) } => bench_runtime::run(arguments, raceguard),
        Task::Bench { subject: BenchSubject::Analyzer(arguments) } => {
            bench_analyzer::run(arguments, raceguard)
        }
        Task::Bench { subject: BenchSubject::Ingest(arguments) } => bench_ingest::run(arguments, raceguard),
        Task::Bench { subject: BenchSubject::Maps(arguments) } => bench_maps::run(arguments),
        Task::Bench { subject: BenchSubject::Explain(arguments) } => bench_explain::run(arguments, raceguard),
        Task::Producers(arguments) => producers::run(arguments),
        Task::Toolchain { release } => toolchain::print_path(*release),
        Task::Tidy => tidy::run(),
        Task::Docs => docs::write(),
        Task::NewRule(arguments) => new_rule::run(arguments),
        Task::StdSummary => std_summary::write(),
        Task::Picture => picture::run(raceguard),
    }
}
