//! Findings of a run in a few words each, for whoever lists them beside others.

use std::path::Path;

use raceguard_evidence::RunEvidence;

use super::view::{FrameView, ReportView};

/// A race or a crash in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    /// Code of the rule.
    pub(crate) rule: &'static str,
    /// Its name.
    pub(crate) class: &'static str,
    /// What happened, one line.
    pub(crate) headline: String,
    /// What raced; empty when unknown.
    pub(crate) subject: String,
    /// The statements, the one to blame first: file as in evidence, line, and function.
    pub(crate) statements: Vec<(String, u32, String)>,
}

/// The races and the crashes of a run, in the order of its evidence.
pub(crate) fn brief(
    evidence: &RunEvidence,
    read_source: &dyn Fn(&Path) -> Option<String>,
) -> (Vec<Brief>, Vec<Brief>) {
    let view = ReportView::new(evidence, read_source);
    let races = view.findings.iter().map(|finding| Brief {
        rule: finding.rule.code,
        class: finding.rule.name,
        headline: finding.headline.clone(),
        subject: finding.subject.clone().unwrap_or_default(),
        statements: finding.accesses.iter().filter_map(|access| statement(access.place.as_ref())).collect(),
    });
    let crashes = view.crashes.iter().map(|crash| Brief {
        rule: crash.rule.code,
        class: crash.rule.name,
        headline: crash.headline.clone(),
        subject: String::new(),
        statements: statement(crash.place.as_ref()).into_iter().collect(),
    });
    (races.collect(), crashes.collect())
}

fn statement(place: Option<&FrameView<'_>>) -> Option<(String, u32, String)> {
    let frame = place?.frame;
    Some((frame.file.clone(), frame.line, frame.function.clone()))
}
