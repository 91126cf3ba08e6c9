//! Which findings could share a cause with new ones, and the evidence that tells.
//!
//! The diagnosis joins findings by a variable, a statement, or a lock that a function lacks: all of them lie in a package.
//! So the neighbours of a finding are those with a statement in a function of its own, and then in a package of its own.
//! `main` is another package in each service. At most [`FINDINGS`] of at most [`BYTES`] are looked at, the newest first.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use raceguard_diagnosis::statement::declared_function;
use raceguard_diagnosis::{Evidence, EvidenceRun};
use raceguard_evidence::{Frame, ModulePaths, Origin, Record, RunEvidence, normalised_function};

use super::questions::record;
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

/// Findings that are diagnosed together at most, new ones included.
pub const FINDINGS: usize = 256;

/// Bytes of records that are diagnosed together at most, but for the first one.
pub const BYTES: usize = 16 << 20;

/// New findings that are diagnosed together.
const NEW: u64 = 64;

/// Neighbours that are taken for one key.
const OF_A_KEY: u64 = 64;

/// Places in the code that are kept of one finding.
const CODE: usize = 200;

/// New findings and their neighbours.
#[derive(Debug)]
pub struct Neighbourhood {
    /// How often causes had been assigned when this was read.
    pub assigned: u64,
    /// The new findings.
    pub new: Vec<NewFinding>,
    /// All findings by fingerprint.
    pub by_fingerprint: HashMap<String, i64>,
    /// What their records say.
    pub evidence: Evidence,
}

/// A finding without a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFinding {
    /// Its row.
    pub id: i64,
    /// What it can share with others.
    pub keys: BTreeSet<String>,
    /// Functions (with line 0) and lines that it ran through, when it happened.
    pub code: BTreeSet<(String, u32)>,
}

/// A finding as the tables have it.
struct Known {
    id: i64,
    fingerprint: String,
    occurrences: u64,
    record: Record,
    stream: i64,
}

/// The findings that wait for a cause, as many as are diagnosed together, and their neighbours.
pub fn gather(connection: &mut (dyn Connection + 'static)) -> Result<Neighbourhood, StoreError> {
    let row = connection.row("SELECT number FROM assignment", &[])?;
    let assigned = row.ok_or(StoreError::Incomplete("assignment"))?.get(0)?;
    let rows = connection.query("SELECT finding FROM undiagnosed ORDER BY finding LIMIT $1", values![NEW])?;
    let mut gathering = Gathering::default();
    let mut new = Vec::new();
    for row in &rows {
        let id: i64 = row.get(0)?;
        // What is left waits for the next time.
        if !new.is_empty() && gathering.bytes >= BYTES {
            break;
        }
        let Some(index) = gathering.add(connection, id)? else {
            // A record that can't be read again can't be diagnosed; it is its own cause by its title alone.
            new.push(NewFinding { id, keys: BTreeSet::new(), code: BTreeSet::new() });
            continue;
        };
        let service = service(connection, id)?;
        let known = &gathering.known[index];
        let paths = gathering.paths(known.stream);
        let keys = keys(&known.record, &paths, &service);
        new.push(NewFinding { id, keys, code: code(&known.record, &paths) });
    }
    for prefix in ["function ", "package "] {
        let keys: BTreeSet<&String> =
            new.iter().flat_map(|finding| &finding.keys).filter(|key| key.starts_with(prefix)).collect();
        for key in keys {
            gathering.add_neighbours(connection, key)?;
        }
    }
    let by_fingerprint =
        gathering.known.iter().map(|finding| (finding.fingerprint.clone(), finding.id)).collect();
    Ok(Neighbourhood { assigned, new, by_fingerprint, evidence: gathering.evidence() })
}

#[derive(Default)]
struct Gathering {
    ids: BTreeSet<i64>,
    known: Vec<Known>,
    runs: BTreeMap<i64, Option<Record>>,
    bytes: usize,
}

impl Gathering {
    /// Takes a finding; gives its place, or nothing when its record can't be read.
    fn add(&mut self, connection: &mut dyn Connection, id: i64) -> Result<Option<usize>, StoreError> {
        let row = connection.row(
            "SELECT f.fingerprint, f.occurrences, f.exemplar, s.stream FROM finding f
             LEFT JOIN finding_stream s ON s.finding = f.id WHERE f.id = $1",
            values![id],
        )?;
        let Some(row) = row else { return Ok(None) };
        let (fingerprint, exemplar): (String, String) = (row.get(0)?, row.get(2)?);
        self.ids.insert(id);
        let Some(record) = record(&exemplar) else { return Ok(None) };
        self.bytes += exemplar.len();
        let stream = row.get::<Option<i64>>(3)?.unwrap_or(0);
        if let Entry::Vacant(unknown) = self.runs.entry(stream) {
            unknown.insert(run(connection, stream)?);
        }
        self.known.push(Known { id, fingerprint, occurrences: row.get(1)?, record, stream });
        Ok(Some(self.known.len() - 1))
    }

    fn add_neighbours(&mut self, connection: &mut dyn Connection, key: &str) -> Result<(), StoreError> {
        let rows = connection.query(
            "SELECT finding FROM finding_key WHERE key = $1 ORDER BY finding DESC LIMIT $2",
            values![key, OF_A_KEY],
        )?;
        for row in &rows {
            let id = row.get(0)?;
            if self.known.len() >= FINDINGS || self.bytes >= BYTES {
                break;
            }
            if !self.ids.contains(&id) {
                self.add(connection, id)?;
            }
        }
        Ok(())
    }

    fn paths(&self, stream: i64) -> ModulePaths {
        match self.runs.get(&stream) {
            Some(Some(Record::Run(run))) => ModulePaths::new(&run.module, &run.module_dir),
            _ => ModulePaths::default(),
        }
    }

    /// A run for each stream, the oldest first.
    fn evidence(self) -> Evidence {
        let mut streams: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
        for known in self.known {
            streams.entry(known.stream).or_default().push(known);
        }
        let mut runs = self.runs;
        let run = |(stream, known): (i64, Vec<Known>)| {
            let run = runs.remove(&stream).flatten();
            let name = match &run {
                Some(Record::Run(run)) => run.id.clone(),
                _ => format!("stream {stream}"),
            };
            let counts: HashMap<String, u64> =
                known.iter().map(|finding| (finding.fingerprint.clone(), finding.occurrences)).collect();
            let records = run.into_iter().chain(known.into_iter().map(|finding| finding.record));
            let mut evidence = RunEvidence::from_records(records);
            for finding in &mut evidence.findings {
                let count = counts.get(finding.fingerprint.as_str());
                finding.occurrences = count.copied().unwrap_or(finding.occurrences);
            }
            for crash in &mut evidence.crashes {
                let count = counts.get(crash.fingerprint.as_str());
                crash.occurrences = count.copied().unwrap_or(crash.occurrences);
            }
            EvidenceRun { name, evidence }
        };
        Evidence { runs: streams.into_iter().map(run).collect() }
    }
}

fn run(connection: &mut dyn Connection, stream: i64) -> Result<Option<Record>, StoreError> {
    let row = connection.row("SELECT record FROM run_fact WHERE stream = $1", values![stream])?;
    let line: Option<String> = row.map(|row| row.get(0)).transpose()?;
    Ok(line.as_deref().and_then(record))
}

/// The service that showed the finding first.
fn service(connection: &mut dyn Connection, finding: i64) -> Result<String, StoreError> {
    let row = connection.row(
        "SELECT o.service FROM appearance a JOIN origin o ON o.id = a.origin WHERE a.finding = $1
         ORDER BY a.first_ms, a.origin LIMIT 1",
        values![finding],
    )?;
    row.map_or(Ok(String::new()), |row| row.get(0))
}

/// The stacks of a record, innermost frame first.
fn stacks(record: &Record) -> Vec<Vec<Frame>> {
    match record {
        Record::Race(race) => race.accesses.iter().map(|access| access.stack.clone()).collect(),
        Record::Crash(crash) => {
            crash.goroutines.first().map(|goroutine| goroutine.stack.clone()).into_iter().collect()
        }
        Record::StaticFinding(finding) => {
            let site = |site: &raceguard_evidence::Site| {
                vec![Frame::new(site.function.clone(), site.place.file.clone(), site.place.line)]
            };
            finding.sites.iter().map(site).collect()
        }
        _ => Vec::new(),
    }
}

fn keys(record: &Record, paths: &ModulePaths, service: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for stack in stacks(record) {
        // The statement, and the program's own frame nearest to it, which is the same unless a library made the access.
        let statement = stack.iter().find(|frame| !frame.is_runtime_internal());
        let own = stack.iter().find(|frame| paths.origin(frame) == Origin::User);
        for frame in statement.into_iter().chain(own) {
            let package = frame.name().package().into_owned();
            let package = package.strip_suffix("_test").unwrap_or(&package);
            let of = if package == "main" { format!("@{service}") } else { String::new() };
            let function = declared_function(&normalised_function(&frame.function));
            keys.insert(format!("function {function}{of}"));
            keys.insert(format!("package {package}{of}"));
        }
    }
    keys
}

/// What a race or a crash of concurrency ran through: functions and lines of the program, not of Go's library or of tests.
fn code(record: &Record, paths: &ModulePaths) -> BTreeSet<(String, u32)> {
    let happened = match record {
        Record::Race(_) => true,
        Record::Crash(crash) => crash.cause().is_concurrency(),
        _ => false,
    };
    let mut code = BTreeSet::new();
    for stack in stacks(record).iter().filter(|_| happened) {
        let frames = stack.iter().filter(|frame| {
            paths.origin(frame) != Origin::Standard && !frame.is_in_test_file() && !frame.is_harness()
        });
        for frame in frames {
            if code.len() >= CODE {
                break;
            }
            code.insert((declared_function(&frame.function), 0));
            if frame.line > 0 && !frame.file.is_empty() {
                code.insert((frame.file.clone(), frame.line));
            }
        }
    }
    code
}
