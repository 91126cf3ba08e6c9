//! The evidence of one run as a whole: records that belong together are joined, and identical races of several
//! tests, packages or processes become one finding.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::Serialize;

use crate::crash::Crash;
use crate::error::EvidenceError;
use crate::fingerprint::Fingerprint;
use crate::frame::Frame;
use crate::paths::ModulePaths;
use crate::race::{Access, Race, Repeat};
use crate::reader::{EvidenceReader, ReadWarning};
use crate::record::Record;
use crate::run::{Attribution, Process, Run, RunEnd, Test};
use crate::run_folder::RunFolder;
use crate::static_finding::{SourceProblem, StaticFinding};

/// Everything the evidence of one run says.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RunEvidence {
    /// The run, unless its record was lost.
    pub run: Option<Run>,
    /// Processes, in the order in which they started.
    pub processes: Vec<Process>,
    /// Races, one per fingerprint, in the order in which they were first recorded.
    pub findings: Vec<Finding>,
    /// Crashes, one per fingerprint, in the order in which they were first recorded.
    pub crashes: Vec<CrashFinding>,
    /// What static analysis found.
    pub static_findings: Vec<StaticFinding>,
    /// Source that static analysis could not read or understand.
    pub source_problems: Vec<SourceProblem>,
    /// Tests that failed or raced, and packages.
    pub tests: Vec<Test>,
    /// Foreign evidence and everything that was made from it alone, in its order: sources, goroutine dumps,
    /// profiles, coverage, execution traces, spans.
    pub foreign: Vec<Record>,
    /// The end of the run; `None` when it was killed or goes on.
    pub end: Option<RunEnd>,
    /// What was skipped in reading: the first hundred.
    pub warnings: Vec<ReadWarning>,
    /// How many lines were skipped in reading.
    pub skipped_lines: u64,
}

/// A race, with every time it was seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// What makes races this one.
    pub fingerprint: Fingerprint,
    /// The first record of it.
    pub race: Race,
    /// How often it was seen: records of it, and repeats of them.
    pub occurrences: u64,
    /// Tests that show it, sorted; empty for a program that is no test.
    pub tests: Vec<TestName>,
    /// Processes that show it, in the order in which they first did.
    pub processes: Vec<ProcessSighting>,
    /// Pairs of lines it was seen at; more than one when the same functions race on several lines.
    pub places: Vec<Place>,
}

/// A crash, with every time it was seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CrashFinding {
    /// What makes crashes this one.
    pub fingerprint: Fingerprint,
    /// The first record of it.
    pub crash: Crash,
    /// How often it was seen.
    pub occurrences: u64,
    /// Tests that show it, sorted.
    pub tests: Vec<TestName>,
}

/// A test, or a package as a whole when `test` is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TestName {
    /// Import path of the package.
    pub package: String,
    /// Name with subtests.
    pub test: Option<String>,
}

/// How often one process showed a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessSighting {
    /// Number of the process.
    pub pid: u64,
    /// Its executable, when its record is there.
    pub executable: Option<String>,
    /// How often the race was seen in it.
    pub occurrences: u64,
}

/// The statements of a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Of the later access.
    pub later: Position,
    /// Of the earlier access.
    pub earlier: Position,
    /// How often the race was seen there.
    pub occurrences: u64,
}

/// A line of a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Position {
    /// As in [`Frame::file`](crate::Frame::file).
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
}

impl RunEvidence {
    /// Loads the run in `folder`.
    pub fn load(folder: &RunFolder) -> Result<Self, EvidenceError> {
        let path = folder.evidence_path();
        let file = File::open(&path).map_err(|source| EvidenceError::Open { path, source })?;
        Self::read(BufReader::new(file))
    }

    /// Reads the run from a stream of evidence.
    pub fn read(input: impl BufRead) -> Result<Self, EvidenceError> {
        let mut reader = EvidenceReader::new(input);
        let mut joiner = Joiner::default();
        for record in reader.by_ref() {
            joiner.add(record?);
        }
        let mut evidence = joiner.finish();
        evidence.warnings = reader.warnings().to_vec();
        evidence.skipped_lines = reader.skipped();
        Ok(evidence)
    }

    /// Joins records that are in memory.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let mut joiner = Joiner::default();
        for record in records {
            joiner.add(record);
        }
        joiner.finish()
    }

    /// The module of the run, for showing and finding source files.
    pub fn module_paths(&self) -> ModulePaths {
        self.run.as_ref().map(|run| ModulePaths::new(&run.module, &run.module_dir)).unwrap_or_default()
    }
}

/// Takes records one by one. Attributions and repeats name races by their id, and may come at any later time.
#[derive(Debug, Default)]
struct Joiner {
    evidence: RunEvidence,
    by_fingerprint: HashMap<Fingerprint, usize>,
    crash_by_fingerprint: HashMap<Fingerprint, usize>,
    /// Where the race of an id went: its finding and its place in it.
    by_race: HashMap<String, (usize, usize)>,
    executables: BTreeMap<u64, String>,
}

impl Joiner {
    fn add(&mut self, record: Record) {
        match record {
            Record::Run(run) => {
                self.evidence.run.get_or_insert(run);
            }
            Record::Process(process) => {
                self.executables.insert(process.pid, process.executable.clone());
                self.evidence.processes.push(process);
            }
            Record::Race(race) => self.add_race(*race),
            Record::Repeat(repeat) => self.add_repeat(&repeat),
            Record::Crash(crash) => self.add_crash(*crash),
            Record::Test(test) => self.evidence.tests.push(test),
            Record::Attribution(attribution) => self.add_attribution(&attribution),
            Record::StaticFinding(finding) => self.evidence.static_findings.push(*finding),
            Record::SourceProblem(problem) => self.evidence.source_problems.push(problem),
            Record::RunEnd(end) => self.evidence.end = Some(end),
            Record::Exit(_) | Record::Unknown(_) => {}
            foreign => self.evidence.foreign.push(foreign),
        }
    }

    fn add_race(&mut self, race: Race) {
        let fingerprint = Fingerprint::of_race(&race);
        let index = *self.by_fingerprint.entry(fingerprint.clone()).or_insert(self.evidence.findings.len());
        let (id, pid, place) = (race.id.clone(), race.pid, Place::of(&race));
        if index == self.evidence.findings.len() {
            self.evidence.findings.push(Finding {
                fingerprint,
                race,
                occurrences: 0,
                tests: Vec::new(),
                processes: Vec::new(),
                places: Vec::new(),
            });
        }
        let finding = &mut self.evidence.findings[index];
        let known = finding.places.iter().position(|known| known.is_same_pair(&place));
        let place_index = known.unwrap_or_else(|| {
            finding.places.push(place);
            finding.places.len() - 1
        });
        self.by_race.insert(id, (index, place_index));
        self.count(index, place_index, pid);
    }

    fn add_repeat(&mut self, repeat: &Repeat) {
        if let Some(&(finding, place)) = self.by_race.get(&repeat.race) {
            self.count(finding, place, repeat.pid);
        }
    }

    fn count(&mut self, finding: usize, place: usize, pid: u64) {
        let finding = &mut self.evidence.findings[finding];
        finding.occurrences += 1;
        finding.places[place].occurrences += 1;
        // Sightings of a process stand close together in evidence, and there may be thousands of processes.
        match finding.processes.iter_mut().rfind(|process| process.pid == pid) {
            Some(process) => process.occurrences += 1,
            None => finding.processes.push(ProcessSighting { pid, executable: None, occurrences: 1 }),
        }
    }

    fn add_crash(&mut self, crash: Crash) {
        let fingerprint = Fingerprint::of_crash(&crash);
        let crashes = &mut self.evidence.crashes;
        let index = *self.crash_by_fingerprint.entry(fingerprint.clone()).or_insert(crashes.len());
        let test = crash.package.clone().map(|package| TestName { package, test: crash.test.clone() });
        if index == crashes.len() {
            crashes.push(CrashFinding { fingerprint, crash, occurrences: 0, tests: Vec::new() });
        }
        crashes[index].occurrences += 1;
        crashes[index].tests.extend(test);
    }

    fn add_attribution(&mut self, attribution: &Attribution) {
        let Some(&(finding, _)) = self.by_race.get(&attribution.race) else { return };
        let name =
            |test: Option<&String>| TestName { package: attribution.package.clone(), test: test.cloned() };
        let tests = &mut self.evidence.findings[finding].tests;
        if attribution.tests.is_empty() {
            tests.push(name(None));
        }
        tests.extend(attribution.tests.iter().map(|test| name(Some(test))));
    }

    fn finish(mut self) -> RunEvidence {
        for finding in &mut self.evidence.findings {
            sort_tests(&mut finding.tests);
            for process in &mut finding.processes {
                process.executable = self.executables.get(&process.pid).cloned();
            }
        }
        for crash in &mut self.evidence.crashes {
            sort_tests(&mut crash.tests);
        }
        self.evidence
    }
}

fn sort_tests(tests: &mut Vec<TestName>) {
    tests.sort();
    tests.dedup();
}

impl Place {
    fn of(race: &Race) -> Self {
        let statement = |access: &Access| {
            let position = |frame: &Frame| Position { file: frame.file.clone(), line: frame.line };
            access.statement().map(position).unwrap_or_default()
        };
        Self { later: statement(race.later()), earlier: statement(race.earlier()), occurrences: 0 }
    }

    fn is_same_pair(&self, other: &Self) -> bool {
        (self.later == other.later && self.earlier == other.earlier)
            || (self.later == other.earlier && self.earlier == other.later)
    }
}
