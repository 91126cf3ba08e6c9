//! What comes, as it comes: spans are compared with the code of open findings before they are written, and what was
//! written is counted.

use raceguard_maps::{Change, ConcurrentMap as _};

use super::{Live, LiveService};
use crate::batch::Batch;
use crate::causes::state::CauseState;
use crate::clock::now_ms;
use crate::digest::Digest;
use crate::locks::LockWait;
use crate::slts::code::LOCK_WAIT_LIMIT_NS;
use crate::store::{Committed, Observer};

impl Observer for Live {
    fn arriving(&self, batch: &mut Batch) {
        let service = &batch.origin.service;
        for record in &mut batch.records {
            let span = match &mut record.digest {
                Some(Digest::Span(span)) => span,
                Some(Digest::Locks(waits)) if waits.waits.iter().any(is_trouble) => {
                    self.expect_contention(now_ms());
                    continue;
                }
                _ => continue,
            };
            let name = if span.service.is_empty() { service } else { &span.service };
            let in_code = self.code.get_with(name, |code| code.is_touched_by(span));
            // A map that is closed says nothing; then the server stops, and what still comes counts as it tells itself.
            let waited = span.lock_wait_ns >= LOCK_WAIT_LIMIT_NS;
            span.touched = waited || in_code.ok().flatten().unwrap_or(false);
        }
        let newest =
            batch.records.iter().map(|record| record.time_unix_ns).max().filter(|newest| *newest > 0);
        let newest_ms = newest.and_then(|newest| i64::try_from(newest / 1_000_000).ok());
        let lag_ms = newest_ms.map(|newest| (now_ms() - newest).max(0));
        self.change_service(service, |known| known.lag_ms = lag_ms);
    }

    fn committed(&self, batches: &[Committed]) {
        let mut work = false;
        for batch in batches {
            let service = &batch.origin.service;
            let mut occurrences = 0;
            for seen in &batch.seen {
                occurrences += seen.occurrences;
                match self.findings.get(&seen.finding) {
                    Ok(Some(cause)) => {
                        let _ = self.activity.add(&cause, seen.occurrences);
                        let state = self.causes.get_with(&cause, |cause| cause.state);
                        if state == Ok(Some(CauseState::Fixed)) {
                            let _ = self.suspects.add(&cause, 1);
                            work = true;
                        }
                    }
                    Ok(None) => work = true,
                    Err(_) => {}
                }
            }
            if occurrences > 0 {
                let _ = self.service_activity.add(service, occurrences);
            }
            self.count(service, batch);
        }
        if work {
            self.work.notify_one();
        }
    }
}

/// Whether goroutines waited there for long.
fn is_trouble(wait: &LockWait) -> bool {
    matches!(wait.call, "Lock" | "RLock") && wait.total_ns >= wait.contentions * LOCK_WAIT_LIMIT_NS
}

impl Live {
    fn count(&self, service: &str, batch: &Committed) {
        self.change_service(service, |known| {
            known.batches += u64::from(batch.accepted > 0);
            known.records += batch.accepted;
            known.duplicates += batch.duplicates;
            known.last_ms = known.last_ms.max(batch.received_ms);
        });
    }

    fn change_service(&self, service: &str, change: impl FnOnce(&mut LiveService)) {
        let put = |known: Option<&LiveService>| {
            let mut known = known.cloned().unwrap_or_default();
            change(&mut known);
            (Change::Put(known), ())
        };
        // Closed is the only error: the server has stopped.
        let _ = self.services.compute(service.to_owned(), put);
    }
}
