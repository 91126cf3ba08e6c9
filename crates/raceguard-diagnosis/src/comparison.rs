//! What changed between two diagnoses: new causes, causes that are gone, causes that are still there.

use std::collections::HashSet;

use serde::Serialize;

use crate::cluster::Cluster;

/// The clusters of a newer diagnosis against those of an older one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Ids of clusters that the older one does not have.
    pub new: Vec<String>,
    /// Ids of clusters that both have, by their ids in the newer one.
    pub still_there: Vec<String>,
    /// Ids and titles of clusters that the newer one does not have.
    pub gone: Vec<(String, String)>,
}

/// Compares. Clusters are the same when they are about the same variable or share an observation.
pub fn compare(older: &[Cluster], newer: &[Cluster]) -> Comparison {
    let (old_keys, new_keys) = (keys(older), keys(newer));
    let known =
        |cluster: &Cluster, keys: &HashSet<String>| of_cluster(cluster).any(|key| keys.contains(&key));
    let mut comparison = Comparison::default();
    for cluster in newer {
        let list = if known(cluster, &old_keys) { &mut comparison.still_there } else { &mut comparison.new };
        list.push(cluster.id.clone());
    }
    let gone = older.iter().filter(|cluster| !known(cluster, &new_keys));
    comparison.gone = gone.map(|cluster| (cluster.id.clone(), cluster.title.clone())).collect();
    comparison
}

fn keys(clusters: &[Cluster]) -> HashSet<String> {
    clusters.iter().flat_map(of_cluster).collect()
}

fn of_cluster(cluster: &Cluster) -> impl Iterator<Item = String> {
    let fingerprints = cluster.members.iter().map(|member| member.fingerprint.clone());
    std::iter::once(cluster.id.clone()).chain(fingerprints)
}
