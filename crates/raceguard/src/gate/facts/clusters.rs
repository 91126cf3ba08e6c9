//! Clusters, as policies see them.

use raceguard_policy::facts::{ClusterFact, FindingFact};

use crate::gate::runs::LoadedRun;

/// The clusters of the runs. This is the one place where they come in: a policy over clusters looks at what this gives,
/// with the findings of the same runs at hand for what the baseline knows.
pub(super) fn clusters(_runs: &[LoadedRun], _findings: &[FindingFact]) -> Vec<ClusterFact> {
    Vec::new()
}
