//! Policies of a fleet: kept in revisions, in force within a second, evaluated on the evidence that comes in.
//!
//! ```text
//! API, CLI, git folder ─▶ registry ─▶ tables policy_* ─▶ in_force (a SnapshotMap) ─▶ everybody who asks
//! committed batches ─▶ stream (bounded queue, or the stored blocks) ─▶ evaluator ─▶ firings ─▶ crate::responses
//! ```
//!
//! [`set`] is a checked set of texts, [`revision`] how sets are kept, [`registry`] what changes them, [`in_force`] what
//! readers see. [`stream`] feeds [`evaluator`] from committed batches or, for what it missed, from stored blocks
//! ([`events`]), in the order of [`commits`]; [`progress`] says who evaluates which trigger, and up to where it did. [`shadow`] says what a set would have done in the last hour. [`git`] watches a folder.
//!
//! Invariants:
//!
//! - A reader sees the set of one revision (or of one pair of revisions, while one is tried on some services), whole.
//! - What has a mistake or a failing example never comes into force.
//! - A batch is evaluated once for each trigger, by the one replica that holds it; a firing, what it changes here, and the
//!   note up to where the trigger was evaluated are one transaction.

pub mod commits;
pub mod evaluator;
pub mod events;
pub mod git;
pub mod in_force;
pub mod progress;
pub mod registry;
pub mod revision;
pub mod set;
pub mod shadow;
pub mod stream;

pub use registry::{Registry, RegistryError};
pub use stream::Owns;
pub use stream::task::Stream;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::alerts::Alerts;
use crate::cluster::Cluster;
use crate::responses::delivery::Deliveries;
use crate::store::{Reader, Writer};
use crate::tasks::Tasks;
use git::{GitFigures, GitFolder, Watch};
use stream::{Queue, StreamHandle};

/// Policies as requests see them.
#[derive(Debug)]
pub struct Policies {
    /// Changes them.
    pub registry: Arc<Registry>,
    /// What became of the evidence.
    pub stream: StreamHandle,
    /// What became of the watched folder's commits.
    pub git: Option<Arc<GitFigures>>,
}

/// What runs beside the requests because of policies.
pub struct PolicyTasks {
    registry: Arc<Registry>,
    stream: Stream,
    deliveries: Deliveries,
    watch: Option<Watch>,
}

impl std::fmt::Debug for PolicyTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyTasks").finish_non_exhaustive()
    }
}

impl Policies {
    /// Reads what is in force, and makes the tasks. `owns` says which findings this server evaluates.
    pub async fn start(
        writer: &Writer,
        reader: &Reader,
        alerts: &Alerts,
        queue: Queue,
        owns: Owns,
        folder: Option<GitFolder>,
    ) -> Result<(Self, PolicyTasks), RegistryError> {
        let name = evaluator_name().map_err(RegistryError::Random)?;
        let registry = Arc::new(Registry::open(writer.clone(), reader.clone()).await?);
        let sending = Arc::new(Notify::new());
        let deliveries =
            Deliveries::new(writer.clone(), reader.clone(), alerts.clone(), Arc::clone(&sending));
        let (stream, handle) =
            Stream::new(name, Arc::clone(&registry), writer.clone(), reader.clone(), queue, owns, sending);
        let watch = folder.map(|folder| {
            Watch::new(folder, Arc::clone(&registry), writer.clone(), reader.clone(), alerts.clone())
        });
        let policies =
            Self { registry: Arc::clone(&registry), stream: handle, git: watch.as_ref().map(Watch::figures) };
        Ok((policies, PolicyTasks { registry, stream, deliveries, watch }))
    }
}

impl PolicyTasks {
    /// Starts them.
    pub fn spawn(self, cluster: Option<&Arc<Cluster>>, tasks: &mut Tasks) {
        if let Some(cluster) = cluster {
            let (revisions, published) = (cluster.revisions().clone(), self.registry.published());
            let registry = self.registry;
            let refresh = move || {
                let registry = Arc::clone(&registry);
                async move { registry.refresh().await }
            };
            tasks.spawn("policies of the other replicas", |stop| {
                revisions.keep_in_step(published, refresh, stop)
            });
        }
        tasks.spawn("evaluating triggers", |stop| self.stream.run(stop));
        tasks.spawn("sending what triggers say", |stop| self.deliveries.run(stop));
        if let Some(watch) = self.watch {
            tasks.spawn("watching policies in git", |stop| watch.run(stop));
        }
    }
}

/// A name that no other evaluator has.
fn evaluator_name() -> Result<String, getrandom::Error> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    Ok(raceguard_evidence::hex::hex(&random))
}
