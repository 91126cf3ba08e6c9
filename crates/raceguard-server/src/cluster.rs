//! Replicas without local state: NATS JetStream between them, PostgreSQL behind them.
//!
//! ```text
//! sender ──▶ any replica ──▶ JetStream, by partition of the stream's name   (durable: the sender is answered)
//!                                 │ pulled by the replica that holds the partition's lease
//!                                 ▼
//!                            PostgreSQL, in groups, each record once        (then the message is acknowledged)
//!                                 │
//!                                 └──▶ what was committed, told to every replica's live state
//! ```
//!
//! Invariants:
//!
//! - A message is acknowledged only after the commit that holds it. Whatever dies before that, it is delivered again, and
//!   the database knows what it has received of a stream.
//! - Who owns what is decided by leases in a key-value bucket, changed only by compare-and-set. Two replicas that both
//!   believe that they own a partition, for as long as a lease lives, do double work but no harm.
//! - What is told of commits may be lost when a connection breaks. Each replica numbers what it tells, so a gap is seen
//!   ([`Cluster::gaps`]), and live state is read anew from the tables, which hold the truth.
//!
//! Start reading at [`Cluster::connect`], then [`queue`] and [`consumer`].

mod broadcast;
mod connection;
mod consumer;
mod counters;
mod fill;
mod leases;
mod parcel;
mod partition;
mod queue;
mod revisions;
mod set_aside;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use tokio_util::sync::CancellationToken;

pub use broadcast::Outlet;
pub use counters::{Counted, Counters};
pub use leases::Ownership;
pub use partition::{PARTITIONS, Partition};
pub use queue::Queue;
pub use revisions::Revisions;
pub use set_aside::{Aside, Replayed, SetAside};

use crate::store::Writer;
use crate::tasks::Tasks;

/// How a replica reaches the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// NATS servers, separated by commas: `nats://a:4222,b:4222`. `tls://` for TLS, `user:password@` before a host.
    pub servers: String,
    /// Begins the name of everything that the replicas make in NATS: those with the same name are one cluster.
    pub name: String,
    /// Bytes of evidence that may wait in the queue; when it is full, senders are told to wait.
    pub queue_bytes: u64,
}

impl ClusterOptions {
    /// The cluster `raceguard` at these servers, with a queue of 4 GiB.
    pub fn new(servers: impl Into<String>) -> Self {
        Self { servers: servers.into(), name: "raceguard".to_owned(), queue_bytes: 4 << 30 }
    }
}

/// Why a replica can't be part of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server answers.
    #[error("cannot reach NATS at {servers}: {reason}; check --cluster, and that the servers run")]
    Connect {
        /// What was given.
        servers: String,
        /// What failed last.
        reason: String,
    },
    /// JetStream does not do what is needed.
    #[error(
        "NATS cannot {what}: {reason}; check that JetStream is on, has room, and that most of its servers run"
    )]
    JetStream {
        /// What was asked for.
        what: String,
        /// What it said.
        reason: String,
    },
    /// The system has no chance to give.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// A replica's part in the cluster.
#[derive(Debug)]
pub struct Cluster {
    /// What other replicas call this one: random, new with each start.
    id: String,
    name: String,
    client: async_nats::Client,
    jetstream: jetstream::Context,
    evidence: stream::Stream,
    ownership: Arc<Ownership>,
    revisions: Revisions,
    fill: Arc<fill::Fill>,
    counters: Arc<Counters>,
    outlet: broadcast::Pipe,
}

impl Cluster {
    /// Connects, and makes in NATS what is not there yet.
    pub async fn connect(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(ClusterError::Random)?;
        let id = raceguard_evidence::hex::hex(&random);
        let connected = connection::connect(options, &id).await?;
        let connection::Connected { client, jetstream, evidence, leases, policies } = connected;
        Ok(Self {
            ownership: Arc::new(Ownership::new(id.clone(), leases)),
            revisions: Revisions::new(client.clone(), &options.name, policies),
            fill: Arc::new(fill::Fill::new(options.queue_bytes)),
            counters: Arc::default(),
            outlet: broadcast::Pipe::default(),
            name: options.name.clone(),
            id,
            client,
            jetstream,
            evidence,
        })
    }

    /// What tells the other replicas what this one committed.
    pub fn outlet(&self) -> Arc<Outlet> {
        self.outlet.inlet()
    }

    /// Takes evidence to JetStream.
    pub fn queue(&self) -> Queue {
        let (fill, counters) = (Arc::clone(&self.fill), Arc::clone(&self.counters));
        Queue::new(self.client.clone(), self.jetstream.clone(), self.name.clone(), fill, counters)
    }

    /// Which partitions this replica owns.
    pub fn ownership(&self) -> &Arc<Ownership> {
        &self.ownership
    }

    /// The revision of the policies that all replicas are to have in force.
    pub fn revisions(&self) -> &Revisions {
        &self.revisions
    }

    /// What went through this replica.
    pub fn counters(&self) -> Counted {
        self.counters.read()
    }

    /// Messages and bytes that wait in the queue, and bytes beyond which senders are told to wait.
    pub fn queued(&self) -> (u64, u64, u64) {
        self.fill.read()
    }

    /// How often something that another replica committed was not heard of: live state is then read anew from the tables.
    pub fn gaps(&self) -> u64 {
        self.counters.read().gaps
    }

    /// Whether the servers answer: connected, and a lease was renewed within its time.
    pub fn is_ready(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
            && self.ownership.is_renewed()
    }

    /// Starts what runs beside the requests.
    pub fn spawn(self: &Arc<Self>, writer: &Writer, limits: crate::limits::Limits, tasks: &mut Tasks) {
        let ownership = Arc::clone(&self.ownership);
        tasks.spawn("the leases", |stop| async move { ownership.keep(stop).await });
        let cluster = Arc::clone(self);
        tasks.spawn("the size of the queue", |stop| async move {
            cluster.fill.keep(&cluster.evidence, stop).await
        });
        let revisions = self.revisions.clone();
        tasks.spawn("the revision of the policies", |stop| async move { revisions.follow(stop).await });
        let (cluster, to) = (Arc::clone(self), writer.clone());
        tasks.spawn("what others commit", |stop| async move { broadcast::hear(&cluster, &to, stop).await });
        let cluster = Arc::clone(self);
        tasks.spawn("what we commit", |stop| async move { broadcast::tell(&cluster, stop).await });
        let (cluster, to) = (Arc::clone(self), writer.clone());
        tasks.spawn("the queue", |stop| async move { consumer::run(cluster, to, limits, stop).await });
    }
}

/// Waits, but not longer than until it is to stop. False when it is.
async fn wait(stop: &CancellationToken, time: Duration) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_err()
}
