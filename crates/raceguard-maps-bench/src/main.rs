//! `maps-bench`: measures the maps of raceguard-maps beside those of other crates and of Go, all in one run.
//!
//! `cargo xtask bench maps` builds and drives it; by hand it measures single cells:
//!
//! ```text
//! maps-bench grid --maps inline,leapfrog --threads 2 --keys 1000 --skew 0 --writes 0,50 --rounds 5 --seconds 0.2
//! ```
//!
//! # How it is built
//!
//! [`subject`] says what a map has to offer, [`subjects`] has one adapter for each map, [`registry`] the list of them.
//! [`bench`] holds a filled map behind an interface without type parameters, so that maps run in turn; [`grid`] and its
//! neighbours are the measurements; [`report`] is what a run writes.

mod bench;
mod data;
mod grid;
mod machine;
mod registry;
mod report;
mod sequence;
mod subject;
mod subjects;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names of the maps
    List,
    /// Throughput under mixed loads
    Grid(grid::Arguments),
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
    let candidates = Candidates::named(&arguments.maps)?;
    let mut report =
        Report { machine: machine::processor(), cores: machine::cores().len(), ..Report::default() };
    match &arguments.command {
        Command::List => candidates.iter().for_each(|one| println!("{}", one.name)),
        Command::Grid(grid) => report.grid = grid::run(grid, &candidates),
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}
