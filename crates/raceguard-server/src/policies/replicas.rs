//! Policies on several replicas: who changes what is in force tells the others, and each of them reads it anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use crate::cluster::Cluster;

/// How soon something that failed is tried again: NATS or the database may be away for a moment.
const AGAIN: Duration = Duration::from_millis(200);

/// Tells and hears until it is told to stop.
pub(super) async fn follow(
    registry: Arc<Registry>,
    cluster: Arc<Cluster>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut told = cluster.revisions().subscribe();
    let mut made = registry.published();
    made.mark_changed();
    while !stop.is_cancelled() {
        let done = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = made.changed() => {
                let generation = u64::try_from(*made.borrow_and_update()).unwrap_or(0);
                let told = cluster.revisions().announce(generation).await.is_ok();
                if !told {
                    made.mark_changed();
                }
                told
            }
            _ = told.changed() => {
                let newest = i64::try_from(*told.borrow_and_update()).unwrap_or(i64::MAX);
                let read = newest <= registry.generation() || registry.refresh().await.is_ok();
                if !read {
                    told.mark_changed();
                }
                read
            }
        };
        if !done {
            tokio::time::sleep(AGAIN).await;
        }
    }
    Ok(())
}
