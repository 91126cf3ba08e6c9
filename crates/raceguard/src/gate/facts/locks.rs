//! Contended locks, as policies see them.

use raceguard_diagnosis::locks::LockUse;
use raceguard_evidence::{ProfileKind, Record};
use raceguard_policy::facts::LockFact;

use crate::gate::runs::LoadedRun;

/// Whether a record tells of waits for locks.
pub(super) fn is_of_locks(record: &Record) -> bool {
    match record {
        Record::Profile(profile) => matches!(profile.profile, ProfileKind::Mutex | ProfileKind::Block),
        Record::ExecutionTrace(_) => true,
        _ => false,
    }
}

/// All contended locks, the longest waits first, out of the profiles of `runs`.
pub(super) fn locks(locks: &[LockUse], runs: &[LoadedRun]) -> Vec<LockFact> {
    let profiled = runs.iter().filter(|run| run.evidence.foreign.iter().any(is_of_locks));
    let profiled: Vec<&str> = profiled.map(|run| run.name.as_str()).collect();
    locks.iter().map(|lock| fact(lock, profiled.join(", "))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a wait of 100 days is exact to the nanosecond")]
fn fact(lock: &LockUse, run: String) -> LockFact {
    let (file, line) = lock.sites.first().map_or((String::new(), 0), |site| (site.file.clone(), site.line));
    LockFact {
        name: lock.lock.clone(),
        site: format!("{file}:{line}"),
        file,
        line: line.into(),
        kind: lock.kind.clone(),
        contentions: lock.contentions,
        total_wait_ns: lock.total_wait_ns,
        mean_wait_ns: lock.mean_wait_ns,
        mean_wait_ms: lock.total_wait_ns as f64 / lock.contentions.max(1) as f64 / 1e6,
        p99_wait_ns: lock.p99_wait_ns,
        run,
    }
}
