//! `maps-bench durable`: writes that are on the disk when they return, beside a naive leader/follower group commit.

use std::path::PathBuf;
use std::time::Duration;

use crate::durable::{Figure, compare};

/// How many writers, and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Threads that each wait for their write
    #[arg(long, value_delimiter = ',', value_name = "N,...", default_value = "1,8,32,128,512")]
    pub(crate) writers: Vec<usize>,

    /// Runs of each log; the figures are those of the run in the middle
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) rounds: usize,

    /// Seconds of each run
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(crate) seconds: f64,

    /// A folder on the disk to measure
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Figure>, String> {
    let failed = |error: std::io::Error| {
        format!("cannot measure durable writes in {}: {error}", arguments.folder.display())
    };
    let folder = tempfile::tempdir_in(&arguments.folder).map_err(failed)?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut figures = Vec::new();
    for &writers in &arguments.writers {
        eprintln!("durable writes of {writers} writers");
        figures.extend(compare(folder.path(), writers, arguments.rounds, time).map_err(failed)?);
    }
    println!("\ndurable writes a second; waits in µs");
    for one in &figures {
        println!(
            "{:>4} writers {:<10} {:>9.0}/s  p50 {:>8.0}  p99 {:>8.0}  p99.9 {:>8.0}",
            one.writers, one.log, one.writes_per_second, one.p50_us, one.p99_us, one.p999_us
        );
    }
    Ok(figures)
}
