//! Tells the pages what changed: takes note on the writing thread, and twice a second asks for the new counts, once for
//! all listeners.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::causes::class_name;
use crate::causes::rows;
use crate::http::Shared;
use crate::store::{Committed, FindingRow, Observer, Reader, StoreError, Totals};

/// How long changes are gathered.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a diagnosis may take until its cause is published without another note.
const DIAGNOSED_WITHIN: Duration = Duration::from_secs(2);

/// Transactions of which notes may wait.
const QUEUE: usize = 1024;

/// Rows that an event carries; a page that shows more is loaded again.
const ROWS: usize = 100;

/// Takes note of what was written.
#[derive(Debug)]
pub(crate) struct Notes {
    notes: mpsc::Sender<Vec<(i64, bool)>>,
    /// Whether a note was lost because too many waited.
    overflowed: Arc<AtomicBool>,
}

/// Publishes what was noted.
#[derive(Debug)]
pub(crate) struct Publisher {
    notes: mpsc::Receiver<Vec<(i64, bool)>>,
    overflowed: Arc<AtomicBool>,
    /// Whether findings were published whose causes were not known yet.
    awaits_causes: bool,
}

/// Both ends.
pub(crate) fn channel() -> (Notes, Publisher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let overflowed = Arc::new(AtomicBool::new(false));
    (
        Notes { notes: sender, overflowed: Arc::clone(&overflowed) },
        Publisher { notes: receiver, overflowed, awaits_causes: false },
    )
}

impl Observer for Notes {
    fn committed(&self, batches: &[Committed]) {
        let seen = batches.iter().flat_map(|batch| &batch.seen);
        let note = seen.map(|seen| (seen.finding, seen.is_new)).collect();
        if self.notes.try_send(note).is_err() {
            // ORDERING: a flag alone, read at the next round or the one after it.
            self.overflowed.store(true, Ordering::Relaxed);
        }
    }
}

/// An event.
#[derive(Debug, Serialize)]
struct Change {
    totals: Totals,
    findings: Vec<FindingChange>,
    causes: Vec<CauseRow>,
    /// Whether more changed than the event says.
    more: bool,
}

/// A finding as scripts put it into a row.
#[derive(Debug, Serialize)]
struct FindingChange {
    key: String,
    link: String,
    kind: String,
    title: String,
    occurrences: u64,
    /// Milliseconds since the Unix epoch.
    first: i64,
    last: i64,
    new: bool,
}

impl FindingChange {
    fn new(line: FindingRow, new: bool) -> Self {
        let key: String = form_urlencoded::byte_serialize(line.fingerprint.as_bytes()).collect();
        Self {
            link: format!("/findings/{key}"),
            key: line.fingerprint,
            kind: line.kind.strip_suffix("_finding").unwrap_or(&line.kind).to_owned(),
            title: line.title,
            occurrences: line.occurrences,
            first: line.first_ms,
            last: line.last_ms,
            new,
        }
    }
}

/// A root cause, likewise.
#[derive(Debug, Serialize)]
struct CauseRow {
    key: i64,
    link: String,
    name: String,
    title: String,
    class: String,
    services: String,
    occurrences: u64,
    /// Milliseconds since the Unix epoch.
    first: i64,
    last: i64,
    new: bool,
}

impl CauseRow {
    fn new(row: &rows::CauseRow, new: bool) -> Self {
        Self {
            key: row.id,
            link: format!("/causes/{}", row.id),
            name: row.name.clone(),
            title: row.title.clone(),
            class: class_name(&row.class, row.trap.as_deref()),
            services: row.services.join(", "),
            occurrences: row.occurrences,
            first: row.first_ms,
            last: row.last_ms,
            new,
        }
    }
}

impl Publisher {
    /// Publishes until the server stops.
    pub(crate) async fn run(
        mut self,
        shared: Arc<Shared>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        // Causes with larger numbers are new.
        let mut last = shared.question(Reader::last_cause).await?;
        let work = async {
            while let Some(mut changed) = self.gather(DIAGNOSED_WITHIN).await {
                // ORDERING: a flag alone.
                changed.more |= self.overflowed.swap(false, Ordering::Relaxed);
                if shared.events.listening() > 0 {
                    last = publish(&shared, changed, last).await;
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = work => {} }
        Ok(())
    }

    /// What was noted since the last time, a moment after the first note. When none comes within `patience`, and the
    /// last ones were of new findings, nothing: their causes may be known now.
    async fn gather(&mut self, patience: Duration) -> Option<Changed> {
        let mut changed = Changed::default();
        let first = if self.awaits_causes {
            match tokio::time::timeout(patience, self.notes.recv()).await {
                Ok(note) => note?,
                Err(_) => Vec::new(),
            }
        } else {
            self.notes.recv().await?
        };
        changed.add(first);
        tokio::time::sleep(PAUSE).await;
        while let Ok(note) = self.notes.try_recv() {
            changed.add(note);
        }
        self.awaits_causes = !changed.new.is_empty();
        Some(changed)
    }
}

#[derive(Debug, Default)]
struct Changed {
    findings: BTreeSet<i64>,
    new: BTreeSet<i64>,
    /// Whether more changed than was noted.
    more: bool,
}

impl Changed {
    fn add(&mut self, note: Vec<(i64, bool)>) {
        for (finding, is_new) in note {
            self.findings.insert(finding);
            if is_new {
                self.new.insert(finding);
            }
        }
    }
}

/// Publishes what changed; gives the newest cause that is known then. A failed question means one event less, the next
/// one brings the counts.
async fn publish(shared: &Arc<Shared>, changed: Changed, last: i64) -> i64 {
    let more = changed.more || changed.findings.len() > ROWS;
    // New ones first: they are what pages lack.
    let (new, known): (Vec<i64>, Vec<i64>) = changed.findings.iter().partition(|id| changed.new.contains(id));
    let ids: Vec<i64> = new.into_iter().chain(known).take(ROWS).collect();
    let asked = shared.question(move |reader| {
        let newest = reader.last_cause()?;
        let mut causes = reader.causes_of(&ids)?;
        causes.extend((last + 1..=newest).filter(|id| !causes.contains(id)).take(ROWS).collect::<Vec<_>>());
        Ok((newest, reader.totals()?, reader.finding_lines_of(&ids)?, reader.cause_rows(&causes)?))
    });
    let Ok((newest, totals, lines, causes)) = asked.await else { return last };
    let findings = lines.into_iter().map(|line| {
        let is_new = changed.new.contains(&line.id);
        FindingChange::new(line, is_new)
    });
    let causes = causes.iter().map(|row| CauseRow::new(row, row.id > last));
    let change = Change { totals, findings: findings.collect(), causes: causes.collect(), more };
    shared.events.publish("change", &change);
    newest
}
