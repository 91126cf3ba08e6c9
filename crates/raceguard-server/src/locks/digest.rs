//! The waits that a profile saw.

use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence, EvidenceRun};
use raceguard_evidence::{EvidenceReader, Record, RunEvidence};

/// Calls of one profile that are counted, those with most waiting.
const CALLS: usize = 200;

/// Waiting for locks, as one profile has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWaits {
    /// When the profile was taken, in milliseconds since the Unix epoch; 0 when unknown.
    pub taken_ms: i64,
    /// Whether it counts since the start of the process, rather than over a span of time.
    pub since_start: bool,
    /// The calls.
    pub waits: Vec<LockWait>,
}

/// Waiting at one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWait {
    /// The lock, or `a lock of FUNCTION` when the call does not tell.
    pub lock: String,
    /// `Mutex` or `RWMutex`.
    pub kind: String,
    /// The function that calls.
    pub function: String,
    /// Its file.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// `Lock`, `RLock`, `Unlock`, `RUnlock`.
    pub call: &'static str,
    /// `mutex profile`, `block profile`, `execution trace`.
    pub source: String,
    /// How often a goroutine waited.
    pub contentions: u64,
    /// All those waits together, in nanoseconds.
    pub total_ns: u64,
    /// The longest one, when known.
    pub max_ns: Option<u64>,
}

impl LockWaits {
    /// Reads them off a record's line; nothing when it saw no wait.
    pub fn read(line: &[u8]) -> Option<Self> {
        let record = EvidenceReader::new(line).next()?.ok()?;
        let (time_unix_ns, since_start) = match &record {
            Record::Profile(profile) => (profile.time_unix_ns, profile.duration_ns == 0),
            Record::ExecutionTrace(trace) => (trace.started_unix_ns, false),
            _ => return None,
        };
        let run = EvidenceRun { name: String::new(), evidence: RunEvidence::from_records([record]) };
        let evidence = Evidence { runs: vec![run] };
        // No source is read: the paths are a stranger's.
        let diagnosis = Diagnosis::of(&evidence, &TopOptions { count: 0, attributes: Vec::new() }, &|_| None);
        let mut waits: Vec<LockWait> = diagnosis
            .locks
            .iter()
            .flat_map(|lock| {
                lock.sites.iter().map(|site| LockWait {
                    lock: lock.lock.clone(),
                    kind: lock.kind.clone(),
                    function: site.function.clone(),
                    file: site.file.clone(),
                    line: site.line,
                    call: site.call.name(),
                    source: lock.sources.first().cloned().unwrap_or_default(),
                    contentions: site.contentions,
                    total_ns: site.total_wait_ns,
                    max_ns: site.max_wait_ns,
                })
            })
            .filter(|wait| wait.contentions > 0)
            .collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.total_ns));
        waits.truncate(CALLS);
        let taken_ms = i64::try_from(time_unix_ns / 1_000_000).unwrap_or(0);
        (!waits.is_empty()).then_some(Self { taken_ms, since_start, waits })
    }
}
