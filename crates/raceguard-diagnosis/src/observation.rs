//! One thing that was seen, over all runs: a race, a crash, or a static finding.

mod race;

use std::collections::{BTreeSet, HashMap};

use raceguard_evidence::{
    Crash, CrashFinding, Fingerprint, Frame, FunctionName, ModulePaths, Severity, StaticFinding,
    SuggestedFix, TestName,
};

use crate::class::Verdict;
use crate::classify;
use crate::evidence::Evidence;
use crate::rule::Rule;
use crate::source_text::SourceText;
use crate::statement::{Operation, Statement};

/// What kind of evidence an observation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservationKind {
    /// A race that happened.
    Race,
    /// A death of the program.
    Crash,
    /// What static analysis found.
    Static,
}

/// A thing that was seen, over all runs that saw it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// What kind it is.
    pub kind: ObservationKind,
    /// What makes it this one.
    pub fingerprint: Fingerprint,
    /// Code of the rule it falls under.
    pub rule: String,
    /// The tool, when it is not this one.
    pub tool: Option<String>,
    /// One line.
    pub headline: String,
    /// What it is about, as the source or the analyzer names it.
    pub subject: Option<String>,
    /// The variables that it is about, spelt so that it can be compared; see [`variable_of_subject`].
    ///
    /// Several when the same functions race on more than one: a fingerprint holds function names alone.
    pub variables: BTreeSet<String>,
    /// The statements; of a race the later one first.
    pub statements: Vec<Statement>,
    /// Which class it is of.
    pub verdict: Verdict,
    /// How bad.
    pub severity: Severity,
    /// What to do, one line.
    pub advice: String,
    /// A change that mends it.
    pub fix: Option<SuggestedFix>,
    /// Where and how often it was seen, by run.
    pub sightings: Vec<Sighting>,
    /// Tests that show it, sorted.
    pub tests: BTreeSet<TestName>,
}

/// How a run saw an observation.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Number of the run.
    pub run: usize,
    /// Lines of the statements, in their order.
    pub lines: Vec<u32>,
    /// How often.
    pub occurrences: u64,
    /// First seen, in nanoseconds since the Unix epoch; 0 when unknown.
    pub time_unix_ns: u64,
}

impl Observation {
    /// How often it was seen in all runs.
    pub fn occurrences(&self) -> u64 {
        self.sightings.iter().map(|sighting| sighting.occurrences).sum()
    }
}

/// All observations of the evidence, those of one fingerprint joined, in the order of the evidence.
pub(crate) fn observations(
    evidence: &Evidence,
    paths: &ModulePaths,
    sources: &SourceText<'_>,
) -> Vec<Observation> {
    let mut all = Collected::default();
    for (run, of_run) in evidence.runs.iter().enumerate() {
        for finding in &of_run.evidence.findings {
            all.add(
                ObservationKind::Race,
                &finding.fingerprint,
                || race::of_race(finding, paths, sources),
                |seen| {
                    race::add(seen, finding, run, paths, sources);
                },
            );
        }
        for finding in &of_run.evidence.crashes {
            all.add(
                ObservationKind::Crash,
                &finding.fingerprint,
                || of_crash(finding, paths),
                |seen| {
                    add_crash(seen, finding, run);
                },
            );
        }
        for finding in &of_run.evidence.static_findings {
            all.add(
                ObservationKind::Static,
                &finding.fingerprint,
                || of_static(finding, paths),
                |seen| {
                    add_static(seen, finding, run, of_run.started());
                },
            );
        }
    }
    all.list
}

#[derive(Default)]
struct Collected {
    list: Vec<Observation>,
    known: HashMap<(ObservationKind, Fingerprint), usize>,
}

impl Collected {
    fn add(
        &mut self,
        kind: ObservationKind,
        fingerprint: &Fingerprint,
        make: impl FnOnce() -> Observation,
        update: impl FnOnce(&mut Observation),
    ) {
        let index = *self.known.entry((kind, fingerprint.clone())).or_insert(self.list.len());
        if index == self.list.len() {
            self.list.push(make());
        }
        update(&mut self.list[index]);
    }
}

fn of_crash(finding: &CrashFinding, paths: &ModulePaths) -> Observation {
    let crash = &finding.crash;
    let first = crash.goroutines.first();
    let operation =
        first.map_or(Operation::Other, |goroutine| Operation::of_runtime_frames(&goroutine.stack));
    let started = first.and_then(|goroutine| goroutine.created_at.first());
    let statements: Vec<Statement> = first
        .and_then(|goroutine| {
            Statement::of_stack(&goroutine.stack, crash_operation(crash, operation), started, paths)
        })
        .into_iter()
        .collect();
    let rule = Rule::of_crash(crash.cause());
    Observation {
        kind: ObservationKind::Crash,
        fingerprint: finding.fingerprint.clone(),
        rule: rule.code.to_owned(),
        tool: None,
        headline: crash.message.clone(),
        subject: None,
        variables: BTreeSet::new(),
        verdict: classify::of_crash(crash, operation),
        statements,
        severity: Severity::Error,
        advice: rule.fix.to_owned(),
        fix: None,
        sightings: Vec::new(),
        tests: BTreeSet::new(),
    }
}

/// What the goroutine did that died, also when its dump does not show frames of Go's runtime.
fn crash_operation(crash: &Crash, seen: Operation) -> Operation {
    use raceguard_evidence::CrashCause as Cause;
    match (seen, crash.cause()) {
        (Operation::Other, Cause::ConcurrentMapWrites) => Operation::MapWrite,
        (Operation::Other, Cause::ConcurrentMapReadWrite) => Operation::MapLookup,
        (Operation::Other, Cause::ConcurrentMapIterationWrite) => Operation::MapIterate,
        (Operation::Other, Cause::CloseOfClosedChannel) => Operation::Close,
        (Operation::Other, Cause::SendOnClosedChannel) => Operation::Send,
        _ => seen,
    }
}

fn add_crash(seen: &mut Observation, finding: &CrashFinding, run: usize) {
    let lines = seen.statements.iter().map(|statement| statement.line).collect();
    seen.sightings.push(Sighting {
        run,
        lines,
        occurrences: finding.occurrences,
        time_unix_ns: finding.crash.time_unix_ns,
    });
    seen.tests.extend(finding.tests.iter().cloned());
}

fn of_static(finding: &StaticFinding, paths: &ModulePaths) -> Observation {
    let statements: Vec<Statement> = finding
        .sites
        .iter()
        .map(|site| {
            let frame = Frame::new(site.function.clone(), site.place.file.clone(), site.place.line);
            let calls = site
                .calls
                .iter()
                .map(|call| Frame::new(call.function.clone(), call.place.file.clone(), call.place.line));
            let started = site.origin.iter().find_map(|reason| reason.place.as_ref());
            Statement {
                function: site.function.clone(),
                file: paths.relative(&site.place.file).to_owned(),
                line: site.place.line,
                operation: Operation::of_site(site),
                origin: paths.origin(&frame),
                locks: Some(site.locks.clone()),
                stack: std::iter::once(frame.clone()).chain(calls).collect(),
                started_at: started.map(|place| Frame::new("", paths.relative(&place.file), place.line)),
            }
        })
        .collect();
    let variable =
        statements.first().and_then(|first| variable_of_subject(&finding.subject, &first.function));
    Observation {
        kind: ObservationKind::Static,
        fingerprint: finding.fingerprint.clone(),
        rule: finding.rule.clone(),
        tool: finding.tool.clone(),
        headline: finding.message.clone(),
        subject: Some(finding.subject.clone()).filter(|subject| !subject.is_empty()),
        variables: variable.into_iter().collect(),
        statements,
        verdict: classify::of_static(finding),
        severity: finding.severity.clone(),
        advice: finding.remedy.clone(),
        fix: finding.fix.clone(),
        sightings: Vec::new(),
        tests: BTreeSet::new(),
    }
}

fn add_static(seen: &mut Observation, finding: &StaticFinding, run: usize, time: u64) {
    let lines = finding.sites.iter().map(|site| site.place.line).collect();
    // What a later run of the analysis still sees is the same finding, not another one.
    seen.sightings.push(Sighting { run, lines, occurrences: 1, time_unix_ns: time });
}

/// The variable that the analyzer's subject names, with the import path of the function it was found in:
/// `example.com/m.RouteTable.channels` for `map field gateway.RouteTable.channels`, and for a local variable its
/// name behind the function.
pub fn variable_of_subject(subject: &str, function: &str) -> Option<String> {
    let name = subject.rsplit(' ').next().filter(|name| !name.is_empty())?;
    let package = FunctionName::parse(function).package();
    let last = package.rsplit('/').next().unwrap_or_default();
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        // A local variable: of this function only.
        [local] => Some(format!("{}:{local}", crate::statement::declared_function(function))),
        [first, rest @ ..] if *first == last => Some(format!("{package}.{}", rest.join("."))),
        _ => Some(format!("{package}.{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_comparable() {
        let function = "example.com/pay/gateway.(*RouteTable).Reload";
        for (subject, variable) in [
            ("map RouteTable.channels", "example.com/pay/gateway.RouteTable.channels"),
            ("map field gateway.RouteTable.channels", "example.com/pay/gateway.RouteTable.channels"),
            ("err", "example.com/pay/gateway.(*RouteTable).Reload:err"),
        ] {
            assert_eq!(variable_of_subject(subject, function).as_deref(), Some(variable));
        }
        assert_eq!(variable_of_subject("", function), None);
    }
}
