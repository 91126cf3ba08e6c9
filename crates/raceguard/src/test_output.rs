//! Makes the output that a user of `go test` expects from the events of `go test -json`.
//!
//! Under `-json` every test runs verbosely. Without `-v` the user wants less: of a package that passes, one
//! line; of one that fails, what `go test` prints, which is the failed tests with their logs and whatever the
//! program printed. Race reports that our own report repeats in a better form are left out there; with `-v` and
//! `-json` the output is complete.

mod lines;
mod package;

use std::collections::{BTreeMap, VecDeque};

use raceguard_gotool::events::{Action, TestEvent};
use raceguard_gotool::flags::CommandLine;

use package::PackageOutput;

/// How much of the output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The events themselves: `-json`.
    Events,
    /// Everything that tests print: `-v`.
    Everything,
    /// Packages, failed tests, and what tests print by themselves: no packages named, or benchmarks and fuzzing.
    Printed,
    /// Packages, and more only of packages that fail.
    Failures,
}

impl Style {
    /// What `go test` would show for this command line.
    pub fn of(line: &CommandLine) -> Self {
        if line.is_on("json") {
            Self::Events
        } else if line.is_on("v") {
            Self::Everything
        } else if line.packages.is_empty() || line.value("bench").is_some() || line.value("fuzz").is_some() {
            Self::Printed
        } else {
            Self::Failures
        }
    }
}

/// Text that is ready to be printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// For stdout.
    pub stdout: String,
    /// For stderr: what the compiler says.
    pub stderr: String,
}

/// The output of one run, package by package.
#[derive(Debug)]
pub struct TestOutput {
    style: Style,
    packages: BTreeMap<String, PackageOutput>,
    /// With everything shown: packages whose output was not yet shown to its end, the one being shown first.
    queue: VecDeque<String>,
    /// Whether a failure is repeated as the last line, for it may have scrolled out of sight.
    repeats_failure: bool,
}

impl TestOutput {
    /// The output that `go test` would show for this command line.
    pub fn new(line: &CommandLine) -> Self {
        let style = Style::of(line);
        let is_fuzzing = line.value("fuzz").is_some();
        let repeats_failure = style != Style::Events && !line.packages.is_empty() && !is_fuzzing;
        Self { style, packages: BTreeMap::new(), queue: VecDeque::new(), repeats_failure }
    }

    /// Takes the next line of `go test -json`, and the event in it when there is one. `is_covered` says whether
    /// the evidence has a race at an address.
    pub fn line(&mut self, line: &str, event: Option<&TestEvent>, is_covered: &dyn Fn(u64) -> bool) -> Shown {
        let mut shown = Shown::default();
        let Some(event) = event.filter(|_| self.style != Style::Events) else {
            line.clone_into(&mut shown.stdout);
            return shown;
        };
        if event.action == Action::BuildOutput {
            shown.stderr = event.output.clone().unwrap_or_default();
        }
        let Some(name) = &event.package else { return shown };
        let is_new = !self.packages.contains_key(name);
        let package = self.packages.entry(name.clone()).or_insert_with(|| PackageOutput::new(self.style));
        package.note(event, is_covered);
        if self.style == Style::Everything {
            if is_new {
                self.queue.push_back(name.clone());
            }
            shown.stdout = self.show_queue();
        } else {
            shown.stdout = package.take_ready();
        }
        shown
    }

    /// What is still to be shown when the events have ended and `go test` has, or has not, failed.
    pub fn finish(mut self, failed: bool, is_covered: &dyn Fn(u64) -> bool) -> String {
        let mut rest = String::new();
        for name in &self.queue {
            rest.push_str(&self.packages.get_mut(name).map(PackageOutput::take_ready).unwrap_or_default());
        }
        for package in self.packages.values_mut().filter(|package| !package.has_ended()) {
            package.end_unfinished(is_covered);
            rest.push_str(&package.take_ready());
        }
        if failed && self.repeats_failure {
            rest.push_str("FAIL\n");
        }
        rest
    }

    fn show_queue(&mut self) -> String {
        let mut shown = String::new();
        while let Some(package) = self.queue.front().and_then(|name| self.packages.get_mut(name)) {
            shown.push_str(&package.take_ready());
            if !package.has_ended() {
                break;
            }
            self.queue.pop_front();
        }
        shown
    }
}

#[cfg(test)]
mod tests;
