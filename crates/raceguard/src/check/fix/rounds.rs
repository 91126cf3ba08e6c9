//! Fixes, round by round: what mends one finding may lie in the way of what mends another, or bring to light a third.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use raceguard_evidence::StaticFinding;

use super::command::Fixing;
use super::edits::{Contents, EditSet};
use super::overlay::Overlay;
use super::verify;
use crate::check::analysis::{Analysed, Outcome, analyse_tree};

/// So often at most. Each round takes at least one analysis.
const ROUNDS: usize = 8;

/// What came of all rounds.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// The new contents of the files that change.
    pub(super) contents: Contents,
    /// How many findings the fixes mend.
    pub(super) findings: usize,
    /// How many fixes do not hold what they promise.
    pub(super) refused: usize,
}

/// Applies what can be applied, and looks again, until nothing more can.
pub(super) fn run(fixing: &Fixing<'_>) -> Mended {
    let mut mended = Mended::default();
    let mut refused: HashSet<String> = HashSet::new();
    let mut findings: Vec<StaticFinding> = fixing.findings.to_vec();
    let mut before: Outcome = fixing.analysed.outcome.clone();
    for _ in 0..ROUNDS {
        let fixable: Vec<&StaticFinding> = findings
            .iter()
            .filter(|finding| !refused.contains(finding.fingerprint.as_str()) && fixing.may_fix(finding))
            .collect();
        let (now, later) = apart(&fixable);
        let contents = mended.contents.clone();
        let current = |path: &Path| contents.get(path).cloned().or_else(|| fixing.original(path));
        let with = |findings: &[&StaticFinding]| joined(&contents, findings, &current);
        let mut latest: Option<Analysed> = None;
        let mut analyse = |findings: &[&StaticFinding]| {
            let analysed = analyse_tree(&Overlay { contents: &with(findings)? }, fixing.request);
            let outcome = analysed.outcome.clone();
            latest = Some(analysed);
            Some(outcome)
        };
        let held = verify::that_hold(&now, &before, &mut analyse);
        let lost = now.iter().filter(|finding| !held.iter().any(|other| std::ptr::eq(*other, **finding)));
        refused.extend(lost.map(|finding| finding.fingerprint.as_str().to_owned()));
        let Some(new) = (!held.is_empty()).then(|| with(&held)).flatten() else { break };
        mended.findings += held.len();
        // The last analysis is that of what held, unless the last try failed.
        let analysed = match latest {
            Some(analysed) if held.len() == now.len() => analysed,
            _ => analyse_tree(&Overlay { contents: &new }, fixing.request),
        };
        mended.contents = new;
        let Some(shown) = fixing.shown else {
            refused.extend(later.iter().map(|finding| finding.fingerprint.as_str().to_owned()));
            break;
        };
        findings = shown(&analysed);
        before = analysed.outcome;
    }
    mended.refused = refused.len();
    mended
}

/// The fixes that can be applied together, first come first served, and the others.
fn apart<'f>(fixable: &[&'f StaticFinding]) -> (Vec<&'f StaticFinding>, Vec<&'f StaticFinding>) {
    let (mut now, mut later): (Vec<&StaticFinding>, Vec<&StaticFinding>) = (Vec::new(), Vec::new());
    let mut taken = EditSet::default();
    for &finding in fixable {
        match taken.with(finding) {
            Some(set) => {
                taken = set;
                now.push(finding);
            }
            None => later.push(finding),
        }
    }
    (now, later)
}

fn joined(
    contents: &Contents,
    findings: &[&StaticFinding],
    current: &dyn Fn(&Path) -> Option<Arc<[u8]>>,
) -> Option<Contents> {
    let mut all = contents.clone();
    all.extend(EditSet::of(findings)?.applied(current)?);
    Some(all)
}
