//! The maps under conditions that plain `cargo test` does not make: thresholds shrunk so that rare paths are common,
//! schedules that shuttle chooses, loom's models of the lock-free cores, and valgrind's memcheck on the unsafe ones.
//!
//! Each part is a `cargo test` of `raceguard-maps` with a `--cfg` of its own, so with a target folder of its own.
//! `cargo xtask test` runs them all in a reduced form, `cargo xtask maps-check` as large as it is told.

use std::process::Command;

use super::cargo;
use crate::failure::Failure;
use crate::report_line::{Tally, step};
use crate::{process, system_package, workspace};

/// How much is checked.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Histories that are checked for linearizability in all, under shrunk thresholds and under shuttle each
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    histories: u64,
    /// Programs that each map and std's HashMap run side by side
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    programs: u64,
    /// Seed of the first history and of the first program
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// In the tests of panicking user code, let every single call panic
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    thorough: bool,
}

/// As much as every run of all tests has time for.
impl Default for Arguments {
    fn default() -> Self {
        Self { histories: 20_000, programs: 50, seed: 2, thorough: false }
    }
}

/// One `cargo test`.
struct Part {
    name: &'static str,
    /// The `--cfg` beside the plain build, which names the target folder too.
    cfg: &'static str,
    cargo: &'static [&'static str],
    /// What the test binaries are told: filters of test names.
    tests: &'static [&'static str],
    memcheck: bool,
}

const PARTS: [Part; 5] = [
    Part {
        name: "shrunk thresholds",
        cfg: "stress",
        cargo: &["--test", "contract", "--test", "linearizability", "--test", "differential", "--lib"],
        tests: &[],
        memcheck: false,
    },
    Part {
        name: "valgrind memcheck",
        cfg: "stress",
        cargo: &["--test", "contract"],
        tests: &[
            "buckets::everything_is_dropped_once",
            "buckets::words::it_grows",
            "inline::padded::it_grows",
            "inline::words::it_grows",
            "lock_free::everything_is_dropped_once",
            "lock_free::words::it_grows",
            "read_mostly::everything_is_dropped_once",
            "read_mostly::words::it_grows",
            "snapshots::everything_is_dropped_once",
        ],
        memcheck: true,
    },
    Part {
        name: "shuttle",
        cfg: "shuttle",
        cargo: &["--test", "linearizability"],
        tests: &[],
        memcheck: false,
    },
    Part {
        name: "shuttle, single parts",
        cfg: "shuttle",
        cargo: &["--lib"],
        tests: &["shuttle"],
        memcheck: false,
    },
    Part { name: "loom", cfg: "loom", cargo: &["--release", "--lib"], tests: &["loom"], memcheck: false },
];

/// The task `maps-check`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    check(arguments)?.into_result("maps-check")
}

/// Runs all parts.
pub(super) fn check(arguments: &Arguments) -> Result<Tally, Failure> {
    ensure_valgrind()?;
    let mut total = Tally::default();
    for part in &PARTS {
        step(&format!("maps: {}", part.name));
        let tally = cargo::count(&mut part.command(arguments))?;
        println!("maps, {}: {} passed, {} failed", part.name, tally.passed, tally.failed);
        total += tally;
        // A filter that fits nothing checks nothing.
        total.failed += usize::from(tally.passed + tally.failed == 0);
    }
    Ok(total)
}

impl Part {
    fn command(&self, arguments: &Arguments) -> Command {
        let mut command = workspace::cargo();
        command.args(["test", "--package", "raceguard-maps", "--no-fail-fast"]).args(self.cargo);
        if self.memcheck {
            command.args(["--config", MEMCHECK]);
        }
        command
            .arg("--")
            .args(self.tests)
            .env("RUSTFLAGS", format!("--cfg raceguard_{}", self.cfg))
            .env("CARGO_TARGET_DIR", workspace::target().join(format!("maps-{}", self.cfg)))
            .env("RACEGUARD_MAPS_HISTORIES", arguments.histories.to_string())
            .env("RACEGUARD_MAPS_PROGRAMS", arguments.programs.to_string())
            .env("RACEGUARD_MAPS_SEED", arguments.seed.to_string());
        if arguments.thorough && !self.memcheck {
            command.env("RACEGUARD_MAPS_THOROUGH", "1");
        }
        command
    }
}

/// Lets cargo run the test binaries under memcheck. What the process still points to at its end is no leak.
const MEMCHECK: &str = r#"target.'cfg(all())'.runner = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]"#;

fn ensure_valgrind() -> Result<(), Failure> {
    let found = || process::on_path("valgrind");
    if !found() && system_package::may_install() {
        step("installing valgrind with apt-get, for the unsafe parts of the maps");
        system_package::install("valgrind")?;
    }
    if found() {
        return Ok(());
    }
    Err(Failure::environment(
        "there is no valgrind on PATH, which the tests of the maps' unsafe parts need",
        "run `sudo apt-get install -y valgrind` (or your system's equivalent)",
    ))
}
