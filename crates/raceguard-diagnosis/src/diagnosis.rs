//! The diagnosis as a whole.

use std::path::Path;

use raceguard_evidence::Record;
use serde::Serialize;

use crate::blocking::{Blocking, blocking};
use crate::chain::{Chain, link_spans};
use crate::cluster::{Cluster, clusters};
use crate::evidence::Evidence;
use crate::flame::{FlameNode, flames};
use crate::heap::{HeapFinding, heap};
use crate::locks::{LockUse, locks};
use crate::observation::{Observation, observations};
use crate::rank::score;
use crate::source_text::SourceText;
use crate::top_causes::{TopCause, TopOptions, top_causes};

/// What all the evidence comes to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diagnosis {
    /// The root causes, highest score first.
    pub clusters: Vec<Cluster>,
    /// Goroutines that wait for each other, by dump.
    pub blocking: Vec<Blocking>,
    /// Locks that goroutines waited for, most waiting first.
    pub locks: Vec<LockUse>,
    /// Waiting for locks by stacks, a tree for each kind of profile.
    pub flames: Vec<FlameNode>,
    /// What heap profiles show about maps, most bytes first.
    pub heap: Vec<HeapFinding>,
    /// The operations that hurt most, by their spans.
    pub top_causes: Vec<TopCause>,
    /// What it rests on.
    pub basis: Vec<Basis>,
    /// What a reader must know to judge it: damage, gaps, clocks that disagree. Sentences without a full stop.
    pub notes: Vec<String>,
}

/// A run, or a file of foreign evidence, that the diagnosis rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// Name of the run.
    pub run: String,
    /// `test`, `check`, or the format of the file.
    pub kind: String,
    /// Path of the file; empty for a run of our own.
    pub path: String,
    /// Records.
    pub records: u64,
    /// Parts that were not understood.
    pub skipped: u64,
}

impl Diagnosis {
    /// Diagnoses `evidence`. `read_source` gives the text of a source file, `None` when it is not there.
    pub fn of(
        evidence: &Evidence,
        options: &TopOptions,
        read_source: &dyn Fn(&Path) -> Option<String>,
    ) -> Self {
        let paths = evidence.module_paths();
        let sources = SourceText::new(&paths, read_source);
        let observations = observations(evidence, &paths, &sources);
        let locks = locks(evidence, &paths, &sources);
        let blocking = blocking(evidence, &paths, &sources);
        let chain = Chain::new(evidence, &locks, &blocking);
        let mut clusters: Vec<Cluster> = clusters(&observations, evidence)
            .into_iter()
            .map(|(mut cluster, members)| {
                let members: Vec<&Observation> = members.iter().map(|&index| &observations[index]).collect();
                chain.link(&mut cluster);
                cluster.score = score(&cluster, &members);
                cluster
            })
            .collect();
        clusters.sort_by(|a, b| b.score.total.total_cmp(&a.score.total).then_with(|| a.id.cmp(&b.id)));
        let top_causes = top_causes(evidence, &clusters, options);
        link_spans(&mut clusters, &top_causes);
        Self {
            clusters,
            top_causes,
            flames: flames(evidence),
            heap: heap(evidence, &paths, &sources),
            basis: basis(evidence),
            notes: notes(evidence),
            blocking,
            locks,
        }
    }
}

fn basis(evidence: &Evidence) -> Vec<Basis> {
    let mut basis = Vec::new();
    for run in &evidence.runs {
        let recorded = &run.evidence;
        let sources: Vec<_> = recorded
            .foreign
            .iter()
            .filter_map(|record| if let Record::Source(source) = record { Some(source) } else { None })
            .collect();
        if sources.is_empty() {
            let own = recorded.findings.iter().map(|finding| finding.occurrences).sum::<u64>()
                + recorded.crashes.iter().map(|crash| crash.occurrences).sum::<u64>()
                + recorded.static_findings.len() as u64
                + recorded.tests.len() as u64;
            basis.push(Basis {
                run: run.name.clone(),
                kind: recorded.run.as_ref().map_or_else(String::new, |run| run.mode.as_str().to_owned()),
                path: String::new(),
                records: own,
                skipped: recorded.skipped_lines,
            });
        }
        basis.extend(sources.into_iter().map(|source| Basis {
            run: run.name.clone(),
            kind: source.format.clone(),
            path: source.path.clone(),
            records: source.records,
            skipped: source.skipped.iter().map(|skipped| skipped.count).sum(),
        }));
    }
    basis
}

fn notes(evidence: &Evidence) -> Vec<String> {
    let mut notes = Vec::new();
    for run in &evidence.runs {
        if run.evidence.skipped_lines > 0 {
            notes.push(format!(
                "{}: {} lines of the evidence are damaged",
                run.name, run.evidence.skipped_lines
            ));
        }
        if run.evidence.run.is_some() && run.evidence.end.is_none() {
            notes.push(format!("{}: the run has not ended, or was killed", run.name));
        }
        for record in &run.evidence.foreign {
            let Record::Source(source) = record else { continue };
            for skipped in &source.skipped {
                notes.push(format!("{}: not understood: {} {}", source.path, skipped.count, skipped.what));
            }
            notes.extend(source.warnings.iter().map(|warning| format!("{}: {warning}", source.path)));
        }
    }
    notes.extend(clocks(evidence));
    notes
}

/// Spans that end before they start, and evidence from the future of the newest run: clocks disagree.
fn clocks(evidence: &Evidence) -> Vec<String> {
    let spans = evidence.runs.iter().flat_map(|run| &run.evidence.foreign);
    let backwards = spans
        .filter(|record| matches!(record, Record::Span(span) if span.end_unix_ns < span.start_unix_ns))
        .count();
    let mut notes = Vec::new();
    if backwards > 0 {
        notes.push(format!("{backwards} spans end before they start: the clocks of their services disagree"));
    }
    for run in &evidence.runs {
        let (started, ended) = (run.started(), run.evidence.end.as_ref().map_or(0, |end| end.ended_unix_ns));
        let outside = run.evidence.findings.iter().filter(|finding| {
            let time = finding.race.time_unix_ns;
            time > 0
                && started > 0
                && finding.race.extra.get("source").is_none()
                && (time < started || (ended > 0 && time > ended))
        });
        let count = outside.count();
        if count > 0 {
            notes.push(format!("{}: {count} races have a time outside the run: clocks disagree", run.name));
        }
    }
    notes
}
