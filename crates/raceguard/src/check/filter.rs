//! From everything that was found to what is shown, with a count of each finding that is not.

use std::path::Path;

use raceguard_evidence::{RunEvidence, Severity, SourceProblem, StaticFinding};

use super::analysis::Analysed;
use super::baseline::Baseline;
use super::git_diff::ChangedLines;
use super::selection::Verdict;
use super::settings::Settings;
use super::suppression::{self, Suppressions};

/// What a check has to say.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The findings that are shown, by place.
    pub findings: Vec<StaticFinding>,
    /// What went wrong with the sources.
    pub problems: Vec<SourceProblem>,
    /// The findings that are not shown.
    pub hidden: Hidden,
    /// How many packages were analysed.
    pub packages: usize,
    /// How long it took.
    pub seconds: f64,
}

/// Findings that are not shown, by the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// By comments in the source.
    pub suppressed: usize,
    /// By code, or by file in `raceguard.toml`.
    pub not_selected: usize,
    /// Below the least severity.
    pub too_mild: usize,
    /// Not on changed lines.
    pub unchanged: usize,
    /// In the baseline.
    pub known: usize,
}

impl Report {
    /// How many of the findings shown have a severity.
    pub fn count(&self, severity: &Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == *severity).count()
    }

    /// How many problems took something away from the analysis.
    pub fn losses(&self) -> usize {
        self.problems.iter().filter(|problem| problem.loss).count()
    }

    /// 2 when not everything was analysed, else 1 when there are findings, else 0.
    pub fn exit_code(&self) -> u8 {
        if self.losses() > 0 { 2 } else { u8::from(!self.findings.is_empty()) }
    }

    /// The report that a check left as evidence. What was hidden is not known any more.
    pub fn from_evidence(evidence: &RunEvidence) -> Self {
        let end = evidence.end.as_ref();
        let packages = end.and_then(|end| end.extra.get("packages")?.as_u64()).unwrap_or_default();
        let started = evidence.run.as_ref().map_or(0, |run| run.started_unix_ns);
        let taken = end.map_or(0, |end| end.ended_unix_ns.saturating_sub(started));
        Self {
            findings: evidence.static_findings.clone(),
            problems: evidence.source_problems.clone(),
            hidden: Hidden::default(),
            packages: usize::try_from(packages).unwrap_or(usize::MAX),
            seconds: std::time::Duration::from_nanos(taken).as_secs_f64(),
        }
    }
}

/// What is shown of an analysis, and what a baseline is made of.
#[derive(Debug)]
pub struct Filtered {
    /// The report.
    pub report: Report,
    /// What would be shown without a baseline.
    pub before_baseline: Vec<StaticFinding>,
}

/// Leaves out what the user does not want to see.
pub fn filter(
    analysed: &Analysed,
    settings: &Settings,
    changed: Option<&ChangedLines>,
    baseline: Option<&Baseline>,
) -> Filtered {
    let mut hidden = Hidden::default();
    let mut problems = analysed.problems();
    problems.retain(|problem| !is_excluded(&problem.path, settings));
    let is_whole = is_whole(settings) && !problems.iter().any(|problem| problem.loss);
    let mut findings = unsuppressed(analysed, is_whole, &mut hidden);
    findings.sort_by(suppression::by_place);
    findings.retain(|finding| match verdict(finding, settings) {
        Verdict::Shown => true,
        Verdict::NotSelected => {
            hidden.not_selected += 1;
            false
        }
        Verdict::TooMild => {
            hidden.too_mild += 1;
            false
        }
    });
    if let Some(changed) = changed {
        let before = findings.len();
        findings.retain(|finding| changed.touches(finding));
        hidden.unchanged = before - findings.len();
    }
    let before_baseline = findings.clone();
    if let Some(baseline) = baseline {
        findings = baseline.new_ones(findings);
        hidden.known = before_baseline.len() - findings.len();
    }
    let packages = analysed.loaded.roots().count();
    let report = Report { findings, problems, hidden, packages, seconds: 0.0 };
    Filtered { report, before_baseline }
}

/// Whether a finding that is not there would be, so that its suppression is not used.
fn is_whole(settings: &Settings) -> bool {
    let is_file =
        |pattern: &String| Path::new(pattern).extension().is_some_and(|extension| extension == "go");
    settings.request.tests && !settings.request.patterns.iter().any(is_file)
}

/// The findings that no comment suppresses, and those on the comments.
fn unsuppressed(analysed: &Analysed, is_whole: bool, hidden: &mut Hidden) -> Vec<StaticFinding> {
    let files = analysed.root_files().filter(|file| suppression::may_have_some(&file.bytes));
    let suppressions = Suppressions::of(files);
    let mut findings = suppressions.apply(&analysed.outcome.findings, &mut hidden.suppressed);
    findings.extend(suppressions.findings().iter().cloned());
    if is_whole {
        findings.extend(suppressions.unused(&analysed.outcome.findings));
    }
    findings
}

fn is_excluded(file: &str, settings: &Settings) -> bool {
    settings.exclude.iter().any(|glob| glob.matches(Path::new(file)))
}

fn verdict(finding: &StaticFinding, settings: &Settings) -> Verdict {
    let excluded = finding.sites.iter().all(|site| is_excluded(&site.place.file, settings));
    let ignored = settings.per_file_ignores.iter().any(|(glob, codes)| {
        codes.iter().any(|code| code.matches(&finding.rule))
            && finding.sites.iter().any(|site| glob.matches(Path::new(&site.place.file)))
    });
    if excluded || ignored {
        return Verdict::NotSelected;
    }
    settings.selection.verdict(&finding.rule, &finding.severity)
}
