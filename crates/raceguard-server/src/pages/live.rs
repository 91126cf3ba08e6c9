//! Tells the pages what changed: takes note on the writing thread, and twice a second asks for the new counts, once for
//! all listeners.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::questions::FindingLine;
use crate::http::Shared;
use crate::store::{Committed, Observer, Totals};

/// How long changes are gathered.
const PAUSE: Duration = Duration::from_millis(500);

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
}

/// Both ends.
pub(crate) fn channel() -> (Notes, Publisher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let overflowed = Arc::new(AtomicBool::new(false));
    (Notes { notes: sender, overflowed: Arc::clone(&overflowed) }, Publisher { notes: receiver, overflowed })
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
    findings: Vec<Row>,
    /// Whether more changed than the event says.
    more: bool,
}

/// A finding as scripts put it into a row.
#[derive(Debug, Serialize)]
struct Row {
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

impl Row {
    fn new(line: FindingLine, new: bool) -> Self {
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

impl Publisher {
    /// Publishes until the server stops.
    pub(crate) async fn run(mut self, shared: Arc<Shared>, stop: CancellationToken) -> Result<(), Infallible> {
        let work = async {
            while let Some(first) = self.notes.recv().await {
                tokio::time::sleep(PAUSE).await;
                let mut changed = Changed::default();
                changed.add(first);
                while let Ok(note) = self.notes.try_recv() {
                    changed.add(note);
                }
                // ORDERING: a flag alone.
                let more = self.overflowed.swap(false, Ordering::Relaxed);
                if shared.events.listening() > 0 {
                    publish(&shared, changed, more).await;
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = work => {} }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Changed {
    findings: BTreeSet<i64>,
    new: BTreeSet<i64>,
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

/// A failed question means one event less; the next one brings the counts.
async fn publish(shared: &Arc<Shared>, changed: Changed, more: bool) {
    let more = more || changed.findings.len() > ROWS;
    // New ones first: they are what pages lack.
    let (new, known): (Vec<i64>, Vec<i64>) = changed.findings.iter().partition(|id| changed.new.contains(id));
    let ids: Vec<i64> = new.into_iter().chain(known).take(ROWS).collect();
    let asked = shared.ask(move |reader| Ok((reader.totals()?, reader.finding_lines_of(&ids)?)));
    let Ok((totals, lines)) = asked.await else { return };
    let rows = lines.into_iter().map(|line| {
        let is_new = changed.new.contains(&line.id);
        Row::new(line, is_new)
    });
    shared.events.publish("change", &Change { totals, findings: rows.collect(), more });
}
