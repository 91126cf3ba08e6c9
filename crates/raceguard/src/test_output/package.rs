//! The output of one package's tests.

use std::collections::BTreeMap;

use raceguard_gotool::events::{Action, TestEvent};

use super::Style;
use super::lines::{is_framing, is_log, is_passing_result, is_result, is_summary};
use crate::race_text::without_covered_reports;

/// Output of one package: what is ready to be shown, and what waits for a test or the package to end.
#[derive(Debug)]
pub(super) struct PackageOutput {
    style: Style,
    ready: String,
    /// Shown when the package has failed, or as soon as it is in order when all that is printed is shown.
    held: String,
    /// Tests that have not ended.
    tests: BTreeMap<String, TestText>,
    /// The start of a line of the package's own whose rest is yet to come.
    partial_line: String,
    /// The line of cmd/go on the whole package.
    summary: String,
    has_ended: bool,
}

/// What one test printed, sorted by where `go test` without `-v` shows it.
#[derive(Debug, Default)]
struct TestText {
    /// Not sorted yet.
    text: String,
    /// Its result.
    result: String,
    /// Its log, and below it the failed subtests, in the order in which they ended.
    log: String,
    /// Whether the last line belonged to the log.
    in_log: bool,
}

impl PackageOutput {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            ready: String::new(),
            held: String::new(),
            tests: BTreeMap::new(),
            partial_line: String::new(),
            summary: String::new(),
            has_ended: false,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes what may be shown now.
    pub(super) fn take_ready(&mut self) -> String {
        std::mem::take(&mut self.ready)
    }

    pub(super) fn note(&mut self, event: &TestEvent, is_covered: &dyn Fn(u64) -> bool) {
        let output = event.output.as_deref().unwrap_or_default();
        match &event.test {
            _ if self.style == Style::Everything => self.ready.push_str(output),
            Some(test) if event.action.is_end() => self.end_test(test, event.action, is_covered),
            Some(test) if self.style == Style::Printed && is_live(test) => {
                self.release_held(is_covered);
                if !is_framing(output) && !is_passing_result(output) && output.trim_end() != test {
                    self.ready.push_str(output);
                }
            }
            Some(test) => self.tests.entry(test.clone()).or_default().text.push_str(output),
            None => self.note_package_output(event.package.as_deref().unwrap_or_default(), output),
        }
        if event.test.is_none() && event.action.is_end() {
            self.end(event.action, is_covered);
        }
    }

    /// Ends the package as failed: its process, or cmd/go, died.
    pub(super) fn end_unfinished(&mut self, is_covered: &dyn Fn(u64) -> bool) {
        self.end(Action::Fail, is_covered);
    }

    fn note_package_output(&mut self, package: &str, output: &str) {
        let Some(end) = output.rfind('\n') else { return self.partial_line.push_str(output) };
        let mut lines = std::mem::replace(&mut self.partial_line, output[end + 1..].to_owned());
        lines.push_str(&output[..=end]);
        for line in lines.split_inclusive('\n').filter(|line| !is_framing(line)) {
            let target = if is_summary(line, package) { &mut self.summary } else { &mut self.held };
            target.push_str(line);
        }
    }

    fn end_test(&mut self, name: &str, action: Action, is_covered: &dyn Fn(u64) -> bool) {
        self.sort(name, is_covered);
        let test = self.tests.remove(name).unwrap_or_default();
        let shown = if action == Action::Fail { test.result + &test.log } else { String::new() };
        if let Some(parent) = self.parent(name).map(str::to_owned) {
            self.sort(&parent, is_covered);
            self.tests.entry(parent).or_default().log.push_str(&shown);
            return;
        }
        self.held.push_str(&shown);
        if self.style == Style::Printed {
            self.release_held(is_covered);
        }
    }

    /// Sorts what a test printed so far. What it wrote to stdout or stderr by itself is the package's.
    fn sort(&mut self, name: &str, is_covered: &dyn Fn(u64) -> bool) {
        let depth = std::iter::successors(self.parent(name), |test| self.parent(test)).count();
        let Some(test) = self.tests.get_mut(name) else { return };
        let unsorted = without_covered_reports(&std::mem::take(&mut test.text), is_covered);
        for line in unsorted.split_inclusive('\n') {
            test.in_log = is_log(line) || (test.in_log && line.starts_with("        "));
            if is_result(line) {
                test.result.extend(std::iter::repeat_n("    ", depth));
                test.result.push_str(line.trim_start_matches(' '));
            } else if test.in_log {
                test.log.extend(std::iter::repeat_n("    ", depth));
                test.log.push_str(line);
            } else if !is_framing(line) {
                self.held.push_str(line);
            }
        }
    }

    /// The test that runs `test` as a subtest. Names of subtests may hold slashes of their own.
    fn parent<'a>(&self, test: &'a str) -> Option<&'a str> {
        let slashes = test.char_indices().rev().filter(|&(_, c)| c == '/');
        slashes.map(|(slash, _)| &test[..slash]).find(|ancestor| self.tests.contains_key(*ancestor))
    }

    fn release_held(&mut self, is_covered: &dyn Fn(u64) -> bool) {
        let held = std::mem::take(&mut self.held);
        self.ready.push_str(&without_covered_reports(&held, is_covered));
    }

    fn end(&mut self, action: Action, is_covered: &dyn Fn(u64) -> bool) {
        self.has_ended = true;
        // Tests without an end were running when the process died, so all they printed may say why.
        for test in std::mem::take(&mut self.tests).into_values() {
            self.held.push_str(&test.log);
            self.held.extend(test.text.split_inclusive('\n').filter(|line| !is_framing(line)));
        }
        self.held.push_str(&std::mem::take(&mut self.partial_line));
        if !self.held.is_empty() && !self.held.ends_with('\n') {
            self.held.push('\n');
        }
        if action == Action::Fail || self.style == Style::Printed {
            self.release_held(is_covered);
        } else {
            self.held.clear();
        }
        self.ready.push_str(&std::mem::take(&mut self.summary));
    }
}

/// Benchmarks and fuzz tests run for long, one at a time, and print as they go.
fn is_live(test: &str) -> bool {
    test.starts_with("Benchmark") || test.starts_with("Fuzz")
}
