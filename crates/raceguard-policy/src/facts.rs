//! What policies look at: a plain model of what evidence says, free of formats and of opinions on a verdict.
//!
//! Whoever evaluates policies fills [`Facts`] from evidence; conditions see the same fields by the same names. A field
//! that is not known is `null`, and a condition has to say what it makes of that: the checker demands it.
//!
//! Start reading at [`Facts`]. The fields of each kind are declared once, see [`typed`].

pub mod typed;

use serde::{Deserialize, Serialize};

use typed::{Fact, Record, Type, facts};

facts! {
    /// A race, a crash, or what static analysis found. The same one seen several times is one finding.
    pub struct FindingFact as "finding" {
        /// What makes findings the same one, `RG1-b505774bd6c6f426`.
        pub fingerprint: String,
        /// `race`, `crash`, `static`, or `foreign` for what another tool found.
        pub kind: String,
        /// Code of the rule, `RG102`; of another tool its own.
        pub rule: String,
        /// Class of the cause, the name of the rule: `map-read-during-write`.
        pub class: String,
        /// `error`, `warning` or `advice`; races and crashes are errors.
        pub severity: String,
        /// How sure the finding is, 0 to 1; null when its producer does not say.
        pub confidence: Option<f64>,
        /// What is wrong, one sentence.
        pub message: String,
        /// What it is about: `map field gateway.Router.routes`.
        pub subject: String,
        /// File of the statement to blame, relative to the module.
        pub file: String,
        /// Its line; 0 when unknown.
        pub line: u64,
        /// The function around it.
        pub function: String,
        /// Import path of its package.
        pub package: String,
        /// Tests that show it, `example.com/m/pkg.TestX`; empty for static findings.
        pub tests: Vec<String>,
        /// How often it was seen.
        pub occurrences: u64,
        /// Whether it is not in the baseline.
        pub is_new: bool,
        /// Tool that found it: `raceguard`, `staticcheck`.
        pub tool: String,
        /// Whether it is one of the map traps, RG1xx.
        pub map_trap: bool,
        /// Whether a test executes the statement; null when no coverage was measured there.
        pub covered: Option<bool>,
        /// Whether a statement of it lies on a changed line; null when there is no change to compare with.
        pub changed: Option<bool>,
        /// Whether a change that mends it is known.
        pub fix: bool,
        /// The run that showed it.
        pub run: String,
    }

    /// Findings with one root cause, as `raceguard explain` groups them.
    pub struct ClusterFact as "cluster" {
        /// What makes clusters the same one.
        pub id: String,
        /// What it is, one line.
        pub title: String,
        /// Class of the cause; `unknown` is one.
        pub class: String,
        /// The worst severity in it.
        pub severity: String,
        /// How sure the class is, 0 to 1; null when unknown.
        pub confidence: Option<f64>,
        /// How often its findings were seen.
        pub occurrences: u64,
        /// On how many machines or processes.
        pub instances: u64,
        /// In how many versions of the program.
        pub versions: u64,
        /// Fingerprints of its findings.
        pub findings: Vec<String>,
        /// Its rank: the greater, the sooner to be mended.
        pub score: f64,
        /// Whether none of its findings is in the baseline.
        pub is_new: bool,
        /// File of the statement to blame, relative to the module; empty when unknown.
        pub file: String,
        /// Its line; 0 when unknown.
        pub line: u64,
        /// Tests that show one of its findings.
        pub tests: Vec<String>,
    }

    /// A lock that goroutines waited for. From profiles of mutexes and of blocking, and from execution traces.
    pub struct LockFact as "lock" {
        /// Name of the field or variable, `example.com/m.Router.mu`; without sources, the function that uses it.
        pub name: String,
        /// The call with most waiting, `router.go:88`.
        pub site: String,
        /// File of that place, relative to the module.
        pub file: String,
        /// Its line; 0 when unknown.
        pub line: u64,
        /// `Mutex` or `RWMutex`; empty when unknown.
        pub kind: String,
        /// How often somebody waited.
        pub contentions: u64,
        /// All waits together, in nanoseconds.
        pub total_wait_ns: u64,
        /// Mean wait, in nanoseconds.
        pub mean_wait_ns: u64,
        /// Mean wait, in milliseconds.
        pub mean_wait_ms: f64,
        /// The wait that 99 of 100 stay below, in nanoseconds; null when only sums are known.
        pub p99_wait_ns: Option<u64>,
        /// The runs that have such profiles.
        pub run: String,
    }

    /// What tests executed of one changed file.
    pub struct ChangedFileFact as "changed file" {
        /// The file, relative to the module.
        pub file: String,
        /// Executed lines in percent of the changed lines with a statement.
        pub percent: f64,
        /// Changed lines with a statement that no test executes.
        pub missing: Vec<u64>,
    }

    /// What tests executed.
    pub struct CoverageFact as "coverage" {
        /// Executed statements in percent of all.
        pub percent: f64,
        /// The same of changed lines; null when there is no change to compare with, or it has no statement.
        pub changed_percent: Option<f64>,
        /// Changed lines with a statement.
        pub changed_lines: u64,
        /// Whether there was a change to compare with.
        pub compared: bool,
        /// The changed files that have statements.
        pub changed: Vec<ChangedFileFact>,
    }

    /// A run whose evidence is looked at.
    pub struct RunFact as "run" {
        /// Name of its folder.
        pub id: String,
        /// `test`, `run`, `build`, `check` or `ingest`.
        pub mode: String,
        /// Whether the race detector ran in every process that tested something.
        pub instrumented: bool,
        /// Packages tested or analysed.
        pub packages: u64,
        /// Packages whose tests failed.
        pub packages_failed: u64,
        /// Packages that did not run: they did not compile, or ran without the detector.
        pub packages_not_run: u64,
        /// Names of those.
        pub not_run: Vec<String>,
        /// Files that could not be read or parsed, or were cut off.
        pub files_unparsed: u64,
        /// Names of those.
        pub unparsed: Vec<String>,
        /// Lines of the evidence that are damaged.
        pub lines_damaged: u64,
        /// Whether the user interrupted it.
        pub interrupted: bool,
        /// Whether it came to its end.
        pub complete: bool,
        /// Exit code of the command; null when it did not end.
        pub exit_code: Option<u64>,
        /// Go's version, `go1.26.8`; empty for runs without Go.
        pub go_version: String,
        /// Commit that was looked at; empty when unknown.
        pub commit: String,
        /// Whether there were changes on top of the commit; null when unknown.
        pub dirty: Option<bool>,
        /// Whether another commit is checked out by now; null when unknown.
        pub stale: Option<bool>,
        /// Seconds since it began.
        pub age_s: u64,
    }

    /// The change that is judged.
    pub struct DiffFact as "diff" {
        /// What it is compared with.
        pub base: String,
        /// Changed files, relative to the module.
        pub files: Vec<String>,
        /// Changed lines.
        pub lines: u64,
    }

    /// A finding that a service's evidence shows, as triggers of a server meet it: once for each batch of evidence.
    pub struct SightingFact as "sighting" {
        /// What makes findings the same one, `RG1-b505774bd6c6f426`.
        pub fingerprint: String,
        /// `race`, `crash` or `static`.
        pub kind: String,
        /// Code of the rule, `RG102`; of another tool its own. Races of which only sources tell more are `RG213`.
        pub rule: String,
        /// Class of the cause, the name of the rule: `map-read-during-write`; empty for a rule of another tool.
        pub class: String,
        /// Whether it is one of the map traps, RG1xx.
        pub map_trap: bool,
        /// Whether it is a mistake of concurrency for sure: a race, or a crash whose message names one.
        pub concurrency: bool,
        /// `error`, `warning` or `advice`; races and crashes are errors.
        pub severity: String,
        /// What is wrong, one line.
        pub message: String,
        /// What it is about; empty when unknown.
        pub subject: String,
        /// File of the statement to blame, as the evidence has it.
        pub file: String,
        /// Its line; 0 when unknown.
        pub line: u64,
        /// The function around it.
        pub function: String,
        /// Import path of its package.
        pub package: String,
        /// Tests whose functions are in its stacks, `example.com/m/pkg.TestX`; at most 32.
        pub tests: Vec<String>,
        /// Name of the service; empty when unknown, as the next three.
        pub service: String,
        /// Its version.
        pub version: String,
        /// Its instance.
        pub instance: String,
        /// Where it runs: `ci`, `canary`, `production`.
        pub environment: String,
        /// How often the batch shows it.
        pub occurrences: u64,
        /// Whether the server had never seen it before.
        pub is_new: bool,
    }

    /// All evidence together.
    pub struct EvidenceFact as "evidence" {
        /// How many runs are looked at.
        pub runs: u64,
        /// Whether tests or the program ran with the race detector on, in at least one run.
        pub detector_ran: bool,
        /// Whether static analysis ran.
        pub checked: bool,
        /// Whether coverage was measured.
        pub has_coverage: bool,
        /// Whether there is a profile of locks.
        pub has_lock_profile: bool,
        /// Entries of the baseline that nothing matches any more.
        pub baseline_gone: u64,
    }
}

/// Everything that policies look at, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Findings. Static ones of one fingerprint stand as often as they occur.
    pub findings: Vec<FindingFact>,
    /// Clusters of them.
    pub clusters: Vec<ClusterFact>,
    /// Contended locks.
    pub locks: Vec<LockFact>,
    /// Coverage; `None` when none was measured.
    pub coverage: Option<CoverageFact>,
    /// The runs.
    pub runs: Vec<RunFact>,
    /// The change; `None` when there is nothing to compare with.
    pub diff: Option<DiffFact>,
    /// All evidence together.
    pub evidence: EvidenceFact,
}

/// What a policy goes over, item by item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Findings.
    Findings,
    /// Clusters.
    Clusters,
    /// Contended locks.
    Locks,
    /// Coverage: one item, or none.
    Coverage,
    /// Runs.
    Runs,
    /// All evidence together: one item.
    Evidence,
}

impl Over {
    /// All, in the order of the docs.
    pub const ALL: [Self; 6] =
        [Self::Findings, Self::Clusters, Self::Locks, Self::Coverage, Self::Runs, Self::Evidence];

    /// The word in a policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Clusters => "clusters",
            Self::Locks => "locks",
            Self::Coverage => "coverage",
            Self::Runs => "runs",
            Self::Evidence => "evidence",
        }
    }

    /// The fields of an item. A condition knows the item by the record's name.
    pub fn record(self) -> &'static Record {
        match self {
            Self::Findings => FindingFact::RECORD,
            Self::Clusters => ClusterFact::RECORD,
            Self::Locks => LockFact::RECORD,
            Self::Coverage => CoverageFact::RECORD,
            Self::Runs => RunFact::RECORD,
            Self::Evidence => EvidenceFact::RECORD,
        }
    }

    /// The word of a policy, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|over| over.word() == word)
    }
}

/// The words that a field of text may hold, where they are few: a comparison with another word would never hold.
pub fn words(record: &str, field: &str) -> Option<&'static [&'static str]> {
    Some(match (record, field) {
        ("finding", "kind") => &["race", "crash", "static", "foreign"],
        ("sighting", "kind") => &["race", "crash", "static"],
        ("finding" | "cluster" | "sighting", "severity") => &["error", "warning", "advice"],
        ("run", "mode") => &["test", "run", "build", "check", "ingest"],
        ("lock", "kind") => &["Mutex", "RWMutex", ""],
        _ => return None,
    })
}

/// What every condition knows beside its item.
pub fn globals() -> Vec<(&'static str, Type)> {
    vec![
        ("findings", Vec::<FindingFact>::ty()),
        ("clusters", Vec::<ClusterFact>::ty()),
        ("locks", Vec::<LockFact>::ty()),
        ("coverage", Option::<CoverageFact>::ty()),
        ("runs", Vec::<RunFact>::ty()),
        ("diff", Option::<DiffFact>::ty()),
        ("evidence", EvidenceFact::ty()),
    ]
}

impl Facts {
    /// The values of [`globals`].
    pub fn values(&self) -> Vec<(&'static str, cel::Value)> {
        vec![
            ("findings", self.findings.value()),
            ("clusters", self.clusters.value()),
            ("locks", self.locks.value()),
            ("coverage", self.coverage.value()),
            ("runs", self.runs.value()),
            ("diff", self.diff.value()),
            ("evidence", self.evidence.value()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_global_has_a_value() {
        let types: Vec<_> = globals().into_iter().map(|(name, _)| name).collect();
        let values: Vec<_> = Facts::default().values().into_iter().map(|(name, _)| name).collect();
        assert_eq!(types, values);
    }

    #[test]
    fn an_item_is_known_by_the_singular_of_its_word() {
        for over in Over::ALL {
            assert_eq!(Over::from_word(over.word()), Some(over));
            let word = over.word().trim_end_matches('s');
            assert_eq!(over.record().name, word);
        }
    }

    #[test]
    fn every_field_is_documented_and_serialised_by_its_name() {
        for over in Over::ALL {
            for field in over.record().fields {
                assert!(field.doc.trim().ends_with('.'), "{}", field.name);
            }
        }
        let json = serde_json::to_value(FindingFact::default()).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, FindingFact::RECORD.names().collect::<Vec<_>>());
    }
}
