//! Who owns which partition: leases in a key-value bucket that forgets what is not renewed.
//!
//! Each replica renews its own key `member.ID` and one key `partition.N` for each lease that it holds. It takes free
//! partitions while it has less than its share of them, and gives back what it has beyond it, so a replica that comes or
//! goes is evened out within a few renewals. A lease is taken and renewed by compare-and-set only.
//!
//! Nobody's clock is trusted: how old a key is, each replica measures from when it saw it change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Entry, Operation, Store, Watch};
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ClusterError;
use super::partition::{PARTITIONS, Partition};

/// How long a lease lives that is not renewed.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(4);

/// How often leases are renewed.
const RENEWAL: Duration = Duration::from_secs(1);

/// How long before its end a lease counts as lost to who held it.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a renewal may take.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What this replica owns.
#[derive(Debug)]
pub struct Ownership {
    id: String,
    bucket: Store,
    started: Instant,
    /// Until when each partition's lease is certain, in milliseconds since `started`; 0 when it is not held.
    until_ms: [AtomicU64; PARTITIONS],
    /// Until when this replica's own key is.
    member_until_ms: AtomicU64,
    owned: watch::Sender<BTreeSet<Partition>>,
    keeping: Mutex<Keeping>,
}

/// What one keeper of the leases knows.
#[derive(Debug, Default)]
struct Keeping {
    /// What was last seen of each key of the bucket, and when.
    seen: HashMap<String, (Instant, bool)>,
    /// Revisions of the keys that this replica holds.
    held: BTreeMap<Partition, u64>,
}

impl Ownership {
    pub(super) fn new(id: String, bucket: Store) -> Self {
        Self {
            id,
            bucket,
            started: Instant::now(),
            until_ms: [const { AtomicU64::new(0) }; PARTITIONS],
            member_until_ms: AtomicU64::new(0),
            owned: watch::Sender::default(),
            keeping: Mutex::default(),
        }
    }

    /// Whether this replica is the one that evaluates what has this fingerprint.
    pub fn owns(&self, fingerprint: &str) -> bool {
        // ORDERING: a single number that guards nothing else; a lease that ends is noticed within its margin.
        self.until_ms[Partition::of(fingerprint).number()].load(Ordering::Relaxed) > self.now_ms()
    }

    /// The partitions that this replica owns, and each change of them.
    pub fn subscribe(&self) -> watch::Receiver<BTreeSet<Partition>> {
        self.owned.subscribe()
    }

    /// Runs the work whenever this replica is the one that owns `name`, and tells it to stop when that ends. Gives back
    /// what the work failed with.
    pub async fn while_owned<F, E>(
        &self,
        name: &str,
        stop: CancellationToken,
        work: impl Fn(CancellationToken) -> F,
    ) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let partition = Partition::of(name);
        let mut owned = self.subscribe();
        let mine = |owned: &BTreeSet<Partition>| owned.contains(&partition);
        loop {
            let is_mine = stop.run_until_cancelled(async { owned.wait_for(mine).await.is_ok() }).await;
            if is_mine != Some(true) {
                return Ok(());
            }
            let over = stop.child_token();
            let working = work(over.clone());
            tokio::pin!(working);
            let ended = tokio::select! {
                ended = &mut working => Some(ended),
                () = async { drop(owned.wait_for(|owned| !mine(owned)).await) } => None,
                () = stop.cancelled() => None,
            };
            over.cancel();
            match ended {
                Some(ended) => ended?,
                None => working.await?,
            }
        }
    }

    pub(super) fn is_renewed(&self) -> bool {
        self.member_until_ms.load(Ordering::Relaxed) > self.now_ms()
    }

    /// Takes, renews and gives back leases until it is to stop; then gives all back.
    pub(super) async fn keep(&self, stop: CancellationToken) -> Result<(), ClusterError> {
        let mut keys: Option<Watch> = None;
        while !stop.is_cancelled() {
            if keys.is_none() {
                keys = self.bucket.watch_with_history(">").await.ok();
            }
            let until = tokio::time::Instant::now() + RENEWAL;
            // A watch on a server that went is silent for a while; a new one tells all that is there.
            if !self.hear(&mut keys, until, &stop).await || self.is_deaf() {
                keys = None;
                super::wait(&stop, RENEWAL).await;
            }
            self.renew().await;
        }
        self.give_back(usize::MAX).await;
        let _ = tokio::time::timeout(ANSWER_TIME, self.bucket.delete(self.member())).await;
        self.publish();
        Ok(())
    }

    /// Takes note of changes until then; false when none can be heard.
    async fn hear(
        &self,
        keys: &mut Option<Watch>,
        until: tokio::time::Instant,
        stop: &CancellationToken,
    ) -> bool {
        let Some(keys) = keys else { return false };
        loop {
            tokio::select! {
                () = stop.cancelled() => return true,
                () = tokio::time::sleep_until(until) => return true,
                change = keys.next() => match change {
                    Some(Ok(Entry { key, operation, .. })) => {
                        let there = operation == Operation::Put;
                        self.keeping().seen.insert(key, (Instant::now(), there));
                    }
                    _ => return false,
                },
            }
        }
    }

    /// Whether our own key was renewed, and the watch did not tell.
    fn is_deaf(&self) -> bool {
        let keeping = self.keeping();
        let heard = keeping.seen.get(&self.member()).is_some_and(|(at, _)| at.elapsed() < LEASE_TIME / 2);
        self.is_renewed() && !heard
    }

    /// One round: our own key, our leases, then more or fewer of them.
    async fn renew(&self) {
        let certain_until = self.certain_until();
        let renewed = tokio::time::timeout(ANSWER_TIME, self.bucket.put(self.member(), "".into())).await;
        if matches!(renewed, Ok(Ok(_))) {
            self.member_until_ms.store(certain_until, Ordering::Relaxed);
        }
        let held: Vec<_> = self.keeping().held.iter().map(|(partition, at)| (*partition, *at)).collect();
        for (partition, revision) in held {
            let certain_until = self.certain_until();
            let update = self.bucket.update(key(partition), self.id.clone().into(), revision);
            match tokio::time::timeout(ANSWER_TIME, update).await {
                Ok(Ok(revision)) => self.hold(partition, revision, certain_until),
                // Whether it holds is not known; it ends by itself when it is not renewed.
                Err(_) => {}
                Ok(Err(_)) => self.lose(partition),
            }
        }
        let share = self.share();
        let beyond = self.held().saturating_sub(share);
        self.give_back(beyond).await;
        for partition in self.free() {
            if self.held() >= share {
                break;
            }
            let certain_until = self.certain_until();
            let create = self.bucket.create(key(partition), self.id.clone().into());
            if let Ok(Ok(revision)) = tokio::time::timeout(ANSWER_TIME, create).await {
                self.hold(partition, revision, certain_until);
            }
        }
        self.publish();
    }

    /// How many partitions each replica is to have at most.
    fn share(&self) -> usize {
        let keeping = self.keeping();
        let is_alive = |(at, there): &(Instant, bool)| *there && at.elapsed() < LEASE_TIME;
        let others = keeping
            .seen
            .iter()
            .filter(|(key, seen)| key.starts_with("member.") && **key != self.member() && is_alive(seen));
        PARTITIONS.div_ceil(others.count() + 1)
    }

    /// Partitions that nobody holds, as far as is known; each replica begins at another one.
    fn free(&self) -> Vec<Partition> {
        let keeping = self.keeping();
        let is_taken = |partition: &Partition| {
            let seen = keeping.seen.get(&key(*partition));
            seen.is_some_and(|(at, there)| *there && at.elapsed() < LEASE_TIME)
        };
        let first = Partition::of(&self.id).number();
        let all = Partition::all().cycle().skip(first).take(PARTITIONS);
        all.filter(|partition| !keeping.held.contains_key(partition) && !is_taken(partition)).collect()
    }

    async fn give_back(&self, count: usize) {
        let given: Vec<_> = self.keeping().held.iter().rev().take(count).map(|(p, at)| (*p, *at)).collect();
        for (partition, revision) in given {
            self.lose(partition);
            let delete = self.bucket.delete_expect_revision(key(partition), Some(revision));
            // When this fails the lease ends by itself.
            let _ = tokio::time::timeout(ANSWER_TIME, delete).await;
        }
    }

    fn hold(&self, partition: Partition, revision: u64, certain_until: u64) {
        self.until_ms[partition.number()].store(certain_until, Ordering::Relaxed);
        self.keeping().held.insert(partition, revision);
    }

    fn lose(&self, partition: Partition) {
        self.until_ms[partition.number()].store(0, Ordering::Relaxed);
        self.keeping().held.remove(&partition);
    }

    /// Tells who wants to know what is owned now.
    fn publish(&self) {
        let now = self.now_ms();
        let is_held = |partition: &Partition| self.until_ms[partition.number()].load(Ordering::Relaxed) > now;
        let owned: BTreeSet<_> = Partition::all().filter(is_held).collect();
        self.owned.send_if_modified(|known| {
            let changed = *known != owned;
            *known = owned;
            changed
        });
    }

    fn held(&self) -> usize {
        self.keeping().held.len()
    }

    fn member(&self) -> String {
        format!("member.{}", self.id)
    }

    fn certain_until(&self) -> u64 {
        self.now_ms() + u64::try_from(LEASE_TIME.saturating_sub(MARGIN).as_millis()).unwrap_or(0)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn keeping(&self) -> std::sync::MutexGuard<'_, Keeping> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(partition: Partition) -> String {
    format!("partition.{}", partition.number())
}
