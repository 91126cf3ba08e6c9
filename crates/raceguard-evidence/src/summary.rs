//! What a collector must know of a record: when it happened, and which finding it shows.
//!
//! A collector keeps records as they came, so it need not build them. [`RecordSummary::of_line`] reads the kinds that come in
//! great numbers (races, repeats, spans) without allocating for what it passes over; that is several times as fast as
//! [`EvidenceReader`](crate::EvidenceReader). It answers only when it is sure: whatever it reads, the reader accepts too, and
//! with the same result. Of everything else it says nothing, and the reader has to be asked.

mod object;
mod shape;

use crate::fingerprint::Fingerprint;
use crate::frame::{FrameRef, statement_index};
use crate::race::AccessOp;
use crate::record::{Record, SCHEMA_VERSION};
use shape::{AccessShape, Enveloped, RaceShape, RepeatShape, SpanShape};

/// What a collector must know of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSummary {
    /// When it happened, in nanoseconds since the Unix epoch; 0 when it does not say.
    pub time_unix_ns: u64,
    /// The finding that it shows.
    pub finding: Option<FindingSummary>,
}

/// A finding that a record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingSummary {
    /// A race.
    Race {
        /// How the run calls it.
        id: String,
        /// What makes it this one.
        fingerprint: Fingerprint,
        /// The later access, then the earlier one.
        accesses: [AccessSummary; 2],
    },
    /// A race that another record describes was seen again.
    Repeat {
        /// How the run calls it.
        race: String,
    },
    /// A crash.
    Crash {
        /// What makes it this one.
        fingerprint: Fingerprint,
        /// Its first line.
        message: String,
    },
    /// A finding of static analysis.
    Static {
        /// What makes it this one.
        fingerprint: Fingerprint,
        /// `RG101`, …
        rule: String,
        /// What is wrong.
        message: String,
    },
}

/// An access of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSummary {
    /// What was done to the memory.
    pub op: AccessOp,
    /// Function of the statement that did it; nothing when the stack is empty.
    pub function: Option<String>,
}

impl RecordSummary {
    /// The summary of a record.
    pub fn of_record(record: &Record) -> Self {
        let (time_unix_ns, finding) = match record {
            Record::Race(race) => {
                let accesses = race.accesses.each_ref().map(|access| AccessSummary {
                    op: access.op.clone(),
                    function: access.statement().map(|frame| frame.function.clone()),
                });
                let (id, fingerprint) = (race.id.clone(), Fingerprint::of_race(race));
                (race.time_unix_ns, Some(FindingSummary::Race { id, fingerprint, accesses }))
            }
            Record::Repeat(repeat) => {
                (repeat.time_unix_ns, Some(FindingSummary::Repeat { race: repeat.race.clone() }))
            }
            Record::Crash(crash) => {
                let (fingerprint, message) = (Fingerprint::of_crash(crash), crash.message.clone());
                (crash.time_unix_ns, Some(FindingSummary::Crash { fingerprint, message }))
            }
            Record::StaticFinding(finding) => {
                let fingerprint = finding.fingerprint.clone();
                let (rule, message) = (finding.rule.clone(), finding.message.clone());
                (0, Some(FindingSummary::Static { fingerprint, rule, message }))
            }
            Record::Run(run) => (run.started_unix_ns, None),
            Record::Span(span) => (span.start_unix_ns, None),
            Record::Metric(metric) => (metric.time_unix_ns, None),
            _ => (0, None),
        };
        Self { time_unix_ns, finding }
    }

    /// The summary of the record in a line, if it is of a common kind and written as raceguard writes it. Nothing is no
    /// verdict: the line may hold a record all the same.
    pub fn of_line(line: &[u8]) -> Option<Self> {
        const _: () = assert!(SCHEMA_VERSION == 1, "the beginning of lines below says so");
        let rest = line.strip_prefix(b"{\"schema\":1,\"kind\":\"")?;
        let kind = &rest[..memchr::memchr(b'"', &rest[..rest.len().min(16)])?];
        Some(match kind {
            b"race" => of_race(&parse::<RaceShape<'_>>(line)?),
            b"repeat" => {
                let repeat = parse::<RepeatShape<'_>>(line)?;
                let finding = FindingSummary::Repeat { race: repeat.race.0.into_owned() };
                Self { time_unix_ns: repeat.time_unix_ns, finding: Some(finding) }
            }
            b"span" => Self { time_unix_ns: parse::<SpanShape<'_>>(line)?.start_unix_ns, finding: None },
            _ => return None,
        })
    }
}

/// The record in a line, if its envelope says once what the beginning of the line says.
fn parse<'a, T: serde::Deserialize<'a> + Enveloped>(line: &'a [u8]) -> Option<T> {
    // Checked as a whole, which is quicker than string by string.
    let text = std::str::from_utf8(line).ok()?;
    let record: T = serde_json::from_str(text).ok()?;
    (record.schema() == SCHEMA_VERSION).then_some(record)
}

fn of_race(race: &RaceShape<'_>) -> RecordSummary {
    let stacks = race.accesses.each_ref().map(frames);
    let [first, second] = &race.accesses;
    let fingerprint = Fingerprint::of_accesses([
        (&first.op, first.map_op.as_ref(), &stacks[0]),
        (&second.op, second.map_op.as_ref(), &stacks[1]),
    ]);
    let summary = |access: &AccessShape<'_>, stack: &[FrameRef<'_>]| AccessSummary {
        op: access.op.clone(),
        function: stack.get(statement_index(stack.iter().copied())).map(|frame| frame.function.to_owned()),
    };
    let accesses = [summary(first, &stacks[0]), summary(second, &stacks[1])];
    let id = race.id.0.clone().into_owned();
    RecordSummary {
        time_unix_ns: race.time_unix_ns,
        finding: Some(FindingSummary::Race { id, fingerprint, accesses }),
    }
}

fn frames<'a>(access: &'a AccessShape<'_>) -> Vec<FrameRef<'a>> {
    access.stack.iter().map(|frame| FrameRef { function: &frame.function.0, file: &frame.file.0 }).collect()
}
