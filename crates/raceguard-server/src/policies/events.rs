//! What a batch shows, as triggers see it: from what the writer tells, or from the stored block.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use raceguard_analyzer::rules::ALL;
use raceguard_diagnosis::advice::{Facts, advise};
use raceguard_diagnosis::rule::Rule;
use raceguard_evidence::{CrashCause, EvidenceReader, Frame, FunctionName, Record};
use raceguard_policy::facts::SightingFact;

use super::commits::{self, Noted};
use crate::batch::{Batch, Sighting};
use crate::origin::{Origin, StreamName};
use crate::store::sql::{Connection, values};
use crate::store::{Reader, StoreError};

/// Tests of a sighting: as many as the cost of conditions is reckoned with.
const MAX_TESTS: usize = 32;

/// Bytes of a block when decompressed, at most: more than any batch may have.
const BLOCK_BYTES: usize = 256 << 20;

/// What one batch shows.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place in the order of all batches.
    pub number: i64,
    /// Its new records: the batch before it has the place that lies so much lower.
    pub records: i64,
    /// Its row in the table `block`.
    pub block: i64,
    /// When it came, in milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// Which program it is from.
    pub origin: Arc<Origin>,
    /// The findings, each once.
    pub seen: Vec<Shown>,
}

/// A finding that a block shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its row in the table `finding`.
    pub finding: i64,
    /// Whether no batch before showed it.
    pub is_new: bool,
    /// How often the block shows it.
    pub occurrences: u64,
}

impl Reader {
    /// What the batches behind a place show, those of at most `limit` transactions, in their order. A batch whose block
    /// is gone shows nothing.
    pub(super) fn events_after(&self, number: i64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.ask(|connection| {
            let noted = commits::after(connection, number, limit)?;
            let mut names = Names::default();
            noted.into_iter().map(|noted| event(connection, noted, &mut names)).collect()
        })
    }

    /// What a finding looks like, without where and how often it was seen. Nothing when it is gone.
    pub fn sighting_fact(&self, finding: i64) -> Result<Option<SightingFact>, StoreError> {
        self.ask(|connection| {
            let row = connection.row(
                "SELECT fingerprint, kind, title, exemplar FROM finding WHERE id = $1",
                values![finding],
            )?;
            let Some(row) = row else { return Ok(None) };
            let (fingerprint, kind, title): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Some(fact(fingerprint, &kind, title, &row.get::<String>(3)?)))
        })
    }
}

/// Rows of findings that were looked up.
#[derive(Default)]
struct Names {
    fingerprints: HashMap<String, Option<i64>>,
    races: HashMap<(i64, String), Option<i64>>,
}

fn event(
    connection: &mut (dyn Connection + 'static),
    noted: Noted,
    names: &mut Names,
) -> Result<Event, StoreError> {
    let Noted { number, records, block, new } = noted;
    let row = connection.row(
        "SELECT block.stream, block.received_ms, block.lines,
                origin.service, origin.version, origin.instance, origin.environment
         FROM block JOIN origin ON origin.id = block.origin WHERE block.id = $1",
        values![block],
    )?;
    let Some(row) = row else {
        return Ok(Event {
            number,
            records,
            block,
            received_ms: 0,
            origin: Arc::default(),
            seen: Vec::new(),
        });
    };
    let (stream, lines): (i64, Vec<u8>) = (row.get(0)?, row.get(2)?);
    let origin = Origin {
        service: row.get(3)?,
        version: row.get(4)?,
        instance: row.get(5)?,
        environment: row.get(6)?,
    };
    let mut counted: BTreeMap<i64, u64> = BTreeMap::new();
    for sighting in sightings(&lines) {
        let finding = match sighting {
            Sighting::Full { fingerprint, .. } => names.of_fingerprint(connection, fingerprint.as_str())?,
            Sighting::Repeat { race_id } => names.of_race(connection, stream, race_id)?,
        };
        if let Some(finding) = finding {
            *counted.entry(finding).or_default() += 1;
        }
    }
    let shown = |(finding, occurrences)| Shown { finding, is_new: new.contains(&finding), occurrences };
    let seen = counted.into_iter().map(shown).collect();
    Ok(Event { number, records, block, received_ms: row.get(1)?, origin: Arc::new(origin), seen })
}

/// What the lines of a block say of findings. One that can't be read says nothing: it was checked when it came.
fn sightings(lines: &[u8]) -> Vec<Sighting> {
    let Ok(body) = zstd::bulk::decompress(lines, BLOCK_BYTES) else { return Vec::new() };
    let Ok(stream) = StreamName::new("block") else { return Vec::new() };
    let batch = Batch::read(Origin::default(), stream, 0, body, usize::MAX);
    batch.map(|batch| batch.records.into_iter().filter_map(|it| it.sighting).collect()).unwrap_or_default()
}

impl Names {
    fn of_fingerprint(
        &mut self,
        connection: &mut (dyn Connection + 'static),
        fingerprint: &str,
    ) -> Result<Option<i64>, StoreError> {
        if let Some(known) = self.fingerprints.get(fingerprint) {
            return Ok(*known);
        }
        let row = connection.row("SELECT id FROM finding WHERE fingerprint = $1", values![fingerprint])?;
        let finding = row.map(|row| row.get(0)).transpose()?;
        self.fingerprints.insert(fingerprint.to_owned(), finding);
        Ok(finding)
    }

    fn of_race(
        &mut self,
        connection: &mut (dyn Connection + 'static),
        stream: i64,
        race: String,
    ) -> Result<Option<i64>, StoreError> {
        let key = (stream, race);
        if let Some(known) = self.races.get(&key) {
            return Ok(*known);
        }
        let row = connection
            .row("SELECT finding FROM race_name WHERE stream = $1 AND race = $2", values![stream, &key.1])?;
        let finding = row.map(|row| row.get(0)).transpose()?;
        self.races.insert(key, finding);
        Ok(finding)
    }
}

/// A finding as conditions see it, from its first record.
fn fact(fingerprint: String, kind: &str, title: String, exemplar: &str) -> SightingFact {
    let kind = if kind == "static_finding" { "static" } else { kind };
    let fact = SightingFact {
        fingerprint,
        kind: kind.to_owned(),
        severity: "error".to_owned(),
        message: title,
        ..SightingFact::default()
    };
    let Some(Ok(record)) = EvidenceReader::new(exemplar.as_bytes()).next() else { return fact };
    match record {
        Record::Race(race) => {
            let of = advise(&Facts { race: &race, lines: [None, None], subject: None }).0;
            let fact = under(fact, of.code, of.name);
            let stacks = race.accesses.iter().flat_map(|access| &access.stack);
            let created = race.goroutines.iter().flat_map(|it| &it.created_at);
            let subject = race.object.as_ref().and_then(|it| it.name.clone()).unwrap_or_default();
            let statement = race.accesses[0].statement();
            SightingFact {
                concurrency: true,
                tests: tests(stacks.chain(created)),
                subject,
                ..at(fact, statement)
            }
        }
        Record::Crash(crash) => {
            let cause = CrashCause::of_message(&crash.message);
            let (concurrency, of) = (cause.is_concurrency(), Rule::of_crash(cause));
            let fact = under(fact, of.code, of.name);
            let frames = crash.goroutines.iter().flat_map(|it| it.stack.iter().chain(&it.created_at));
            let statement = crash
                .goroutines
                .first()
                .and_then(|goroutine| goroutine.stack.iter().find(|frame| !frame.is_runtime_internal()));
            SightingFact { concurrency, tests: tests(frames), ..at(fact, statement) }
        }
        Record::StaticFinding(finding) => {
            let site = finding.sites.first();
            let function = site.map(|site| site.function.clone()).unwrap_or_default();
            let is_ours = finding.tool.as_deref().is_none_or(|tool| tool == "raceguard");
            let known = ALL.iter().find(|rule| is_ours && rule.code == finding.rule);
            SightingFact {
                rule: finding.rule.clone(),
                class: known.map(|rule| rule.name.to_owned()).unwrap_or_default(),
                map_trap: is_ours && finding.rule.starts_with("RG1"),
                severity: finding.severity.as_str().to_owned(),
                message: finding.message.clone(),
                subject: finding.subject.clone(),
                file: site.map(|site| site.place.file.clone()).unwrap_or_default(),
                line: site.map_or(0, |site| site.place.line.into()),
                package: FunctionName::parse(&function).package().into_owned(),
                function,
                ..fact
            }
        }
        _ => fact,
    }
}

fn under(fact: SightingFact, code: &str, name: &str) -> SightingFact {
    let map_trap = code.starts_with("RG1");
    SightingFact { rule: code.to_owned(), class: name.to_owned(), map_trap, ..fact }
}

fn at(fact: SightingFact, statement: Option<&Frame>) -> SightingFact {
    let Some(frame) = statement else { return fact };
    SightingFact {
        file: frame.file.clone(),
        line: frame.line.into(),
        package: FunctionName::parse(&frame.function).package().into_owned(),
        function: frame.function.clone(),
        ..fact
    }
}

/// The tests whose functions are among the frames.
fn tests<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<String> {
    let mut tests: Vec<String> = Vec::new();
    for frame in frames.filter(|frame| frame.is_test_entry()) {
        if tests.len() < MAX_TESTS && !tests.contains(&frame.function) {
            tests.push(frame.function.clone());
        }
    }
    tests
}
