//! The diagnosis as a whole.

use std::path::Path;

use serde::Serialize;

use crate::cluster::{Cluster, clusters};
use crate::evidence::Evidence;
use crate::observation::{Observation, observations};
use crate::rank::score;
use crate::source_text::SourceText;

/// What all the evidence comes to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diagnosis {
    /// The root causes, highest score first.
    pub clusters: Vec<Cluster>,
}

impl Diagnosis {
    /// Diagnoses `evidence`. `read_source` gives the text of a source file, `None` when it is not there.
    pub fn of(evidence: &Evidence, read_source: &dyn Fn(&Path) -> Option<String>) -> Self {
        let paths = evidence.module_paths();
        let sources = SourceText::new(&paths, read_source);
        let observations = observations(evidence, &paths, &sources);
        let mut clusters: Vec<Cluster> = clusters(&observations, evidence)
            .into_iter()
            .map(|(mut cluster, members)| {
                let members: Vec<&Observation> = members.iter().map(|&index| &observations[index]).collect();
                cluster.score = score(&cluster, &members);
                cluster
            })
            .collect();
        clusters.sort_by(|a, b| b.score.total.total_cmp(&a.score.total).then_with(|| a.id.cmp(&b.id)));
        Self { clusters }
    }
}
