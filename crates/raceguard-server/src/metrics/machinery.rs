//! Gathers what the server does beside taking evidence: policies, what is to be sent, the other replicas.

use std::sync::atomic::{AtomicU64, Ordering};

use raceguard_maps::CounterMap;

use super::Samples;
use super::gather::map;
use crate::cluster::Cluster;
use crate::policies::Policies;
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

/// Policies in force, and what triggers do.
pub(super) fn policies(policies: &Policies, samples: &mut Samples) {
    let registry = &policies.registry;
    if let Ok(current) = registry.in_force().current() {
        let revision = |number: i64| u64::try_from(number).unwrap_or(0);
        let stable = current.stable().map_or(0, |it| revision(it.revision));
        samples.count("raceguard_policy_revision", &[], stable);
        if let Some(canary) = current.canary() {
            samples.count("raceguard_policy_canary_revision", &[], revision(canary.revision));
        }
    }
    samples.count("raceguard_policy_generation", &[], u64::try_from(registry.generation()).unwrap_or(0));
    map(&registry.in_force().report(), samples);
    let (figures, counts) = (&policies.stream.figures, &policies.stream.counts);
    for (name, figure) in [
        ("raceguard_policy_triggers", &figures.triggers),
        ("raceguard_policy_sightings_total", &figures.sightings),
        ("raceguard_policy_queue_overflows_total", &figures.overflows),
        ("raceguard_policy_batches_read_total", &figures.caught_up),
    ] {
        samples.count(name, &[], read(figure));
    }
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floats")]
    samples.add("raceguard_policy_busy_seconds_total", &[], read(&figures.busy_ns) as f64 / 1e9);
    for (name, by_trigger) in [
        ("raceguard_policy_matches_total", &counts.matched),
        ("raceguard_policy_firings_total", &counts.fired),
        ("raceguard_policy_condition_failures_total", &counts.failed),
    ] {
        each(name, by_trigger, samples);
    }
    if let Some(git) = &policies.git {
        for (result, counter) in [("taken", &git.taken), ("refused", &git.refused), ("failed", &git.failed)] {
            samples.count("raceguard_policy_git_commits_total", &[result], read(counter));
        }
    }
}

/// A map that is closed tells nothing: then the server stops.
fn each(name: &'static str, by_trigger: &CounterMap<String>, samples: &mut Samples) {
    if let Ok(counts) = by_trigger.snapshot() {
        for (trigger, count) in counts {
            samples.count(name, &[&trigger], count);
        }
    }
}

/// What is to be sent.
pub(super) fn waiting(
    connection: &mut dyn Connection,
    samples: &mut Samples,
    now_ms: i64,
) -> Result<(), StoreError> {
    let row = connection.row("SELECT count(*) FROM policy_delivery WHERE done_ms IS NULL", &[])?;
    samples.count("raceguard_policy_deliveries_waiting", &[], row.map_or(Ok(0), |row| row.get(0))?);
    let row = connection.row(
        "SELECT count(*), COALESCE(min(created_ms), $1) FROM delivery WHERE sent_ms IS NULL AND given_up_ms IS NULL",
        values![now_ms],
    )?;
    let row = row.ok_or(StoreError::Incomplete("delivery"))?;
    samples.count("raceguard_alert_messages_waiting", &[], row.get(0)?);
    let oldest_ms = (now_ms - row.get::<i64>(1)?).max(0);
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floats")]
    samples.add("raceguard_alert_message_oldest_seconds", &[], oldest_ms as f64 / 1e3);
    Ok(())
}

/// The part in a cluster.
pub(super) fn cluster(cluster: &Cluster, samples: &mut Samples) {
    samples.count("raceguard_cluster_ready", &[], u64::from(cluster.is_ready()));
    let owned = cluster.ownership().subscribe().borrow().len() as u64;
    samples.count("raceguard_cluster_partitions", &[], owned);
    let (messages, bytes, limit) = cluster.queued();
    samples.count("raceguard_cluster_queue_messages", &[], messages);
    samples.count("raceguard_cluster_queue_bytes", &[], bytes);
    samples.count("raceguard_cluster_queue_limit_bytes", &[], limit);
    let counted = cluster.counters();
    for (result, count) in [
        ("published", counted.published),
        ("written", counted.written),
        ("redelivered", counted.redelivered),
        ("postponed", counted.postponed),
        ("set_aside", counted.set_aside),
    ] {
        samples.count("raceguard_cluster_messages_total", &[result], count);
    }
    samples.count("raceguard_cluster_gaps_total", &[], counted.gaps);
}

fn read(counter: &AtomicU64) -> u64 {
    // ORDERING: Relaxed: a number for display.
    counter.load(Ordering::Relaxed)
}
