//! Seeded races: programs whose race is certain, with much going on between its two accesses. Each runs under stock
//! `-race` and under raceguard in the same run; raceguard has to find every one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{Measured, thousands};
use crate::report_line::{Tally, step};
use crate::toolchain::{self, Go};
use crate::{measure, process, raceguard, workspace};

/// The options of the task `seeded`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Let less happen between the two accesses, for CI
    #[arg(long)]
    quick: bool,
}

struct Program {
    /// The folder under `tests/seeded`.
    name: &'static str,
    between: &'static str,
    count: u32,
    quick: u32,
}

/// The quick counts lie above what stock `-race` remembers wherever that costs little.
const PROGRAMS: [Program; 6] = [
    Program { name: "calls", between: "function calls", count: 1_000_000, quick: 1_000_000 },
    Program { name: "panics", between: "recovered panics", count: 1_000_000, quick: 100_000 },
    Program { name: "readers", between: "joined readers", count: 64, quick: 64 },
    Program { name: "locks", between: "Lock/Unlock pairs", count: 5_000_000, quick: 1_500_000 },
    Program { name: "finished", between: "finished goroutines", count: 2_000_000, quick: 100_000 },
    Program { name: "alive", between: "goroutines alive at once", count: 300_000, quick: 10_000 },
];

/// The task `seeded`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    check(&toolchain::any()?, raceguard, arguments.quick)?.into_result("seeded races")
}

/// Runs all programs and prints the table.
pub(crate) fn check(go: &Go, raceguard: &raceguard::Source, quick: bool) -> Result<Tally, Failure> {
    let folder = workspace::products("seeded")?;
    let toolexec = raceguard.toolexec()?;
    step(&format!("building the seeded races with {}", go.version));
    let stock = build(go, &folder.join("stock"), None)?;
    let ours = build(go, &folder.join("raceguard"), Some(&toolexec))?;

    println!("| earlier access, then | stock -race | raceguard |");
    println!("|---|---|---|");
    let mut rows = Vec::new();
    for program in &PROGRAMS {
        let count = if quick { program.quick } else { program.count };
        let theirs = Outcome::of(&stock.join(program.name), count)?;
        let own = Outcome::of(&ours.join(program.name), count)?;
        println!("| {} {} | {} | {} |", thousands(count), program.between, theirs.cell(), own.cell());
        rows.push((program, own));
    }

    let mut tally = Tally::default();
    for (program, own) in rows {
        tally.check(&format!("seeded/{}: raceguard finds the race", program.name), &own.problems());
    }
    Ok(tally)
}

fn build(go: &Go, folder: &Path, toolexec: Option<&str>) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))?;
    let mut command = go.command();
    command.args(["build", "-race", "-o"]).arg(folder);
    if let Some(toolexec) = toolexec {
        command.arg(format!("-toolexec={toolexec}"));
    }
    command.args(PROGRAMS.map(|program| format!("./{}", program.name)));
    command.current_dir(workspace::root().join("tests/seeded"));
    process::demand(&mut command, "see whether `raceguard doctor` names what is missing")?;
    Ok(folder.to_owned())
}

struct Outcome {
    measured: Measured,
    races: usize,
}

impl Outcome {
    fn of(program: &Path, count: u32) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.arg(count.to_string()).env("GORACE", "atexit_sleep_ms=0").env_remove("RACEGUARD");
        let measured = measure::run(&mut command, Duration::from_mins(5))?;
        let races = measured.stderr.matches("WARNING: DATA RACE").count();
        Ok(Self { measured, races })
    }

    /// A program that found its race ends with 66, one that did not with 0; all else is a crash.
    fn crashed(&self) -> bool {
        self.measured.stopped.is_some()
            || self.measured.status.code() != Some(if self.races > 0 { 66 } else { 0 })
    }

    fn cell(&self) -> String {
        let verdict = match (self.crashed(), self.races) {
            (true, _) => "crashed",
            (false, 0) => "forgot",
            (false, _) => "found",
        };
        let megabytes = self.measured.peak_rss / 1_000_000;
        format!("{verdict} ({:.2} s, {megabytes} MB)", self.measured.wall.as_secs_f64())
    }

    fn problems(&self) -> Vec<String> {
        let end = process::last_lines(&self.measured.stderr, 20);
        if let Some(stopped) = self.measured.stopped {
            return vec![format!("{stopped}\n{end}")];
        }
        if self.crashed() {
            return vec![format!("ended with {} after {} reports\n{end}", self.measured.status, self.races)];
        }
        match self.races {
            0 => vec!["the race was not reported".to_owned()],
            1 => Vec::new(),
            more => vec![format!("one race was reported {more} times\n{}", self.measured.stderr)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(64), "64");
        assert_eq!(thousands(5_000_000), "5,000,000");
    }
}
