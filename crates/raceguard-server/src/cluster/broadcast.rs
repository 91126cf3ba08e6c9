//! What one replica commits, told to all, so that the live state of each is that of the whole.
//!
//! It goes by plain NATS, which forgets what nobody hears: each replica numbers what it tells, and who hears a number that
//! does not follow the last one counts a gap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::counters::{Counters, count};
use super::{Cluster, ClusterError};
use crate::store::{Committed, Observer, Writer};

/// Messages that may wait to be told; beyond that they are left out, which the others see as a gap.
const WAITING: usize = 4096;

/// Batches in one message.
const TOGETHER: usize = 64;

/// What a message says.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Who tells it.
    from: String,
    /// Its number among all that this one told.
    number: u64,
    batches: Vec<Committed>,
}

/// Takes what was committed off the writing thread.
#[derive(Debug)]
pub struct Outlet {
    waiting: mpsc::Sender<(u64, Vec<Committed>)>,
    next: AtomicU64,
}

impl Observer for Outlet {
    fn committed(&self, batches: &[Committed]) {
        for batches in batches.chunks(TOGETHER) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            // When there is no room the number is missing, and the others know.
            let _ = self.waiting.try_send((number, batches.to_vec()));
        }
    }
}

/// What this process committed, with its number.
type Numbered = (u64, Vec<Committed>);

/// The two ends of the way from the writing thread to NATS.
#[derive(Debug)]
pub(super) struct Pipe {
    inlet: Arc<Outlet>,
    outlet: Mutex<Option<mpsc::Receiver<Numbered>>>,
}

impl Default for Pipe {
    fn default() -> Self {
        let (waiting, told) = mpsc::channel(WAITING);
        let inlet = Arc::new(Outlet { waiting, next: AtomicU64::new(0) });
        Self { inlet, outlet: Mutex::new(Some(told)) }
    }
}

impl Pipe {
    pub(super) fn inlet(&self) -> Arc<Outlet> {
        Arc::clone(&self.inlet)
    }
}

fn subject(name: &str, from: &str) -> String {
    format!("{name}.committed.{from}")
}

/// Tells the others, until it is to stop.
pub(super) async fn tell(cluster: &Cluster, stop: CancellationToken) -> Result<(), ClusterError> {
    let told = cluster.outlet.outlet.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut told) = told else { return Ok(()) };
    let subject = subject(&cluster.name, &cluster.id);
    while let Some(Some((number, batches))) = stop.run_until_cancelled(told.recv()).await {
        let message = Told { from: cluster.id.clone(), number, batches };
        let Ok(text) = serde_json::to_vec(&message) else { continue };
        let packed = zstd::bulk::compress(&text, 1);
        let packed = packed.unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"));
        // What can't be sent now the others see as a gap.
        let _ = cluster.client.publish(subject.clone(), packed.into()).await;
    }
    Ok(())
}

/// Hands what others tell to the writing thread's observers, until it is to stop.
pub(super) async fn hear(
    cluster: &Cluster,
    writer: &Writer,
    stop: CancellationToken,
) -> Result<(), ClusterError> {
    let mut last = HashMap::new();
    while !stop.is_cancelled() {
        if let Ok(mut messages) = cluster.client.subscribe(subject(&cluster.name, "*")).await {
            while let Some(Some(message)) = stop.run_until_cancelled(messages.next()).await {
                if let Some(batches) = heard(&cluster.id, &mut last, &message.payload, &cluster.counters) {
                    writer.told(batches).await;
                }
            }
        }
        super::wait(&stop, Duration::from_millis(200)).await;
    }
    Ok(())
}

/// What a message of another replica says.
fn heard(
    us: &str,
    last: &mut HashMap<String, u64>,
    payload: &[u8],
    counters: &Counters,
) -> Option<Vec<Committed>> {
    let text = zstd::bulk::decompress(payload, 64 << 20).ok()?;
    let told: Told = serde_json::from_slice(&text).ok()?;
    if told.from == us {
        return None;
    }
    let before = last.insert(told.from, told.number);
    if before.is_some_and(|before| told.number != before + 1) {
        count(&counters.gaps);
    }
    Some(told.batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    fn packed(from: &str, number: u64) -> Vec<u8> {
        let origin = Arc::new(Origin::default());
        let batch = Committed {
            block: Some(1),
            origin,
            received_ms: 5,
            accepted: 2,
            duplicates: 0,
            number: 2,
            seen: Vec::new(),
        };
        let told = Told { from: from.to_owned(), number, batches: vec![batch] };
        zstd::bulk::compress(&serde_json::to_vec(&told).expect("it is JSON"), 1).expect("it compresses")
    }

    #[test]
    fn a_number_that_does_not_follow_is_a_gap_and_our_own_voice_is_not_heard() {
        let (mut last, counters) = (HashMap::new(), Counters::default());
        let mut hear =
            |from: &str, number| heard("us", &mut last, &packed(from, number), &counters).is_some();
        assert!(!hear("us", 0) && hear("a", 7) && hear("a", 8) && hear("b", 0));
        assert_eq!(counters.read().gaps, 0);
        assert!(hear("a", 10) && hear("b", 1));
        assert_eq!(counters.read().gaps, 1);
        assert!(heard("us", &mut last, b"noise", &counters).is_none());
    }
}
