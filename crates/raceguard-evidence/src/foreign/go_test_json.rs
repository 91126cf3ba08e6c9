//! `go test -json`: the results of tests, and what is in their output.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::go_output::{Emitter, Found, GoOutput, rfc3339};
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::findings::TestName;
use crate::record::Extra;
use crate::run::{Test, TestResult};

/// Events of test2json.
pub(super) const FORMAT: Format =
    Format { name: "go-test-json", title: "events of go test -json", recognise, read };

const MAX_LINE: usize = 8 << 20;
/// Most tests whose names are kept; beyond them only the package of a finding is known.
const MAX_TESTS: usize = 200_000;
/// Longest piece of a line that is kept until its end comes.
const MAX_PARTIAL: usize = 1 << 20;

/// One event; `go doc test2json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    package: Cow<'a, str>,
    #[serde(borrow, default)]
    import_path: Cow<'a, str>,
    #[serde(borrow, default)]
    test: Cow<'a, str>,
    #[serde(default)]
    elapsed: f64,
    #[serde(borrow, default)]
    output: Cow<'a, str>,
}

fn recognise(head: &[u8]) -> Recognition {
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(20);
    if lines.any(|line| event(line).is_some()) { Recognition::Sure } else { Recognition::No }
}

fn event(line: &[u8]) -> Option<Event<'_>> {
    if !line.starts_with(b"{") {
        return None;
    }
    let event: Event<'_> = serde_json::from_slice(line).ok()?;
    (!event.package.is_empty() || !event.import_path.is_empty()).then_some(event)
}

/// The output of one package that has not ended.
#[derive(Debug, Default)]
struct PackageOutput {
    output: GoOutput,
    partial: String,
    /// What the line before was tagged with.
    tag: usize,
}

/// All that is kept while reading.
#[derive(Debug, Default)]
struct Reading {
    packages: HashMap<String, PackageOutput>,
    /// Lines that are no events: what cmd/go and programs wrote past them.
    outside: GoOutput,
    tests: Vec<TestName>,
    numbers: HashMap<TestName, usize>,
    /// The test of the event before: most events are of the same.
    last: usize,
    emitter: Emitter,
    found: Vec<Found>,
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    let mut number = 0;
    while input.read_line(&mut line, MAX_LINE)? {
        number += 1;
        match event(&line) {
            Some(event) => reading.event(&event, sink)?,
            None if line.starts_with(b"{\"") => sink.skip("events that can't be read", number),
            None => {
                reading.outside.line(&line, usize::MAX, &mut reading.found);
                reading.emit(sink)?;
            }
        }
    }
    for (_, mut package) in std::mem::take(&mut reading.packages) {
        package.finish(&mut reading.found);
    }
    reading.outside.finish(&mut reading.found);
    reading.emit(sink)
}

impl Reading {
    fn event(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        match &*event.action {
            "output" => {
                let tag = self.tag(&event.package, &event.test);
                if !self.packages.contains_key(&*event.package) {
                    self.packages.insert(event.package.clone().into_owned(), PackageOutput::default());
                }
                let Some(package) = self.packages.get_mut(&*event.package) else { return Ok(()) };
                package.take(&event.output, tag, &mut self.found);
                self.emit(sink)
            }
            "pass" | "fail" | "skip" => self.end(event, sink),
            _ => Ok(()),
        }
    }

    fn end(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        let result = match &*event.action {
            "pass" => TestResult::Pass,
            "skip" => TestResult::Skip,
            _ => TestResult::Fail,
        };
        let is_package = event.test.is_empty();
        if is_package && let Some(mut package) = self.packages.remove(&*event.package) {
            package.finish(&mut self.found);
            self.emit(sink)?;
        }
        if !is_package && result != TestResult::Fail {
            return Ok(());
        }
        let ended_unix_ns = rfc3339(&event.time);
        sink.record(
            Test {
                package: event.package.clone().into_owned(),
                test: (!is_package).then(|| event.test.clone().into_owned()),
                result,
                elapsed_s: event.elapsed,
                started_unix_ns: ended_unix_ns.saturating_sub(nanoseconds(event.elapsed)),
                ended_unix_ns,
                extra: Extra::new(),
            }
            .into(),
        )
    }

    /// The number of a test.
    fn tag(&mut self, package: &str, test: &str) -> usize {
        let is_same =
            |last: &TestName| last.package == package && last.test.as_deref().unwrap_or_default() == test;
        if !self.tests.get(self.last).is_some_and(is_same) {
            self.last = self.number(package, test);
        }
        self.last
    }

    fn number(&mut self, package: &str, test: &str) -> usize {
        let name =
            TestName { package: package.to_owned(), test: (!test.is_empty()).then(|| test.to_owned()) };
        if let Some(&known) = self.numbers.get(&name) {
            return known;
        }
        if self.tests.len() >= MAX_TESTS {
            return if name.test.is_some() { self.number(package, "") } else { usize::MAX };
        }
        self.tests.push(name.clone());
        self.numbers.insert(name, self.tests.len() - 1);
        self.tests.len() - 1
    }

    fn emit(&mut self, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        self.emitter.emit_all(&mut self.found, |tag| self.tests.get(tag).cloned(), sink)
    }
}

impl PackageOutput {
    /// Takes a piece of output: a line, or a part of one.
    fn take(&mut self, piece: &str, tag: usize, found: &mut Vec<Found>) {
        if self.partial.is_empty() && piece.ends_with('\n') {
            self.output.line(piece.as_bytes(), tag, found);
            return;
        }
        if self.partial.is_empty() {
            self.tag = tag;
        }
        if self.partial.len() < MAX_PARTIAL {
            self.partial.push_str(piece);
        }
        if piece.ends_with('\n') {
            let line = std::mem::take(&mut self.partial);
            self.output.line(line.as_bytes(), self.tag, found);
        }
    }

    fn finish(&mut self, found: &mut Vec<Found>) {
        if !self.partial.is_empty() {
            self.output.line(self.partial.as_bytes(), self.tag, found);
        }
        self.output.finish(found);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
pub(super) fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
