//! Clusters, as policies see them.

use std::collections::HashSet;

use raceguard_diagnosis::Diagnosis;
use raceguard_diagnosis::cluster::Cluster;
use raceguard_policy::facts::{ClusterFact, FindingFact};

/// The clusters of a diagnosis. One is new when none of its findings is known to the baseline.
pub(super) fn clusters(diagnosis: &Diagnosis, findings: &[FindingFact]) -> Vec<ClusterFact> {
    let known: HashSet<&str> = findings
        .iter()
        .filter(|finding| !finding.is_new)
        .map(|finding| finding.fingerprint.as_str())
        .collect();
    diagnosis.clusters.iter().map(|cluster| fact(cluster, &known)).collect()
}

fn fact(cluster: &Cluster, known: &HashSet<&str>) -> ClusterFact {
    let blamed = cluster.blame.as_ref().and_then(|blame| cluster.statements.get(blame.statement));
    let test = |test: &raceguard_evidence::TestName| {
        test.test.as_ref().map_or_else(|| test.package.clone(), |name| format!("{}.{name}", test.package))
    };
    ClusterFact {
        id: cluster.id.clone(),
        title: cluster.title.clone(),
        class: serde_json::to_value(cluster.cause)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default(),
        severity: cluster.severity.as_str().to_owned(),
        confidence: Some(cluster.confidence),
        occurrences: cluster.occurrences,
        instances: cluster.instances.len() as u64,
        versions: cluster.versions.len() as u64,
        findings: cluster.members.iter().map(|member| member.fingerprint.clone()).collect(),
        score: cluster.score.total,
        is_new: !cluster.members.iter().any(|member| known.contains(member.fingerprint.as_str())),
        file: blamed.map_or_else(String::new, |statement| statement.file.clone()),
        line: blamed.map_or(0, |statement| statement.line.into()),
        tests: cluster.tests.iter().map(test).collect(),
    }
}
