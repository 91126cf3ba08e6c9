//! `cargo xtask test`: every test there is. A part that cannot run fails; nothing is skipped.

mod cargo;
pub(crate) mod maps;

use crate::failure::Failure;
use crate::report_line::{Tally, step};
use crate::{chromium, examples, go_suite, promtool, raceguard, seeded, toolchain};

/// The task `test`.
pub(crate) fn run(raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = toolchain::any()?;
    step(&format!("{} at {}", go.version, go.binary.display()));

    let mut total = part("Chromium", chromium::ensure().map(|()| Tally { passed: 1, failed: 0 }));
    total += part("promtool", promtool::ensure().map(|()| Tally { passed: 1, failed: 0 }));
    total += part("Rust tests", cargo::check(&go));
    total += part("maps", maps::check(&maps::Arguments::default()));
    total += part("examples", examples::check(&go, raceguard));
    total += part("seeded races", seeded::check(&go, raceguard, true));
    total += part("go-suite", go_suite::check(&go, raceguard));
    println!();
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 {
        return Ok(());
    }
    Err(Failure::Findings(format!("{} of {} checks failed", total.failed, total.passed + total.failed)))
}

/// A part that cannot run is one failed check, and the others still run.
fn part(name: &str, result: Result<Tally, Failure>) -> Tally {
    match result {
        Ok(tally) => {
            println!("{name}: {} passed, {} failed", tally.passed, tally.failed);
            tally
        }
        Err(failure) => {
            println!("FAIL  {name} could not run: {failure}");
            Tally { passed: 0, failed: 1 }
        }
    }
}
