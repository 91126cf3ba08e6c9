//! Gives new findings their causes, beside the requests.
//!
//! It waits until a batch brought something ([`Live::committed`](crate::live::Live)), or for a second. Then, until nothing
//! waits: read a neighbourhood, diagnose it on a thread that may block, write what came out if nobody else assigned causes
//! meanwhile. What one pass did not finish because the process ended is still in `undiagnosed`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use raceguard_diagnosis::Diagnosis;
use raceguard_diagnosis::top_causes::TopOptions;
use tokio_util::sync::CancellationToken;

use super::assignment::{Assigned, Proposal, assign, look_for_regression};
use super::neighbourhood::{Neighbourhood, NewFinding, gather};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::StoreError;
use crate::store::sql::values;

/// How long it waits when nothing tells it to work: other replicas don't.
const PAUSE: Duration = Duration::from_secs(1);

/// Passes that may fail one after the other.
const FAILURES: u32 = 30;

/// Minutes that sightings by minute are kept.
const KEPT_MINUTES: i64 = 120;

/// The task.
#[derive(Debug)]
pub struct Diagnoser {
    shared: Arc<Shared>,
    failures: u32,
    /// When all live state was read last, in milliseconds since the Unix epoch.
    reloaded_ms: i64,
}

impl Diagnoser {
    /// The task of this server.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, failures: 0, reloaded_ms: 0 }
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
        self.catch_up(now_ms).await
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

    /// Reads what others changed; once a minute all, since findings may have come to further services.
    async fn catch_up(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let live = Arc::clone(&self.shared.live);
        let all = now_ms - self.reloaded_ms > 60_000;
        let reload = all || live.expects_contention(now_ms);
        let read = move |reader: &crate::store::Reader| {
            if reload || live.is_behind(reader)? { live.reload(reader) } else { Ok(()) }
        };
        self.shared.question(read).await?;
        if all {
            self.reloaded_ms = now_ms;
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
    let Some((assigned, new, proposals)) = shared
        .question(|reader| {
            let neighbourhood = reader.ask(gather)?;
            Ok((!neighbourhood.new.is_empty()).then(|| propose(neighbourhood)))
        })
        .await?
    else {
        return Ok(false);
    };
    let made = shared
        .writer
        .change(move |connection| assign(connection, assigned, &new, &proposals, now_ms))
        .await?;
    if let Some(Assigned { number, causes, findings, .. }) = made {
        let live = Arc::clone(&shared.live);
        shared.question(move |reader| live.take_over(reader, number, &causes, &findings)).await?;
    }
    Ok(true)
}

/// What the diagnosis makes of the neighbourhood, as far as it is about new findings.
fn propose(neighbourhood: Neighbourhood) -> (u64, Vec<NewFinding>, Vec<Proposal>) {
    let Neighbourhood { assigned, new, by_fingerprint, evidence } = neighbourhood;
    // No source is read: the paths are a stranger's.
    let options = TopOptions { count: 0, attributes: Vec::new() };
    let diagnosis = Diagnosis::of(&evidence, &options, &|_| None);
    let is_new: HashSet<i64> = new.iter().map(|finding| finding.id).collect();
    let proposals = diagnosis.clusters.into_iter().filter_map(|cluster| {
        let member =
            |member: &raceguard_diagnosis::cluster::Member| by_fingerprint.get(&member.fingerprint).copied();
        let findings: Vec<i64> = cluster.members.iter().filter_map(member).collect();
        findings.iter().any(|id| is_new.contains(id)).then_some(Proposal { findings, cluster })
    });
    (assigned, new, proposals.collect())
}
