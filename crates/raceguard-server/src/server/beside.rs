//! What runs beside the requests, on every replica or on one of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alerts::send::Sender;
use crate::causes::diagnoser::Diagnoser;
use crate::clock::now_ms;
use crate::http::Shared;
use crate::live::keeper::Keeper;
use crate::otlp::grpc;
use crate::pages::live::Publisher;
use crate::policies::PolicyTasks;
use crate::retention::Retention;
use crate::slts::watch::Watch;
use crate::store::{StoreError, Writer, partitions};
use crate::tasks::Tasks;
use crate::tls::Tls;

/// How often tables for the days to come are made.
const DAYS_INTERVAL: Duration = Duration::from_hours(6);

/// What runs beside the requests.
#[derive(Debug)]
pub(super) struct Beside {
    /// Takes OTLP over gRPC.
    pub(super) grpc: Option<TcpListener>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) retention: Retention,
    pub(super) policies: PolicyTasks,
    pub(super) publisher: Publisher,
}

impl Beside {
    /// Starts all of it.
    pub(super) fn start(self, shared: &Arc<Shared>) -> Tasks {
        let Self { grpc, tls, retention, policies, publisher } = self;
        let mut tasks = Tasks::default();
        if let Some(cluster) = &shared.cluster {
            cluster.spawn(&shared.writer, shared.limits, &mut tasks);
        }
        if let Some(listener) = grpc {
            let shared = Arc::clone(shared);
            tasks.spawn("OTLP over gRPC", |stop| grpc::serve(listener, tls, shared, stop));
        }
        by_one(&mut tasks, shared, "sending alerts", |shared, stop| {
            Sender::new(&shared.alerts, shared.external_url.clone()).run(stop)
        });
        by_one(&mut tasks, shared, "diagnosing", |shared, stop| Diagnoser::new(shared).run(stop));
        by_one(&mut tasks, shared, "watching objectives", |shared, stop| Watch::new(shared).run(stop));
        by_one(&mut tasks, shared, "removing old evidence", move |shared, stop| {
            retention.run(shared.writer.clone(), stop)
        });
        by_one(&mut tasks, shared, "tables for the days to come", |shared, stop| {
            make_days(shared.writer.clone(), stop)
        });
        tasks.spawn("live state", |stop| Keeper::new(Arc::clone(shared)).run(stop));
        let sharing = Arc::clone(shared);
        tasks.spawn("live updates", |stop| publisher.run(sharing, stop));
        tasks.spawn("noting uses of tokens", |stop| {
            Arc::clone(&shared.tokens).note_uses(shared.writer.clone(), stop)
        });
        policies.spawn(shared.cluster.as_ref(), &mut tasks);
        tasks
    }
}

/// Starts what only one of the replicas is to do: whoever owns its name does it, for as long as that is so.
fn by_one<F, E>(
    tasks: &mut Tasks,
    shared: &Arc<Shared>,
    name: &'static str,
    work: impl Fn(Arc<Shared>, CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let shared = Arc::clone(shared);
    match &shared.cluster {
        Some(cluster) => {
            let ownership = Arc::clone(cluster.ownership());
            tasks.spawn(name, |stop| async move {
                ownership.while_owned(name, stop, move |stop| work(Arc::clone(&shared), stop)).await
            });
        }
        None => tasks.spawn(name, |stop| work(shared, stop)),
    }
}

/// Makes tables for the days to come, as long as evidence lies in one for each.
async fn make_days(writer: Writer, stop: CancellationToken) -> Result<(), StoreError> {
    while tokio::time::timeout(DAYS_INTERVAL, stop.cancelled()).await.is_err() {
        // Another replica may make the same one at this moment, and there are a week's anyway.
        let _ = writer.change(|connection| partitions::make_days(connection, now_ms())).await;
    }
    Ok(())
}
