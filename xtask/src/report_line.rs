//! The lines that tasks print: one per step, one per result, one at the end.

use std::ops::AddAssign;

use crate::failure::Failure;

/// Announces a step that may take long.
pub(crate) fn step(text: &str) {
    eprintln!("==> {text}");
}

/// How many checks went which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Counts one check and prints it, with what was wrong if it failed.
    pub(crate) fn check(&mut self, name: &str, problems: &[String]) {
        if problems.is_empty() {
            self.passed += 1;
            println!("ok    {name}");
            return;
        }
        self.failed += 1;
        println!("FAIL  {name}");
        for problem in problems {
            println!("      {}", problem.replace('\n', "\n      "));
        }
    }

    /// A task's result: an error if any check failed.
    pub(crate) fn into_result(self, task: &str) -> Result<(), Failure> {
        println!("{task}: {} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 {
            return Ok(());
        }
        Err(Failure::Findings(format!("{task}: {} of {} failed", self.failed, self.passed + self.failed)))
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}
