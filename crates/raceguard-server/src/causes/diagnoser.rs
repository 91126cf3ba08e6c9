//! Gives new findings their causes, beside the requests.
//!
//! It waits until a batch brought something ([`Live::committed`](crate::live::Live)), or for a second. Then, until nothing
//! waits: read a neighbourhood, diagnose it on a thread that may block, write what came out if nobody else assigned causes
//! meanwhile. What one pass did not finish because the process ended is still in `undiagnosed`.
//!
//! Batches wait while something is written, so much is written in steps of [`STEP`] findings, each a transaction of its
//! own, between which batches go. A step that is done stays done, whatever becomes of the next.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use raceguard_diagnosis::Diagnosis;
use raceguard_diagnosis::top_causes::TopOptions;
use tokio_util::sync::CancellationToken;

use super::assignment::{Assigned, Proposal, assign};
use super::changes::look_for_regression;
use super::neighbourhood::{NEW, Neighbourhood, NewFinding, gather};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::StoreError;
use crate::store::sql::values;

/// How long it waits when nothing tells it to work: other replicas don't.
const PAUSE: Duration = Duration::from_secs(1);

/// Passes that may fail one after the other.
const FAILURES: u32 = 30;

/// New findings after which no further cause is written in the same transaction.
const STEP: usize = 8;

/// Minutes that sightings by minute are kept.
const KEPT_MINUTES: i64 = 120;

/// The task.
#[derive(Debug)]
pub struct Diagnoser {
    shared: Arc<Shared>,
    failures: u32,
    /// When sightings by minute were forgotten last, in milliseconds since the Unix epoch.
    forgot_ms: i64,
}

impl Diagnoser {
    /// The task of this server.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, failures: 0, forgot_ms: 0 }
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    ///
    /// What went wrong, when it went wrong [`FAILURES`] times in a row.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.shared.live.work.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            match self.pass(&stop, now_ms()).await {
                Ok(()) => self.failures = 0,
                Err(StoreError::Stopping) => return Ok(()),
                Err(error) if self.failures >= FAILURES => return Err(error),
                Err(_) => self.failures += 1,
            }
        }
    }

    async fn pass(&mut self, stop: &CancellationToken, now_ms: i64) -> Result<(), StoreError> {
        self.look_at_suspects(now_ms).await?;
        while !stop.is_cancelled() && diagnose(&self.shared, now_ms).await? {}
        self.forget(now_ms).await
    }

    /// Whether causes that were said to be fixed have come back.
    async fn look_at_suspects(&self, now_ms: i64) -> Result<(), StoreError> {
        for (cause, _) in self.shared.live.suspects.drain().unwrap_or_default() {
            self.shared
                .writer
                .change(move |connection| look_for_regression(connection, cause, now_ms))
                .await?;
        }
        Ok(())
    }

    /// Forgets sightings by minute that are too old, once a minute.
    async fn forget(&mut self, now_ms: i64) -> Result<(), StoreError> {
        if now_ms - self.forgot_ms > 60_000 {
            self.forgot_ms = now_ms;
            self.shared
                .writer
                .change(move |connection| {
                    let first = now_ms / 60_000 - KEPT_MINUTES;
                    connection.execute("DELETE FROM recent WHERE minute < $1", values![first])
                })
                .await?;
        }
        Ok(())
    }
}

/// Diagnoses findings that wait; whether there may be more.
pub async fn diagnose(shared: &Arc<Shared>, now_ms: i64) -> Result<bool, StoreError> {
    let gathered = shared
        .question(|reader| {
            let neighbourhood = reader.ask(|connection| gather(connection, NEW))?;
            if neighbourhood.new.is_empty() {
                return Ok(None);
            }
            if let Some(proposed) = propose(neighbourhood) {
                return Ok(Some(proposed));
            }
            // Evidence comes from strangers. What stops the diagnosis of one finding must not stop that of others.
            let first = reader.ask(|connection| gather(connection, 1))?;
            let (assigned, new) = (first.assigned, first.new.clone());
            Ok(Some(propose(first).unwrap_or((assigned, new, Vec::new()))))
        })
        .await?;
    let Some((assigned, new, proposals)) = gathered else { return Ok(false) };
    let mut made = Assigned { number: assigned, ..Assigned::default() };
    for (new, proposals) in steps(new, proposals) {
        let before = made.number;
        let step =
            shared.writer.change(move |connection| assign(connection, before, &new, &proposals, now_ms));
        match step.await? {
            Some(step) => made.add(step),
            // Somebody changed something meanwhile. What is left is diagnosed anew.
            None => break,
        }
    }
    if made.number > assigned {
        let live = Arc::clone(&shared.live);
        shared.question(move |reader| live.take_over(reader, assigned, &made)).await?;
    }
    Ok(true)
}

/// What is written together: causes with their new findings, and those that have none.
fn steps(new: Vec<NewFinding>, proposals: Vec<Proposal>) -> Vec<(Vec<NewFinding>, Vec<Proposal>)> {
    let mut left: BTreeMap<i64, NewFinding> = new.into_iter().map(|finding| (finding.id, finding)).collect();
    let mut steps = Vec::new();
    let (mut findings, mut causes) = (Vec::new(), Vec::new());
    for proposal in proposals {
        findings.extend(proposal.findings.iter().filter_map(|id| left.remove(id)));
        causes.push(proposal);
        if findings.len() >= STEP {
            steps.push((std::mem::take(&mut findings), std::mem::take(&mut causes)));
        }
    }
    findings.extend(left.into_values());
    if !findings.is_empty() || !causes.is_empty() {
        steps.push((findings, causes));
    }
    steps
}

/// The number of assignments that the proposals rest on, the new findings, and what is proposed.
type Proposed = (u64, Vec<NewFinding>, Vec<Proposal>);

/// What the diagnosis makes of the neighbourhood, as far as it is about new findings; nothing when it panics.
fn propose(neighbourhood: Neighbourhood) -> Option<Proposed> {
    let Neighbourhood { assigned, new, by_fingerprint, evidence } = neighbourhood;
    // No source is read: the paths are a stranger's.
    let options = TopOptions { count: 0, attributes: Vec::new() };
    let diagnosis = catch_unwind(AssertUnwindSafe(|| Diagnosis::of(&evidence, &options, &|_| None))).ok()?;
    let is_new: HashSet<i64> = new.iter().map(|finding| finding.id).collect();
    let proposals = diagnosis.clusters.into_iter().filter_map(|cluster| {
        let member =
            |member: &raceguard_diagnosis::cluster::Member| by_fingerprint.get(&member.fingerprint).copied();
        let findings: Vec<i64> = cluster.members.iter().filter_map(member).collect();
        findings.iter().any(|id| is_new.contains(id)).then_some(Proposal { findings, cluster })
    });
    let proposals = proposals.collect();
    Some((assigned, new, proposals))
}
