//! The whole analysis: from loaded packages to findings.

use crate::finding::Finding;
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
    for check in PROGRAM_CHECKS {
        check(&context, &mut findings);
    }
    fixes::attach(&context, &mut findings);
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.sites.first().map(|site| site.location), finding.rule.code);
        key(a).cmp(&key(b))
    });
    Checked { lowered, findings }
}
