//! `maps-bench`: measures the maps of raceguard-maps beside those of other crates and of Go, all in one run.
//!
//! `cargo xtask bench maps` builds and drives it; by hand it measures single cells:
//!
//! ```text
//! maps-bench grid --maps InlineMap,leapfrog --threads 2 --keys 1000 --skew 0 --writes 0,50 --rounds 5 --seconds 0.2
//! ```
//!
//! # How it is built
//!
//! [`subject`] says what a map has to offer, [`subjects`] has one adapter for each map, [`registry`] the list of them.
//! [`bench`] holds a filled map behind an interface without type parameters, so that maps run in turn; [`grid`] and its
//! neighbours are the measurements; [`report`] is what a run writes.

mod advice;
mod bench;
mod data;
mod durable;
mod go;
mod latencies;
mod machine;
mod measure;
mod registry;
mod report;
mod sequence;
mod subject;
mod subjects;
mod threads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use go::Go;
use registry::Candidates;
use report::Report;

#[derive(Parser)]
#[command(name = "maps-bench", about = "Measures concurrent maps")]
struct Arguments {
    /// Only these maps
    #[arg(long, global = true, value_delimiter = ',', value_name = "NAME,...")]
    maps: Vec<String>,

    /// Write everything that was measured to this file
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the figures of our strategies to this file, as raceguard-maps is built with them
    #[arg(long, global = true, value_name = "FILE")]
    advice: Option<PathBuf>,

    /// The program that was built from bench/maps; without it, no map of Go takes part
    #[arg(long, global = true, value_name = "PROGRAM")]
    go: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names of the maps
    List,
    /// Throughput under mixed loads
    Grid(measure::grid::Arguments),
    /// How long single operations take under a load
    Latency(measure::latency::Arguments),
    /// How long single operations take while a map grows
    Growth(measure::growth::Arguments),
    /// Passes over all entries, alone and beside a writer
    Iterate(measure::iteration::Arguments),
    /// Bytes of each entry, full and emptied
    Memory(measure::memory::Arguments),
    /// What articles say about shared maps and locks
    Claims(measure::claims::Arguments),
    /// Writes that are on the disk when they return
    Durable(measure::durable::Arguments),
    /// A workload profile on every map
    Replay(measure::replay::Arguments),
    /// Whether the advice that raceguard-maps gives fits a file of figures, or those that it is built with
    AdviceCheck {
        /// A file that `--advice` wrote
        figures: Option<PathBuf>,
    },
    /// Everything
    All(measure::all::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let go = match &arguments.go {
        Some(program) => {
            Some(Go::start(program).map_err(|error| format!("cannot run {}: {error}", program.display()))?)
        }
        None => None,
    };
    let candidates = Candidates::named(&arguments.maps, go.as_ref())?;
    let mut report = Report {
        machine: machine::processor(),
        cores: machine::cores().len(),
        go: go.as_ref().map(Go::version),
        ..Report::default()
    };
    match &arguments.command {
        Command::List => candidates.iter().for_each(|one| println!("{}", one.name)),
        Command::Grid(grid) => report.grid = measure::grid::run(grid, &candidates),
        Command::Latency(latency) => report.latency.push(measure::latency::run(latency, &candidates)),
        Command::Growth(growth) => report.growth = Some(measure::growth::run(growth, &candidates)),
        Command::Iterate(iteration) => {
            report.iteration = Some(measure::iteration::run(iteration, &candidates));
        }
        Command::Memory(memory) => report.memory = Some(measure::memory::run(memory, &candidates)?),
        Command::Claims(claims) => report.claims = measure::claims::run(claims, &candidates, go.as_ref()),
        Command::Durable(durable) => report.durable = measure::durable::run(durable)?,
        Command::Replay(replay) => report.replay = Some(measure::replay::run(replay, &candidates)?),
        Command::AdviceCheck { figures } => {
            let measured = match figures {
                Some(path) => advice::read(path)?,
                None => raceguard_maps::advice::Measurements::built_in(),
            };
            report.advice = Some(advice::check(&measured, &[])?);
        }
        Command::All(all) => measure::all::run(all, &candidates, go.as_ref(), &mut report)?,
    }
    if let Some(path) = &arguments.json {
        write(path, &serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?)?;
    }
    if let Some(path) = &arguments.advice {
        write(path, &advice::measurements(&report).to_json().map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
