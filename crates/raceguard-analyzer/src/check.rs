//! The whole analysis: from loaded packages to findings.

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use crate::finding::{Finding, Location, Severity};
use crate::fixes;
use crate::pipeline::{Lowered, lower};
use crate::rules::{PROGRAM_CHECKS, ProgramContext};
use crate::source::Loaded;

/// The result of an analysis.
#[derive(Debug)]
pub struct Checked {
    /// The program, and all that could not be parsed.
    pub lowered: Lowered,
    /// What was found, by place.
    pub findings: Vec<Finding>,
}

/// Analyses what was loaded.
pub fn check(loaded: &Loaded) -> Checked {
    let mut lowered = lower(loaded);
    let mut findings = std::mem::take(&mut lowered.findings);
    let context =
        ProgramContext { program: &lowered.program, models: &lowered.models, units: &lowered.units };
    // Side by side: where one of them has work for a single core only, the others fill the rest.
    let found: Vec<Vec<Finding>> = PROGRAM_CHECKS
        .par_iter()
        .map(|check| {
            let mut found = Vec::new();
            check(&context, &mut found);
            found
        })
        .collect();
    findings.extend(found.into_iter().flatten());
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.sites.first().map(|site| site.location), finding.rule.code);
        key(a).cmp(&key(b))
    });
    drop_repeated(&mut findings);
    fixes::attach(&context, &mut findings);
    Checked { lowered, findings }
}

/// The pair of statements that a finding is about, whichever of them it blames.
type Pair = (&'static str, Location, Location);

/// Two ways of looking may find the same two statements: the first finding stays, as sure as the surer of them.
fn drop_repeated(findings: &mut Vec<Finding>) {
    let mut surest: HashMap<Pair, Severity> = HashMap::new();
    for finding in &*findings {
        if let Some(pair) = pair(finding) {
            let known = surest.entry(pair).or_insert(finding.severity);
            *known = finding.severity.max(*known);
        }
    }
    findings.retain_mut(|finding| {
        let Some(pair) = pair(finding) else { return true };
        let Some(severity) = surest.remove(&pair) else { return false };
        finding.severity = severity;
        true
    });
}

fn pair(finding: &Finding) -> Option<Pair> {
    let [first, second] = finding.sites.as_slice() else { return None };
    let (a, b) = (first.location, second.location);
    Some((finding.rule.code, a.min(b), a.max(b)))
}
